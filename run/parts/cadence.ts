import type { SplitChoice } from "../../align/data/files/splits.js";
import { InputError } from "../../core/errors.js";
import { folderExists } from "../../models/files/json.js";
import type { TrainingValues } from "../options/takes.js";
import { tellIdle, type Voice } from "../voice.js";

/** Optimizer steps: of the whole run, and of one epoch. */
export interface Span {
  readonly steps: number;
  readonly stepsPerEpoch: number;
}

/** A number of steps, of which less than 1 is a share of all of them. */
export const inSteps = (given: number, steps: number): number => (given < 1 ? Math.ceil(given * steps) : given);

/** What happens after so many steps; before the first: 0. */
export interface Cadence {
  readonly logs: (step: number) => boolean;
  readonly evaluates: (step: number) => boolean;
  /** Without those checkpoints that an evaluation asks for (save_strategy best). */
  readonly saves: (step: number) => boolean;
}

type Strategy = NonNullable<TrainingValues["eval_strategy"]>;

/** The rows to evaluate on: those of `eval_dataset`, else the test split of a folder that is trained on, as TRL's scripts do. */
export const evalRowsOf = (
  values: TrainingValues,
): (SplitChoice & { readonly path: string; readonly config?: string }) | undefined => {
  const {
    eval_dataset,
    eval_tasks,
    eval_strategy = "no",
    eval_on_start,
    dataset_name,
    dataset_config: config,
  } = values;
  const which = { split: values.dataset_test_split, otherwise: "test" };
  if (eval_dataset !== undefined) return { ...which, path: eval_dataset, orOnly: true };
  const asked = eval_tasks === undefined && (eval_strategy !== "no" || eval_on_start);
  return asked && folderExists(dataset_name) ? { ...which, path: dataset_name, config } : undefined;
};

/** When to evaluate. Errors: InputError where there is nothing to evaluate on. */
export const evalStrategy = (values: TrainingValues): Strategy => {
  const { eval_tasks, eval_strategy, eval_steps, eval_on_start } = values;
  const nothing = evalRowsOf(values) === undefined && eval_tasks === undefined;
  const strategy = eval_strategy ?? (nothing ? "no" : eval_steps === undefined ? "epoch" : "steps");
  if (nothing && (strategy !== "no" || eval_on_start))
    throw new InputError(
      `${eval_on_start ? "eval_on_start" : `eval_strategy ${strategy}`} needs eval_dataset, a folder with a test split as dataset_name, or eval_tasks`,
    );
  return strategy;
};

/** Tells of keys that do nothing beside others. */
export const checkCadence = (values: TrainingValues, out: Voice): void => {
  const strategy = evalStrategy(values);
  if (values.eval_steps !== undefined && strategy !== "steps")
    tellIdle(out, ["eval_steps"], `with eval_strategy ${strategy}`);
};

/** When to log, evaluate and save, as Hugging Face's Trainer does: every so many steps, or where an epoch or the run ends. */
export const cadence = (values: TrainingValues, { steps, stepsPerEpoch }: Span): Cadence => {
  const { logging_strategy, logging_steps, logging_first_step, save_strategy, save_steps, eval_delay } = values;
  const by = (strategy: string, every: number) => (step: number) =>
    strategy === "steps"
      ? step % inSteps(every, steps) === 0
      : strategy === "epoch" && (step === steps || step % stepsPerEpoch === 0);
  const strategy = evalStrategy(values);
  const evaluation = by(strategy, values.eval_steps ?? logging_steps);
  const log = by(logging_strategy, logging_steps);
  return {
    logs: (step) => log(step) || (logging_first_step && step === 1),
    evaluates: (step) =>
      step === 0
        ? values.eval_on_start
        : evaluation(step) && eval_delay <= (strategy === "steps" ? step : step / stepsPerEpoch),
    saves: by(save_strategy, save_steps),
  };
};
