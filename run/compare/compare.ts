import { existsSync } from "node:fs";
import { join } from "node:path";
import { InputError } from "../../core/errors.js";
import type { CellResult } from "../../lab/compare/comparison.js";
import { type ComparisonDocument, type Counts, comparisonDocument } from "../../lab/compare/document.js";
import type { Counting } from "../../lab/compare/measured.js";
import { comparisonReport } from "../../lab/compare/report.js";
import { upTo, withParents } from "../../lab/sweep/graph.js";
import { type Budget, budgetOf, type Failed } from "../../lab/sweep/queue.js";
import { cacheIn, runSweep, type Sweep } from "../../lab/sweep/run.js";
import { isObject, readJsonObject } from "../../models/files/json.js";
import { writeTextAtomically } from "../../models/files/writing/atomic.js";
import { VERSION } from "../version.js";
import type { Voice } from "../voice.js";
import { askedIn, countingOf, openExam } from "./exam.js";
import { compareGraph, idOf, type Job, parentsOf } from "./jobs.js";
import { type Plan, type PlannedMethod, planOf } from "./plan.js";
import { type MethodPlan, rehearse, rehearseExam } from "./rehearse.js";
import { isMerged, type Spec } from "./spec.js";
import { type CompareStore, openStore } from "./store.js";

/** A comparison that is checked, and what there is to do for it. */
export interface Prepared {
  readonly plan: Plan;
  readonly folder: string;
  readonly store: CompareStore;
  readonly counting: Counting;
  readonly asked: { readonly tasks: Readonly<Record<string, Counts>>; readonly pairs?: Counts };
  /** All jobs, done or not, and those that are asked for: not models of what is measured. */
  readonly jobs: readonly Job[];
  readonly needed: readonly Job[];
  /** Of those, what is to be done. */
  readonly budget: Budget<Job>;
  /** What runs of methods that are not done would take. */
  readonly methods: ReadonlyMap<string, MethodPlan>;
}

/** Where a comparison in a folder is told. */
export const resultsIn = (folder: string): string => join(folder, "results.json");
export const reportIn = (folder: string): string => join(folder, "report.html");

/** Are these a comparison's results? */
const areResults = (path: string): boolean => {
  try {
    const { version, settings, cells } = readJsonObject(path);
    return typeof version === "string" && isObject(settings) && Array.isArray(cells);
  } catch (error) {
    if (error instanceof InputError) return false;
    throw error;
  }
};

/** Errors: InputError for results or a report that no comparison has written. */
const checkOwn = (folder: string): void => {
  const there = [resultsIn(folder), reportIn(folder)].filter(existsSync);
  if (there.length > 0 && !areResults(resultsIn(folder)))
    throw new InputError(
      `${there[0]}: is of no comparison, and would be overwritten; choose another folder, or put it elsewhere`,
    );
};

/** Methods that train and have something left to train. */
const unfinished = ({ trained, cells, spec }: Plan, pending: readonly Job[]): PlannedMethod[] => {
  const ids = new Set(pending.filter(({ kind }) => kind === "train").map(idOf));
  const needs = (job: Job): boolean => ids.has(idOf(job)) || parentsOf(job).some(needs);
  const left = new Set(cells.filter(({ job }) => needs(job)).map(({ method }) => method));
  return trained.filter(({ name }) =>
    [...left].some((method) => {
      const one = spec.methods[method];
      return (isMerged(one) ? one.of : method) === name;
    }),
  );
};

/**
 * Checks a comparison whole, before anything is trained: keys of every run, merges, tasks and pairs, and for methods that are not
 * done what a dry run checks. Errors: InputError.
 */
export const prepareCompare = async (spec: Spec, folder: string, out: Voice): Promise<Prepared> => {
  checkOwn(folder);
  const plan = await planOf(spec, folder, out);
  for (const note of plan.notes) out.note(note);
  const exam = await openExam(spec.evaluate, plan.values, out);
  const counting = countingOf(spec.evaluate, exam);
  const store = openStore(cacheIn(folder));
  const leaves = [plan.start, ...plan.cells.map(({ job }) => job)];
  const needed = withParents(
    compareGraph,
    leaves.filter((job) => !store.has(job)),
  );
  const budget = budgetOf(compareGraph, store, needed);
  if (needed.length > 0) await rehearseExam(exam);
  const methods = await rehearse(unfinished(plan, budget.pending), plan, exam.held, out);
  const jobs = withParents(compareGraph, leaves);
  return { plan, folder, store, counting, asked: askedIn(exam), jobs, needed, budget, methods };
};

