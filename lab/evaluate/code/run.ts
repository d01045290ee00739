import { type ChildProcess, type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { closeSync, existsSync, openSync, readdirSync, readFileSync } from "node:fs";
import { devNull } from "node:os";
import { InputError } from "../../../core/errors.js";
import { tied } from "../tied.js";
import type { Launch, Limits } from "./confined.js";
import { childrenOf, heldBy } from "./memory.js";

/** How a program ended: as it should, or with an error, or because it took too much of something. */
export type Ending = "passed" | "failed" | "time" | "memory" | "output";

export interface Ended {
  readonly ending: Ending;
  /** What it said on its error stream, or why it did not start. */
  readonly said: string;
}

/** Characters that a program may print; bytes, and milliseconds between two looks at its memory. */
const [OUTPUT, LOOK] = [2 ** 16, 25];
/** Seconds for a sandbox and an interpreter to start, and beyond a program's own until it is ended from outside. */
const [START, GRACE] = [60, 1];

/** Ends all of a launch. A namespace's first process goes last, and its parent after it: then nothing is left. */
const endAll = ({ pid }: ChildProcess, { confined }: Launch): void => {
  if (pid === undefined) return;
  const first = confined ? childrenOf(String(pid)).map(Number) : [];
  for (const one of first.length > 0 ? first : [process.platform === "win32" ? pid : -pid])
    try {
      process.kill(one, "SIGKILL");
    } catch {
      // it has ended
    }
};

/** Descriptors above 2 that this process was given and would hand on, as far as they are known: Linux's. */
const handedOn = (): number[] => {
  try {
    const closes = (fd: string): boolean =>
      (Number.parseInt(
        /flags:\s+0*(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "latin1"))?.[1] ?? "2000000",
        8,
      ) &
        0o2000000) !==
      0;
    return readdirSync("/proc/self/fdinfo")
      .filter((fd) => Number(fd) > 2 && existsSync(`/proc/self/fdinfo/${fd}`) && !closes(fd))
      .map(Number);
  } catch {
    return [];
  }
};

/** Standard streams as pipes, and nothing in the place of any other that would be handed on. */
const streams = (nothing: number): ("pipe" | number)[] => [
  ...(["pipe", "pipe", "pipe"] as const),
  ...Array<number>(Math.max(2, ...handedOn()) - 2).fill(nothing),
];

/**
 * Runs a program by a launch; nothing of it is left when the promise resolves.
 * Errors: InputError if the harness does not start.
 */
export const run = (launch: Launch, program: string, limits: Limits, folder?: string): Promise<Ended> =>
  new Promise((resolve, reject) => {
    const mark = randomBytes(16).toString("hex");
    const nothing = openSync(devNull, "r");
    const child = spawn(launch.command, launch.args, {
      ...{ env: { ...launch.environment }, stdio: streams(nothing), detached: true },
      ...(folder !== undefined && { cwd: folder }),
    }) as ChildProcessWithoutNullStreams;
    closeSync(nothing);
    let [said, wrong, started] = ["", "", false];
    let ending: Ending | undefined;
    const end = (how: Ending): void => {
      ending ??= how;
      endAll(child, launch);
      // Whoever escaped with a pipe in hand keeps nobody waiting.
      child.stdout.destroy();
      child.stderr.destroy();
    };
    let clock = setTimeout(() => end("time"), START * 1000);
    const watch = setInterval(() => {
      if (child.pid !== undefined && heldBy(child.pid) > limits.memory + 64) end("memory");
    }, LOOK);
    const untie = tied(() => end("failed"));
    const hear = (text: string): void => {
      said += text;
      if (!started && said.includes(`${mark}<\n`)) {
        started = true;
        clearTimeout(clock);
        clock = setTimeout(() => end("time"), (limits.seconds + GRACE) * 1000);
      }
      if (said.length + wrong.length > OUTPUT) end("output");
    };
    child.stdout.setEncoding("latin1").on("data", hear);
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      wrong += text;
      hear("");
    });
    child.stdin.on("error", () => {});
    const settle = (): void => {
      clearTimeout(clock);
      clearInterval(watch);
      untie();
      endAll(child, launch);
    };
    child.on("error", (error) => {
      settle();
      reject(new InputError(error.message));
    });
    child.on("close", () => {
      settle();
      const why = wrong.trim().split("\n")[0].slice(0, 300);
      if (!started)
        reject(new InputError(ending === "time" ? `did not start within ${START} s` : why || "ended at once"));
      else if (said.includes(`${mark}late\n`)) resolve({ ending: "time", said: why });
      else resolve({ ending: ending ?? (said.includes(`${mark}>\n`) ? "passed" : "failed"), said: why });
    });
    child.stdin.end(`${mark}\n${limits.seconds}\n${program}`);
  });
