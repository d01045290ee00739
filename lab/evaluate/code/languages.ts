import { execFileSync } from "node:child_process";
import { realpathSync } from "node:fs";
import { dirname } from "node:path";
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
}

export interface Installed {
  readonly executable: string;
  readonly folders: readonly string[];
}

/** As HumanEval's `execution.py` runs a program: names of its own, nothing to read, what it prints unheard, any exception a failure. */
const PYTHON = `
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

/** Languages of programs, by a task's `language`. */
export const languages = {
  python: {
    command: (executable) => [executable, "-B", "-s", "-c"],
    harness: (filter) => PYTHON.replace("FILTER", filter === undefined ? "" : Buffer.from(filter).toString("hex")),
    find: () => {
      try {
        const said = execFileSync("python3", ["-c", ASK_PYTHON], { encoding: "utf8", timeout: 60_000 });
        const [executable, real, prefix, base] = JSON.parse(said) as string[];
        return { executable, folders: [executable, real, prefix, base] };
      } catch (error) {
        const why = (error as Error).message.split("\n")[0];
        throw new InputError(`generated programs are Python, and python3 cannot be run (${why}); put it on the PATH`);
      }
    },
    memory: "as",
    environment: { PYTHONHASHSEED: "0", OMP_NUM_THREADS: "1", OPENBLAS_NUM_THREADS: "1", MPLBACKEND: "agg" },
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
  },
} as const satisfies Record<string, Language>;

export type LanguageName = keyof typeof languages;
