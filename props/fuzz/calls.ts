/** Two ways to run the command line: in a process of its own, as a user does, and in one that runs call after call. */
import { type ChildProcess, fork, spawn } from "node:child_process";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Call } from "./among.js";
import type { Run, Took } from "./attempt.js";

/** Bundles, and the module that makes faults. */
export interface Programs {
  readonly cli: string;
  readonly among: string;
  readonly faults: string;
}

/** Longest that a call is waited for, in ms. */
const PATIENCE = 60_000;
/** Calls that a process runs before another one takes over. */
const CALLS = 200;

/** Tells at its end what the process took. */
const WITNESS = `import { writeFileSync } from "node:fs";
process.on("exit", () => {
  const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage();
  const took = { mebibytes: maxRSS / 1024, seconds: (userCPUTime + systemCPUTime) / 1e6 };
  writeFileSync(process.env.CAMPAIGN_WITNESS, JSON.stringify(took));
});`;

/** What a process says from now on. */
const heard = (child: ChildProcess): { stdout: string; stderr: string } => {
  const said = { stdout: "", stderr: "" };
  for (const stream of ["stdout", "stderr"] as const)
    child[stream]?.setEncoding("utf8").on("data", (text: string) => {
      said[stream] += text;
    });
  return said;
};

/** In a process of its own; `home` is a folder for what it tells at its end. */
export const alone =
  ({ cli, faults }: Programs, home: string, place: string): Run =>
  (args, { fault, during } = {}) =>
    new Promise((resolve, reject) => {
      const [witness, told] = [join(home, "witness.mjs"), join(home, "took.json")];
      writeFileSync(witness, WITNESS);
      rmSync(told, { force: true });
      const imports = [...(fault === undefined ? [] : ["--import", faults]), "--import", witness];
      const child = spawn(process.execPath, [...imports, cli, ...args], {
        stdio: ["ignore", "pipe", "pipe"],
        cwd: place,
        env: { ...process.env, NODE_OPTIONS: "", FAULT: fault && JSON.stringify(fault), CAMPAIGN_WITNESS: told },
        timeout: PATIENCE,
        killSignal: "SIGKILL",
      });
      const started = performance.now();
      const said = heard(child);
      during?.(child);
      child.on("error", reject).on("close", (code) => {
        const took = existsSync(told)
          ? JSON.parse(readFileSync(told, "utf8"))
          : { seconds: performance.now() - started > PATIENCE - 1000 ? PATIENCE / 1000 : 0 };
        resolve({ code, ...said, ...took });
      });
    });

/** One after another in one process, and in another after some; what a process took of memory counts for all its calls. */
export const together = ({ among }: Programs, place: string) => {
  let child: ChildProcess | undefined;
  let [calls, said] = [0, { stdout: "", stderr: "" }];
  const close = (): void => {
    child?.kill("SIGKILL");
    child = undefined;
  };
  const run: Run = (args) => {
    if (calls++ % CALLS === 0) close();
    if (child === undefined) {
      child = fork(among, [], {
        stdio: ["ignore", "pipe", "pipe", "ipc"],
        env: { ...process.env, NODE_OPTIONS: "" },
      });
      said = heard(child);
    }
    const own = child;
    return new Promise((resolve) => {
      const end = (took: Took): void => {
        clearTimeout(timer);
        own.off("message", end).off("close", lost);
        resolve(took);
      };
      const lost = (code: number | null): void => {
        child = undefined;
        end({ code, ...said, seconds: 0 });
      };
      const timer = setTimeout(() => {
        own.off("close", lost);
        close();
        end({ code: null, ...said, seconds: PATIENCE / 1000 });
      }, PATIENCE);
      own.on("message", end).on("close", lost);
      own.send({ args, place } satisfies Call);
    });
  };
  return { run, close };
};