/** Why a job has no result: its own reason, or that of what it builds on. */
const reasonsOf = (failed: readonly Failed<Job>[]): ((job: Job) => string | undefined) => {
  const own = new Map(failed.map(({ job, reason }) => [idOf(job), reason]));
  const why = (job: Job): string | undefined => {
    for (const parent of parentsOf(job)) {
      const reason = why(parent);
      if (reason !== undefined) return parent.name === job.name ? reason : `${parent.name}: ${reason}`;
    }
    return own.get(idOf(job));
  };
  return why;
};

const documentOf = (
  { plan, store, counting, asked, jobs }: Prepared,
  failed: readonly Failed<Job>[],
): ComparisonDocument => {
  const { spec, start, cells } = plan;
  const why = reasonsOf(failed);
  const reason = why(start);
  if (reason !== undefined) throw new InputError(`the model where all start cannot be measured: ${reason}`);
  const results = cells.map(({ job, ...cell }): CellResult => {
    const missing = why(job);
    const about = { ...cell, job: idOf(job) };
    return missing === undefined ? { ...about, measured: store.measures(job).measured } : { ...about, reason: missing };
  });
  const [none] = results;
  if (results.every(({ measured }) => measured === undefined))
    throw new InputError(
      `none of ${results.length} runs came to its end; ${none.method}, learning rate ${none.rate}: ${none.reason}`,
    );
  const methods = Object.entries(spec.methods).map(([name, method]) => [
    name,
    JSON.stringify(
      isMerged(method)
        ? { of: method.of, ...method.recipe, search: method.search }
        : { train: method.kind, ...method.source.keys },
    ),
  ]);
  return comparisonDocument(
    {
      ...counting,
      ...{ methods: Object.fromEntries(methods), reference: spec.reference, seeds: spec.seeds, at: spec.evaluate.at },
      ...{ start: store.measures(start).measured, cells: results },
    },
    {
      ...{ version: VERSION, train: spec.train, settings: spec.content, asked },
      jobs: Object.fromEntries(jobs.map((job) => [idOf(job), compareGraph.settingsOf(job)])),
    },
  );
};

/** Who does the work, and who hears of it. */
export interface CompareOptions extends Pick<Sweep<Job>, "openWorker" | "processes" | "onReport"> {
  /** Do only jobs before which at most so many others have to be done. */
  readonly stage?: number;
}

/**
 * Does what is not in the cache yet, beside whoever else does so in the folder, and writes results.json and report.html, whose bytes
 * depend on the settings alone: not on how often it was cut off, nor on processes and machines. What fails is told there with its
 * reason. A stage that leaves jobs for later ones returns undefined. Errors: InputError where there is nothing to tell: the model where all start cannot be measured, or no run came to its
 * end; and as of `runQueue`.
 */
export const runCompare = async (
  prepared: Prepared,
  { stage, ...options }: CompareOptions,
): Promise<ComparisonDocument | undefined> => {
  const { folder, store, needed, plan } = prepared;
  const own = new Set(upTo(compareGraph, prepared.jobs, stage).map(idOf));
  const jobs = needed.filter((job) => own.has(idOf(job)));
  const failed = await runSweep({ what: "compare", folder, graph: compareGraph, store, jobs, ...options });
  if (jobs.length < needed.length) return undefined;
  if (!plan.spec.keepModels) for (const job of prepared.jobs) if (job.kind !== "measure") store.drop(job);
  const document = documentOf(prepared, failed);
  writeTextAtomically(resultsIn(folder), `${JSON.stringify(document, undefined, 1)}\n`);
  writeTextAtomically(reportIn(folder), comparisonReport(document));
  return document;
};
