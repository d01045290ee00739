import { type Run, serve } from "../../lab/sweep/serve.js";
import type { Worker } from "../../lab/sweep/workers.js";
import type { Job } from "./jobs.js";
import { openBench, runJob } from "./run-job.js";
import { openStore } from "./store.js";

const runIn = (cache: string, tell: (line: string) => void): Run<Job> => {
  const bench = openBench(openStore(cache), tell);
  return (job, onShare) => runJob(job, bench, onShare);
};

/** The life of a child process that does a comparison's jobs. Warnings go to its standard error. */
export const serveJobs = (): Promise<void> =>
  serve<Job>(async (cache) => runIn(cache, (line) => process.stderr.write(`${line}\n`)));

/** This process itself. */
export const ownWorker = async (cache: string, tell: (line: string) => void): Promise<Worker<Job>> => ({
  run: runIn(cache, tell),
  close: async () => {},
});
