/**
 * Preference training: runs as functions (`sft`, `dpo`, `kto`), their comparison (`compare`), and what they are made of: rows of data, batches, losses and metrics,
 * the trainer, checkpoints, evaluation.
 * @module taugrad/align
 */
import type { CompareOptions, ComparePlan, CompareResult } from "./compare/program.js";
import type { RunPlan } from "./dry-run/dry-run.js";
import type { TrainingKind } from "./fit/kinds.js";
import type { RunHooks } from "./hooks.js";
import type { GivenKeys } from "./options/given.js";
import type { RunResult } from "./result.js";

export * from "../align/index.js";
export type { CompareOptions, ComparePlan, CompareResult } from "./compare/program.js";
export type { RunPlan } from "./dry-run/dry-run.js";
export type { RunHooks, RunStep } from "./hooks.js";
export type { RunResult } from "./result.js";
export type { EvaluationRecord } from "./running/observer.js";

/** What `sft` takes: its keys, as `taugrad sft --help` lists them, and hooks. */
export type SftRunOptions = GivenKeys<"sft"> & RunHooks;
/** What `dpo` takes: its keys, as `taugrad dpo --help` lists them, and hooks. */
export type DpoRunOptions = GivenKeys<"dpo"> & RunHooks;
/** What `kto` takes: its keys, as `taugrad kto --help` lists them, and hooks. */
export type KtoRunOptions = GivenKeys<"kto"> & RunHooks;

/** A run as a function. */
interface Run<O> {
  (options: O & { readonly dry_run?: false | undefined }): Promise<RunResult>;
  /** Only tells what would be done, and what memory it takes; writes nothing. */
  (options: O & { readonly dry_run: true }): Promise<RunPlan>;
}

/** The code of a run is loaded when one is asked for. */
const runOf = <O extends RunHooks>(kind: TrainingKind): Run<O> =>
  (async (options: O) => (await import("./platform/node/program.js")).programRun(kind, options as never)) as Run<O>;

/**
 * Trains on instructions with answers, or on documents: what `taugrad sft` does, from the checks to the saved model, as a call.
 * See `dpo`.
 */
export const sft: Run<SftRunOptions> = runOf("sft");

/**
 * Trains on preference pairs: what `taugrad dpo` does, from the checks to checkpoints, evaluations, metrics.jsonl, the model card
 * and the saved model, as a call; with the same options the same bytes. Options are the command's keys, TRL's by name; rows may be
 * in memory (`train_dataset`). It prints nothing, takes no signal, and ends no process: `onNote` hears what the command would say,
 * `signal` stops it with a checkpoint. Two at once need two `output_dir`s.
 * Resolves to metrics, steps and where things are; `loadModel(output_dir)` is the model that was trained.
 * Errors: InputError, ShapeError or DeviceError in one line, as the command line prints it, for what the caller can mend; the
 * signal's reason, where it is aborted before the first step; what a hook throws.
 *
 * ```ts
 * const { metrics } = await dpo({
 *   model_name_or_path: "runs/sft",
 *   base_model_name_or_path: "models/base",
 *   dataset_name: "pairs.jsonl",
 *   output_dir: "runs/ondare",
 *   optim: "ondare",
 *   alpha: 1e-6,
 *   onLog: ({ step, loss }) => console.log(step, loss),
 * });
 * ```
 */
export const dpo: Run<DpoRunOptions> = runOf("dpo");

/**
 * Trains on labelled answers (KTO); pairs are taken apart: what `taugrad kto` does, from the checks to the saved model, as a
 * call. See `dpo`.
 */
export const kto: Run<KtoRunOptions> = runOf("kto");

/** A comparison as a function. */
interface Compare {
  (options: CompareOptions & { readonly dry_run?: false | undefined }): Promise<CompareResult>;
  /** Checks everything, and only tells what there is to do; writes nothing. */
  (options: CompareOptions & { readonly dry_run: true }): Promise<ComparePlan>;
}

/**
 * Methods × learning rates × seeds on one model and data, and which keeps most skill at equal style: what `taugrad compare` does,
 * as a call, one job after the other in this process; with the same grid the same bytes. It goes on from what is done in
 * `output_dir`. What diverges, or fails otherwise, is told in the document with its reason.
 * Errors: InputError in one line that begins with "compare", before anything is trained, for what is wrong with the grid, and where
 * no run came to its end; the signal's reason, where it is aborted.
 *
 * ```ts
 * const { document, report } = await compare({
 *   base: { model_name_or_path: "runs/sft", base_model_name_or_path: "models/base", dataset_name: "pairs.jsonl" },
 *   methods: { adamw: {}, ondare: { optim: "ondare", alpha: 1e-6 } },
 *   learning_rate: [5e-7, 1e-6],
 *   evaluate: { tasks: "tasks.yaml", eval_dataset: "held-out.jsonl" },
 *   output_dir: "runs/compare",
 * });
 * for (const { method, minus } of document.rows) console.log(method, minus, report);
 * ```
 */
export const compare: Compare = (async (options: CompareOptions) =>
  (await import("./platform/node/program.js")).programCompare(options)) as Compare;
