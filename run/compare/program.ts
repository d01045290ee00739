import { InputError } from "../../core/errors.js";
import { expects } from "../../core/expects.js";
import type { ComparisonDocument } from "../../lab/compare/document.js";
import { Interrupted } from "../../lab/sweep/blame.js";
import type { JsonObject } from "../../models/files/json.js";
import { callable, checkHooks, HOOKS } from "../hooks.js";
import { SILENT } from "../voice.js";
import { prepareCompare, reportIn, resultsIn, runCompare } from "./compare.js";
import type { MethodPlan } from "./rehearse.js";
import { specOf } from "./spec.js";
import { ownWorker } from "./worker.js";

/** What a comparison is made of: the keys of a grid, as `taugrad compare` reads them from YAML (docs/compare.md), and hooks. */
export interface CompareOptions {
  /** What all methods train with; default "dpo". */
  readonly train?: "sft" | "dpo" | "kto" | undefined;
  /** Keys of a run that all methods share, as `dpo` takes them from files. */
  readonly base: Readonly<Record<string, unknown>>;
  /** Names, and keys of a run of their own; or of a merge, with `of`. */
  readonly methods: Readonly<Record<string, Readonly<Record<string, unknown>> | null>>;
  /** Learning rates of all methods that have none of their own. */
  readonly learning_rate?: number | readonly number[] | undefined;
  /** Default [0, 1, 2]. */
  readonly seeds?: number | readonly number[] | undefined;
  /** Whom the others are held against; default: the first method. */
  readonly reference?: string | undefined;
  /** What models are asked: tasks, eval_dataset, style, skill, … */
  readonly evaluate: Readonly<Record<string, unknown>>;
  /** Gets results.json, report.html, and the cache of finished jobs, from which another call goes on. */
  readonly output_dir: string;
  /** Are trained models kept once they are measured? Default true. */
  readonly keep_models?: boolean | undefined;
  /** Lines that the command line would print: what was found, what does nothing, warnings. */
  readonly onNote?: ((line: string) => void) | undefined;
  /** After every job, and about every second in one: how many are done. */
  readonly onProgress?: ((done: { readonly jobs: number; readonly of: number }) => void) | undefined;
  /** Once aborted, the job at hand ends at its next step or task; those that are done stay, and the call rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** How a comparison ended. */
export interface CompareResult {
  /** The paths of results.json and report.html. */
  readonly results: string;
  readonly report: string;
  /** What results.json holds: rows of methods, levels, cells, jobs. */
  readonly document: ComparisonDocument;
}

/** What there is to do for a comparison. */
export interface ComparePlan {
  /** Trainings, merges and measurements in all, and of these what is not done yet. */
  readonly jobs: number;
  readonly pending: number;
  /** Steps and bytes of memory of a run of each method that has some left to do. */
  readonly methods: Readonly<Record<string, MethodPlan>>;
}

const { onNote: _, signal } = HOOKS;
const OWN_HOOKS = { onNote: callable, onProgress: callable, signal };

/** A comparison that a program asks for, in this process. Errors: as `compare`. */
export const programCompare = async (
  options: CompareOptions & { readonly dry_run?: boolean | undefined },
): Promise<CompareResult | ComparePlan> => {
  expects("compare", "record", options);
  const { onNote = () => {}, onProgress, signal, dry_run, ...grid } = options;
  checkHooks({ onNote, onProgress, signal }, "compare", OWN_HOOKS);
  const given = Object.fromEntries(Object.entries(grid).filter(([, value]) => value !== undefined));
  const spec = specOf(given as JsonObject, "compare");
  const folder = spec.outputDir;
  if (folder === undefined) throw new InputError("compare: output_dir is missing; name a folder for the report");
  signal?.throwIfAborted();
  const goOn = (): void => {
    if (signal?.aborted) throw new Interrupted("the signal is aborted");
  };
  const prepared = await prepareCompare(spec, folder, { ...SILENT, note: onNote, wait: onNote });
  const { jobs, budget, methods } = prepared;
  for (const line of budget.damaged) onNote(`warning: ${line}; it is computed again`);
  if (dry_run === true)
    return { jobs: jobs.length, pending: budget.pending.length, methods: Object.fromEntries(methods) };
  const document = await runCompare(prepared, {
    processes: 1,
    onReport: ({ jobs: done, of }) => onProgress?.({ jobs: done, of }),
    openWorker: async (cache) => {
      const worker = await ownWorker(cache, onNote);
      return {
        ...worker,
        run: (job, onShare) => {
          goOn();
          return worker.run(job, (share) => {
            onShare(share);
            goOn();
          });
        },
      };
    },
  }).catch((error: unknown) => {
    throw error instanceof Interrupted && signal?.aborted ? signal.reason : error;
  });
  return { results: resultsIn(folder), report: reportIn(folder), document: document as ComparisonDocument };
};
