import { existsSync } from "node:fs";
import { join } from "node:path";
import { InputError } from "../core/errors.js";
import { isObject, readJsonObject } from "../models/files/json.js";
import { writeTextAtomically } from "../models/files/writing/atomic.js";
import { labGraph, openLabCache } from "./jobs/graph.js";
import type { Job } from "./jobs/job.js";
import { jobsOf, planRuns } from "./plan.js";
import { type Document, documentOf } from "./report/document.js";
import { reportOf } from "./report/html.js";
import type { Size } from "./sizes.js";
import { upTo } from "./sweep/graph.js";
import { type Budget, budgetOf } from "./sweep/queue.js";
import { cacheIn, failureOf, runSweep, type Sweep } from "./sweep/run.js";

/** How large a lab is, where it keeps its results, and who does the work. Its folder also gets results.json and report.html. */
export interface LabOptions extends Pick<Sweep<Job>, "folder" | "openWorker" | "processes" | "onReport"> {
  readonly size: Size;
  /** Do only jobs before which at most so many others have to be done. */
  readonly stage?: number;
}

const resultsOf = (folder: string): string => join(folder, "results.json");
const reportIn = (folder: string): string => join(folder, "report.html");

/** Are these a lab's results? */
const areResults = (path: string): boolean => {
  try {
    const { version, size, jobs } = readJsonObject(path);
    return typeof version === "number" && isObject(size) && isObject(jobs);
  } catch (error) {
    if (error instanceof InputError) return false;
    throw error;
  }
};

/** Errors: InputError for results or a report that no lab has written: results come first, and a report never alone. */
const checkOwn = (folder: string): void => {
  const there = [resultsOf(folder), reportIn(folder)].filter(existsSync);
  if (there.length > 0 && !areResults(resultsOf(folder)))
    throw new InputError(
      `${there[0]}: is of no lab, and would be overwritten; choose another folder, or put it elsewhere`,
    );
};

/** What a lab in this folder still has to do. Errors: InputError where it would write over what no lab has written. */
export const labBudget = (size: Size, folder: string): Budget<Job> => {
  checkOwn(folder);
  return budgetOf(labGraph, openLabCache(cacheIn(folder)), jobsOf(planRuns(size)));
};

/**
 * Runs what is not in the cache yet, beside whoever else does so in the folder, and writes results.json and report.html. Their bytes
 * depend on the size alone, not on how often the lab was cut off, nor on processes and machines. A stage that leaves jobs for later
 * ones returns undefined.
 * Errors: InputError for jobs that fail, once all others are done; and as of `runQueue`.
 */
export const runLab = async ({ size, folder, stage, ...options }: LabOptions): Promise<Document | undefined> => {
  checkOwn(folder);
  const store = openLabCache(cacheIn(folder));
  const jobs = jobsOf(planRuns(size));
  const own = upTo(labGraph, jobs, stage);
  const failed = await runSweep({ what: "lab", folder, graph: labGraph, store, jobs: own, ...options });
  if (failed.length > 0) throw failureOf(labGraph, failed);
  if (!jobs.every(store.has)) return undefined;
  const document = documentOf(size, store);
  writeTextAtomically(resultsOf(folder), `${JSON.stringify(document, undefined, 1)}\n`);
  writeTextAtomically(reportIn(folder), reportOf(document));
  return document;
};
