import { type ChildProcess, fork } from "node:child_process";
import { WorkerLost } from "./blame.js";
import type { OnShare } from "./graph.js";
import type { FromWorker, ToWorker } from "./serve.js";
import { heardError } from "./told-error.js";

/** Does one job at a time. */
export interface Worker<J> {
  readonly run: (job: J, onShare: OnShare) => Promise<void>;
  readonly close: () => Promise<void>;
}

/** How a child process is started that calls `serve`. */
export interface WorkerScript {
  readonly path: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** A child process, of one thread unless `env` says otherwise, that keeps results in a folder. Its standard error is this process's. */
export const forkWorker = <J>({ path, args, env }: WorkerScript, cache: string): Worker<J> => {
  const child: ChildProcess = fork(path, args, {
    env: { ...process.env, TAUGRAD_THREADS: "1", ...env },
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  child.on("error", () => {}); // told by the exit
  const end = (): void => {
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
  };
  process.on("exit", end); // however this process ends, its children do
  const tell = (message: ToWorker<J>): void => {
    child.send(message);
  };
  tell({ cache });
  return {
    run: (job, onShare) =>
      new Promise((resolve, reject) => {
        const settled = (settle: () => void): void => {
          child.off("message", hear).off("exit", lost);
          settle();
        };
        const lost = (code: number | null, signal: string | null): void =>
          settled(() =>
            reject(
              new WorkerLost(
                `a worker process ended (${signal ?? `exit code ${code}`}); what is done stays in the cache, and the same command goes on from there`,
              ),
            ),
          );
        const hear = (message: FromWorker): void => {
          if ("share" in message) onShare(message.share);
          else if ("done" in message) settled(resolve);
          else settled(() => reject(heardError(message.failed)));
        };
        child.on("message", hear).on("exit", lost);
        if (child.exitCode !== null || child.signalCode !== null) lost(child.exitCode, child.signalCode);
        else tell({ job });
      }),
    close: async () => {
      process.off("exit", end);
      end();
    },
  };
};
