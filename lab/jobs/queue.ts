import type { Cache } from "./cache.js";
import { costOf } from "./cost.js";
import { idOf, type Job, parentOf } from "./job.js";
import type { Worker } from "./workers.js";

/** What a queue tells while it works: seconds of work done, by the cost model, of `total`, and what was last at hand. */
export interface Report {
  readonly seconds: number;
  readonly total: number;
  readonly jobs: number;
  readonly of: number;
}

/** Jobs that are not in the cache, and what doing them costs. */
export interface Budget {
  readonly pending: readonly Job[];
  /** Seconds of one core. */
  readonly seconds: number;
  /** What is wrong with what some of them left before, in a few words each. */
  readonly damaged: readonly string[];
}

export const budgetOf = (jobs: readonly Job[], cache: Cache): Budget => {
  const pending = jobs.filter((job) => !cache.has(job));
  const seconds = pending.reduce((sum, job) => sum + costOf(job), 0);
  return { pending, seconds, damaged: pending.flatMap((job) => cache.damage(job) ?? []) };
};

/** Seconds from the start of each job to the end of the longest chain that hangs on it. */
const chains = (jobs: readonly Job[]): Map<string, number> => {
  const after = new Map<string, number>();
  for (const job of jobs.toReversed()) {
    const own = costOf(job) + (after.get(idOf(job)) ?? 0);
    const parent = parentOf(job);
    if (parent !== undefined) after.set(idOf(parent), Math.max(own, after.get(idOf(parent)) ?? 0));
  }
  return after;
};

/**
 * Does jobs (parents first in the list, and in the cache or the list) on as many workers as given, each as soon as its
 * parent is done, long chains first. What is done stays in the cache, so that a run that was cut off goes on from there.
 * Errors: the first that a job meets, once the jobs that were under way have ended or been given up.
 */
export const runQueue = async (
  { pending, seconds: total }: Budget,
  workers: readonly Worker[],
  onReport: (report: Report) => void = () => {},
): Promise<void> => {
  const after = chains(pending);
  const waiting = new Set(pending.map(idOf));
  const queue = pending.toSorted(
    (a, b) => costOf(b) + (after.get(idOf(b)) ?? 0) - costOf(a) - (after.get(idOf(a)) ?? 0),
  );
  const shares = new Map<string, number>();
  let [doneSeconds, doneJobs] = [0, 0];
  const report = (): void => {
    const partial = [...shares.values()].reduce((sum, share) => sum + share, 0);
    onReport({ seconds: doneSeconds + partial, total, jobs: doneJobs, of: pending.length });
  };
  const isReady = (job: Job): boolean => {
    const parent = parentOf(job);
    return parent === undefined || !waiting.has(idOf(parent));
  };

  await new Promise<void>((resolve, reject) => {
    const idle = [...workers];
    const next = (): void => {
      if (waiting.size === 0) resolve();
      for (let at = queue.findIndex(isReady); at >= 0 && idle.length > 0; at = queue.findIndex(isReady)) {
        const [job] = queue.splice(at, 1);
        const worker = idle.pop() as Worker;
        const id = idOf(job);
        const onShare = (share: number): void => {
          shares.set(id, share * costOf(job));
          report();
        };
        worker.run(job, onShare).then(() => {
          shares.delete(id);
          waiting.delete(id);
          doneSeconds += costOf(job);
          doneJobs++;
          idle.push(worker);
          report();
          next();
        }, reject);
      }
    };
    next();
  });
};
