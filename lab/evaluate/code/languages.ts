import { execFileSync } from "node:child_process";
import { realpathSync } from "node:fs";
import { dirname, isAbsolute } from "node:path";
import { InputError } from "../../../core/errors.js";

/**
 * What runs a program of a language. A harness reads from standard input a mark, a line with the seconds, and the program;
 * it prints the mark and "<" before it runs the program, and the mark and ">" if that ends as it should.
 */
export interface Language {
  /** The interpreter and its arguments, to which the harness is added. */
  readonly command: (executable: string) => readonly string[];
  readonly harness: (filter: Uint8Array | undefined) => string;
  /** Where it lies, and the folders that are its own. Errors: InputError if it is not here. */
  readonly find: () => Installed;
  /** What bounds a process's memory: all of its addresses, or (an engine that reserves far more than it uses) its data. */
  readonly memory: "as" | "data";
  readonly environment: Readonly<Record<string, string>>;
  /** Whether what is written into the program's folder is run: what a compiler makes. */
  readonly executes: boolean;
}

export interface Installed {
  readonly executable: string;
  readonly folders: readonly string[];
}

/** What both harnesses in Python begin with: descriptors closed, the filter on. */
const BEGINNING = `
import ctypes, io, os, signal, sys
mark, seconds, program = sys.stdin.buffer.read().split(b"\\n", 2)
os.closerange(3, 1024)
out, own = os.dup(1), os.getpid()
filter = bytes.fromhex("FILTER")
if filter:
    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p)]
    if ctypes.CDLL(None, use_errno=True).prctl(22, 2, ctypes.byref(Program(len(filter) // 8, filter)), 0, 0) != 0:
        sys.exit("seccomp: " + os.strerror(ctypes.get_errno()))
`;

/** As HumanEval's `execution.py` runs a program: names of its own, nothing to read, what it prints unheard, any exception a failure. */
const PYTHON = `${BEGINNING}
class Unheard(io.StringIO):
    def read(self, *args, **kwargs): raise IOError
    readline = readlines = read
    def readable(self): return False
    def write(self, text): return len(text)
class TimeoutException(Exception): pass
def late(number, frame): raise TimeoutException("Timed out!")
sys.stdin = sys.stdout = sys.stderr = Unheard()
sys.argv = [""]
os.write(out, mark + b"<\\n")
ended = b""
try:
    signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, float(seconds))
    exec(compile(program, "<program>", "exec"), {})
    signal.setitimer(signal.ITIMER_REAL, 0)
    ended = mark + b">\\n"
except TimeoutException:
    ended = mark + b"late\\n"
except BaseException as error:
    try: os.write(2, ("%s: %s" % (type(error).__name__, error)).encode("utf-8", "replace")[:1000])
    except BaseException: pass
if os.getpid() == own: os.write(out, ended)
os._exit(0)
`;

/** Compiles a program, and compares what it prints for each input with what it should, blanks at the ends of lines aside. */
const CPP = `${BEGINNING}
import json, subprocess, time
job = json.loads(program)
os.write(out, mark + b"<\\n")
begun = time.monotonic()
def run(command, text, seconds):
    return subprocess.run(command, input=text.encode(), capture_output=True, timeout=max(0.01, seconds), close_fds=True)
def lines(text): return [line.rstrip() for line in text.rstrip().splitlines()]
ended = mark + b">\\n"
try:
    open("program.cpp", "w").write(job["source"])
    made = run(["g++", "-std=c++17", "-O1", "-w", "-o", "program", "program.cpp"], "", float(seconds))
    if made.returncode != 0:
        os.write(2, made.stderr[:1000])
        ended = b""
    for test in job["tests"] if ended else []:
        said = run(["./program"], test["input"], min(job["seconds"], float(seconds) - (time.monotonic() - begun)))
        if said.returncode != 0 or lines(said.stdout.decode("utf-8", "replace")) != lines(test["output"]):
            ended = b""
            break
except subprocess.TimeoutExpired:
    ended = mark + b"late\\n"
except BaseException as error:
    ended = b""
    os.write(2, repr(error).encode("utf-8", "replace")[:1000])
os.write(out, ended)
os._exit(0)
`;

/** As `node program.js` runs it, with `require`; an exit code of 0 is a success. */
const NODE = `
const { readFileSync, writeSync } = require("node:fs");
const [mark, , ...lines] = readFileSync(0, "utf8").split("\\n");
process.on("exit", (code) => code === 0 && writeSync(1, mark + ">\\n"));
writeSync(1, mark + "<\\n");
const wrapped = require("node:module").wrap(lines.join("\\n"));
const own = { exports: {} };
require("node:vm").runInThisContext(wrapped, "program.js")(own.exports, require, own, "program.js", ".");
`;

const ASK_PYTHON =
  "import json, os, sys; print(json.dumps([sys.executable, os.path.realpath(sys.executable), sys.prefix, sys.base_prefix]))";

const filtered = (harness: string, filter: Uint8Array | undefined): string =>
  harness.replace("FILTER", filter === undefined ? "" : Buffer.from(filter).toString("hex"));

const firstLine = (error: unknown): string => (error as Error).message.split("\n")[0];

const findPython = (): Installed => {
  try {
    const said = execFileSync("python3", ["-c", ASK_PYTHON], { encoding: "utf8", timeout: 60_000 });
    const [executable, real, prefix, base] = JSON.parse(said) as string[];
    return { executable, folders: [executable, real, prefix, base] };
  } catch (error) {
    throw new InputError(
      `generated programs are run by Python, and python3 cannot be run (${firstLine(error)}); put it on the PATH`,
    );
  }
};

/** Where g++ lies, and what it calls and reads. Errors: InputError. */
const compiler = (): readonly string[] => {
  const asked = (name: string): string =>
    execFileSync("g++", [`-print-prog-name=${name}`], { encoding: "utf8", timeout: 60_000 }).trim();
  try {
    const [assembler, linker, front] = ["as", "ld", "cc1plus"].map(asked);
    const tools = ["/usr/bin/g++", realpathSync("/usr/bin/g++"), "/usr/bin/as", "/usr/bin/ld", assembler, linker];
    const files = tools.filter((path) => isAbsolute(path)).flatMap((path) => [path, realpathSync(path)]);
    return [...new Set([...files, "/usr/include", dirname(dirname(dirname(dirname(front))))])];
  } catch (error) {
    throw new InputError(`generated programs are C++, and g++ cannot be asked (${firstLine(error)}); install it`);
  }
};

/** Languages of programs, by a task's `language`. */
export const languages = {
  python: {
    command: (executable) => [executable, "-B", "-s", "-c"],
    harness: (filter) => filtered(PYTHON, filter),
    find: findPython,
    memory: "as",
    environment: { PYTHONHASHSEED: "0", OMP_NUM_THREADS: "1", OPENBLAS_NUM_THREADS: "1", MPLBACKEND: "agg" },
    executes: false,
  },
  cpp: {
    command: (executable) => [executable, "-B", "-s", "-c"],
    harness: (filter) => filtered(CPP, filter),
    find: () => {
      const { executable, folders } = findPython();
      return { executable, folders: [...folders, ...compiler()] };
    },
    memory: "as",
    environment: { PYTHONHASHSEED: "0" },
    executes: true,
  },
  node: {
    command: (executable) => [executable, "-e"],
    harness: () => NODE,
    find: () => {
      const executable = realpathSync(process.execPath);
      return { executable, folders: [executable, dirname(dirname(executable))] };
    },
    memory: "data",
    environment: {},
    executes: false,
  },
} as const satisfies Record<string, Language>;

export type LanguageName = keyof typeof languages;
