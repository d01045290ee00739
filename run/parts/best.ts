import type { LoggedRecord } from "../../align/training/writer.js";
import { InputError } from "../../core/errors.js";
import { amongst } from "../../core/suggest.js";
import type { TrainingValues } from "../options/takes.js";
import { tellIdle, type Voice } from "../voice.js";
import { cadence, evalStrategy, type Span } from "./cadence.js";
import type { Task } from "./task.js";

/** Is the best of all evaluations asked for? */
export const looksForBest = ({ load_best_model_at_end, save_strategy }: TrainingValues): boolean =>
  load_best_model_at_end || save_strategy === "best";

/** What best means: the name of a metric as records have it, and which way it is better. */
export const bestMetric = ({ metric_for_best_model: name = "loss", greater_is_better }: TrainingValues) => ({
  metric: name.startsWith("eval_") ? name : `eval_${name}`,
  greater: greater_is_better ?? !name.endsWith("loss"),
});

/** Saves happen where evaluations do, or at every few of them. Shares are compared as whole millionths, as Hugging Face does. */
const divides = (evaluation: number, save: number): boolean => {
  if (evaluation < 1 !== save < 1) return false;
  const scale = save < 1 ? 1e6 : 1;
  return Math.round(save * scale) % Math.round(evaluation * scale) === 0;
};

/** Errors: InputError for keys of the best model that contradict each other. */
export const checkBest = (values: TrainingValues, out: Voice): void => {
  const { load_best_model_at_end: loads, save_strategy, save_steps, metric_for_best_model, greater_is_better } = values;
  if (!looksForBest(values)) {
    const given = Object.entries({ metric_for_best_model, greater_is_better });
    const idle = given.flatMap(([key, value]) => (value === undefined ? [] : [key]));
    tellIdle(out, idle, "without load_best_model_at_end");
    return;
  }
  const evaluates = evalStrategy(values);
  if (evaluates === "no")
    throw new InputError(
      `${loads ? "load_best_model_at_end" : "save_strategy best"} needs evaluations: give eval_dataset, or eval_tasks, and eval_strategy`,
    );
  if (!loads || save_strategy === "best") return;
  if (save_strategy !== evaluates)
    throw new InputError(
      `load_best_model_at_end: save_strategy is ${save_strategy} and eval_strategy ${evaluates}; make them the same, or save_strategy best`,
    );
  const every = values.eval_steps ?? values.logging_steps;
  if (evaluates === "steps" && !divides(every, save_steps))
    throw new InputError(
      `load_best_model_at_end: save_steps is ${save_steps}, and must be a multiple of eval_steps, ${every}`,
    );
};

/** Errors: InputError naming the metrics that there are, where the one of metric_for_best_model is not among them. */
export const checkBestMetric = ({ objective, evalSource, evalTasks }: Task, values: TrainingValues): void => {
  if (!looksForBest(values)) return;
  const { metric } = bestMetric(values);
  const { metrics } = objective.report(new Float32Array(objective.width));
  const names = [
    ...(evalSource === undefined ? [] : ["loss", ...Object.keys(metrics)]),
    ...(evalTasks?.tasks.map(({ name }) => `tasks/${name}`) ?? []),
    ...(evalTasks === undefined ? [] : ["tasks/average"]),
  ];
  const asked = metric.slice("eval_".length);
  if (!names.includes(asked))
    throw new InputError(
      `metric_for_best_model is "${values.metric_for_best_model ?? "loss"}", which no evaluation tells; ${amongst(asked, names)}`,
    );
};

/** Follows a run's evaluations. */
export interface Best {
  /** Takes a record in; true where it is better than all before. */
  readonly sees: (record: LoggedRecord) => boolean;
  /** The best so far. */
  readonly record: () => { readonly step: number; readonly value: number } | undefined;
  /** A checkpoint of a step is there. */
  readonly saved: (step: number) => void;
  /** The step of the best evaluation that a checkpoint is there of. */
  readonly checkpoint: () => number | undefined;
}

/**
 * The best evaluation, and the checkpoint that goes with it; `earlier` are the records of a run that goes on.
 * Law: a run that goes on knows what it would have known. Source: Trainer._determine_best_metric of huggingface/transformers.
 */
export const bestOf = (values: TrainingValues, span: Span, earlier: readonly LoggedRecord[] = []): Best => {
  const { metric, greater } = bestMetric(values);
  const { saves } = cadence(values, span);
  let record: { readonly step: number; readonly value: number } | undefined;
  let checkpoint: number | undefined;
  const sees = (seen: LoggedRecord): boolean => {
    const [step, value] = [seen.step, seen[metric]];
    // Before the first step there is nothing to save.
    if (!looksForBest(values) || typeof step !== "number" || step === 0 || typeof value !== "number") return false;
    if (record !== undefined && !(greater ? value > record.value : value < record.value)) return false;
    record = { step, value };
    return true;
  };
  const saved = (step: number): void => {
    if (record?.step === step) checkpoint = step;
  };
  for (const seen of earlier)
    if (sees(seen) && record !== undefined && (values.save_strategy === "best" || saves(record.step)))
      saved(record.step);
  return { sees, record: () => record, saved, checkpoint: () => checkpoint };
};
