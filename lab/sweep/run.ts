import { join } from "node:path";
import { InputError } from "../../core/errors.js";
import { makeFolder } from "../../models/files/writing/make-folder.js";
import { isSystemError, reasonOf } from "../../models/files/writing/system-error.js";
import { tidyCache } from "./cache.js";
import { openClaims } from "./claims.js";
import type { Graph, Store } from "./graph.js";
import { budgetOf, type Failed, type Report, runQueue } from "./queue.js";
import type { Worker } from "./workers.js";

/** Where a sweep's results lie, and who has claimed what of it. */
export const cacheIn = (folder: string): string => join(folder, "cache");
export const claimsIn = (folder: string): string => join(folder, "claims");

/** Makes the folder of a sweep, with what is in it. Errors: InputError where it cannot be made. */
export const makeSweep = (folder: string): void => {
  try {
    makeFolder(cacheIn(folder));
    makeFolder(claimsIn(folder));
  } catch (error) {
    throw isSystemError(error) ? new InputError(`${folder}: cannot be written to (${reasonOf(error)})`) : error;
  }
};

/** Jobs, and who does them here. */
export interface Sweep<J> {
  /** The command, for people: `lab`. */
  readonly what: string;
  /** Gets cache/ and claims/; may be shared with other machines, which do the same there. */
  readonly folder: string;
  readonly graph: Graph<J>;
  /** What lies in cache/. */
  readonly store: Store<J>;
  /** Parents first. */
  readonly jobs: readonly J[];
  readonly openWorker: (cache: string) => Worker<J> | Promise<Worker<J>>;
  /** Jobs at a time. */
  readonly processes: number;
  readonly onReport?: (report: Report) => void;
}

/** Does what is left of a sweep, beside whoever else does so in its folder. Returns what fails. Errors: as of `runQueue`. */
export const runSweep = async <J>(sweep: Sweep<J>): Promise<readonly Failed<J>[]> => {
  const { what, folder, graph, store, jobs, openWorker, processes, onReport } = sweep;
  makeSweep(folder);
  const claims = openClaims(claimsIn(folder), what);
  const workers: Worker<J>[] = [];
  try {
    tidyCache(cacheIn(folder), claims);
    const budget = budgetOf(graph, store, jobs);
    for (let i = 0; i < Math.min(processes, budget.pending.length); i++)
      workers.push(await openWorker(cacheIn(folder)));
    return await runQueue({ graph, store, claims }, budget, workers, onReport);
  } finally {
    await Promise.all(workers.map((worker) => worker.close()));
    claims.close();
  }
};

/** Forgets that jobs have failed, so that they are tried again; returns how many they are. */
export const retry = <J>(folder: string, what: string, { idOf }: Graph<J>, jobs: readonly J[]): number => {
  const claims = openClaims(claimsIn(folder), what);
  try {
    const seen = claims.look();
    return jobs.filter((job) => {
      const last = seen.get(idOf(job));
      if (last?.state !== "failed") return false;
      claims.take(idOf(job), last)?.end({ end: "left" });
      return true;
    }).length;
  } finally {
    claims.close();
  }
};

/** What to say of jobs that fail: the first one's own words, and how many there are. */
export const failureOf = <J>({ nameOf }: Graph<J>, failed: readonly Failed<J>[]): unknown => {
  const [{ job, reason, error }] = failed; // parents first, so that it is none that builds on another
  if (error !== undefined && !(error instanceof InputError)) return error;
  const blocked = failed.filter(({ isBlocked }) => isBlocked).length;
  const more = failed.length - blocked - 1;
  const others = [
    ...(more === 0 ? [] : [`${more} more failed`]),
    ...(blocked === 0 ? [] : [`${blocked} build on what failed`]),
  ];
  return new InputError(
    `${nameOf(job)} failed: ${reason}${others.length === 0 ? "" : ` (${others.join(", ")})`}; all else is done; --status tells each, --retry tries them again`,
  );
};
