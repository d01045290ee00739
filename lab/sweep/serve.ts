import type { OnShare } from "./graph.js";
import { type ToldError, toldError } from "./told-error.js";

/** What a worker is told: once where results are kept, then job after job. */
export type ToWorker<J> = { readonly cache: string } | { readonly job: J };

/** What it answers: how far it is, that it is done, or what went wrong. */
export type FromWorker = { readonly share: number } | { readonly done: true } | { readonly failed: ToldError };

/** The seconds between two messages of how far a job is. */
const EVERY = 0.5;

/** Does a job, and keeps its result. */
export type Run<J> = (job: J, onShare: OnShare) => Promise<void>;

/**
 * The life of a child process that does jobs, until its parent goes; `open` is told where results are kept. Never resolves: the
 * process ends when the parent has disconnected.
 */
export const serve = async <J>(open: (cache: string) => Promise<Run<J>>): Promise<void> => {
  const leave = (): never => process.exit(0);
  const answer = (message: FromWorker): void => {
    if (process.connected) process.send?.(message, undefined, undefined, (error) => error && leave());
  };
  process.on("disconnect", leave);
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"]) process.on(name, () => {}); // the parent ends this process
  let run: Promise<Run<J>> | undefined;
  let told = 0;
  const onShare = (share: number): void => {
    if (performance.now() - told < 1000 * EVERY) return;
    told = performance.now();
    answer({ share });
  };
  const done = async (job: J): Promise<void> => (await run)?.(job, onShare);
  process.on("message", (message: ToWorker<J>) => {
    if ("cache" in message) {
      run = open(message.cache);
      run.catch(() => {}); // told with the first job
      return;
    }
    done(message.job).then(
      () => answer({ done: true }),
      (error: unknown) => answer({ failed: toldError(error) }),
    );
  });
  await new Promise(() => {});
};
