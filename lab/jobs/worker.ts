import { open } from "../../kernels/index.js";
import { type Run, serve } from "../sweep/serve.js";
import type { Worker } from "../sweep/workers.js";
import { openDesk } from "./desk.js";
import { openLabCache } from "./graph.js";
import type { Job } from "./job.js";
import { runJob } from "./run-job.js";

/** The life of a child process that does the lab's jobs, each on one thread. */
export const serveJobs = (): Promise<void> =>
  serve(async (cache): Promise<Run<Job>> => {
    const desk = openDesk(await open("cpu"), openLabCache(cache));
    return (job, onShare) => runJob(job, desk, onShare);
  });

/** This process itself. */
export const ownWorker = async (cache: string): Promise<Worker<Job>> => {
  const device = await open("cpu");
  const desk = openDesk(device, openLabCache(cache));
  return { run: (job, onShare) => runJob(job, desk, onShare), close: () => device.close() };
};
