import { existsSync } from "node:fs";
import { join } from "node:path";
import { InputError } from "../core/errors.js";
import { isObject, readJsonObject } from "../models/files/json.js";
import { writeTextAtomically } from "../models/files/writing/atomic.js";
import { openCache, tidyCache } from "./jobs/cache.js";
import { type Budget, budgetOf, type Report, runQueue } from "./jobs/queue.js";
import type { Worker } from "./jobs/workers.js";
import { jobsOf, planRuns } from "./plan.js";
import { type Document, documentOf } from "./report/document.js";
import { reportOf } from "./report/html.js";
import type { Size } from "./sizes.js";

/** Where a lab keeps its results, and who does the work. */
export interface LabOptions {
  readonly size: Size;
  /** Gets cache/, results.json and report.html. */
  readonly folder: string;
  readonly openWorker: (cache: string) => Worker | Promise<Worker>;
  /** Jobs at a time. */
  readonly processes: number;
  readonly onReport?: (report: Report) => void;
}

const cacheOf = (folder: string): string => join(folder, "cache");
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
export const labBudget = (size: Size, folder: string): Budget => {
  checkOwn(folder);
  return budgetOf(jobsOf(planRuns(size)), openCache(cacheOf(folder)));
};

/**
 * Runs what is not in the cache yet, and writes results.json and report.html. Their bytes depend on the size alone, not on
 * how often the lab was cut off, nor on the number of processes.
 */
export const runLab = async (options: LabOptions): Promise<Document> => {
  const { size, folder, processes, openWorker, onReport } = options;
  const cache = cacheOf(folder);
  tidyCache(cache);
  const budget = labBudget(size, folder);
  const workers: Worker[] = [];
  try {
    for (let i = 0; i < Math.min(processes, budget.pending.length); i++) workers.push(await openWorker(cache));
    await runQueue(budget, workers, onReport);
  } finally {
    await Promise.all(workers.map((worker) => worker.close()));
  }
  const document = documentOf(size, openCache(cache));
  writeTextAtomically(resultsOf(folder), `${JSON.stringify(document, undefined, 1)}\n`);
  writeTextAtomically(reportIn(folder), reportOf(document));
  return document;
};
