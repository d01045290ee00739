import { open } from "../../kernels/index.js";
import { openCache } from "./cache.js";
import { openDesk } from "./desk.js";
import type { Job } from "./job.js";
import { runJob } from "./run-job.js";
import { type ToldError, toldError } from "./told-error.js";

/** What a worker is told: once where the cache is, then job after job. */
export type ToWorker = { readonly cache: string } | { readonly job: Job };

/** What it answers: how far it is, that it is done, or what went wrong. */
export type FromWorker = { readonly share: number } | { readonly done: true } | { readonly failed: ToldError };

/** The seconds between two messages of how far a job is. */
const EVERY = 0.5;

/**
 * The life of a child process that does jobs, each on one thread, until its parent goes. Resolves when the parent has
 * disconnected.
 */
export const serveJobs = async (): Promise<void> => {
  const leave = (): never => process.exit(0);
  const answer = (message: FromWorker): void => {
    if (process.connected) process.send?.(message, undefined, undefined, (error) => error && leave());
  };
  process.on("disconnect", leave);
  for (const name of ["SIGINT", "SIGHUP", "SIGQUIT"]) process.on(name, () => {}); // the parent ends this process
  const device = await open("cpu");
  let desk: ReturnType<typeof openDesk> | undefined;
  let told = 0;
  const onShare = (share: number): void => {
    if (performance.now() - told < 1000 * EVERY) return;
    told = performance.now();
    answer({ share });
  };
  process.on("message", (message: ToWorker) => {
    if ("cache" in message) {
      desk = openDesk(device, openCache(message.cache));
      return;
    }
    if (desk === undefined) return;
    runJob(message.job, desk, onShare).then(
      () => answer({ done: true }),
      (error: unknown) => answer({ failed: toldError(error) }),
    );
  });
  await new Promise(() => {});
};
