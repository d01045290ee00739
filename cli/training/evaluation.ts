import { evaluateOn } from "../../align/evaluate.js";
import type { Objective } from "../../align/objective.js";
import type { Weights } from "../../align/reference.js";
import { type BatchSource, oneEpoch } from "../../align/source.js";
import { type Device, InputError } from "../../core/index.js";
import type { Params } from "../../models/index.js";
import type { TrainingValues } from "./check.js";

/** Evaluation during training. */
export interface Evaluator {
  /** After so many steps? 0: before the first. */
  readonly due: (step: number) => boolean;
  /** `eval_loss`, `eval_rewards/margins`, … of weights over all rows, in file order; the weights stay as they are. */
  readonly run: (params: Params, objective: Objective) => Promise<Readonly<Record<string, number>>>;
}

type Strategy = NonNullable<TrainingValues["eval_strategy"]>;

/** When to evaluate. Errors: InputError for keys that contradict each other. */
export const evalStrategy = ({ eval_dataset, eval_strategy, eval_steps, eval_on_start }: TrainingValues): Strategy => {
  const strategy = eval_strategy ?? (eval_dataset === undefined ? "no" : eval_steps === undefined ? "epoch" : "steps");
  if (eval_dataset === undefined && (strategy !== "no" || eval_on_start))
    throw new InputError(`${eval_on_start ? "eval_on_start" : `eval_strategy ${strategy}`} needs eval_dataset`);
  if (eval_steps !== undefined && strategy !== "steps")
    throw new InputError(`eval_steps does nothing with eval_strategy ${strategy}; make it steps, or leave it out`);
  return strategy;
};

/** Optimizer steps: of the whole run, and of one epoch. */
interface Span {
  readonly steps: number;
  readonly stepsPerEpoch: number;
}

/** Hugging Face's Trainer evaluates every `eval_steps`, or where an epoch or the run ends. */
export const isDue = (values: TrainingValues, { steps, stepsPerEpoch }: Span): Evaluator["due"] => {
  const strategy = evalStrategy(values);
  const every = values.eval_steps ?? values.logging_steps;
  return (step) => {
    if (step === 0) return values.eval_on_start;
    if (strategy === "steps") return step % every === 0;
    return strategy === "epoch" && (step === steps || step % stepsPerEpoch === 0);
  };
};

/** Evaluates on the batches of one epoch of `source`, as the keys ask. */
export const evaluator = (
  values: TrainingValues,
  source: BatchSource,
  { reference, ...span }: Span & { readonly reference?: Weights },
  device: Device,
): Evaluator => ({
  due: isDue(values, span),
  run: async (params, objective) => {
    const { loss, metrics } = await evaluateOn({ objective, params, batches: oneEpoch(source), reference }, device);
    return Object.fromEntries(Object.entries({ loss, ...metrics }).map(([name, value]) => [`eval_${name}`, value]));
  },
});
