import { type Device, dispose, evaluate, InputError, read, tensor } from "../core/index.js";
import type { Params } from "../models/parameters.js";
import type { Optimizer } from "../optim/optimizer.js";
import { type ScheduleName, schedule } from "../optim/schedule.js";
import { fixedInputs, reported } from "./fixed.js";
import type { Objective } from "./objective.js";
import { borrowed, feeder, type Weights } from "./reference.js";
import type { TrainingBatch } from "./source.js";
import { type Carry, compileGradients, compileStep, type TrainState } from "./step.js";

/** A training run. Whatever tensors it is given stay the caller's. */
export interface TrainOptions {
  readonly objective: Objective;
  /** Where the weights start. */
  readonly params: Params;
  readonly optimizer: Optimizer;
  /** Taken from as needed; if they end early, so does the run. */
  readonly batches: Iterable<TrainingBatch> | AsyncIterable<TrainingBatch>;
  /** Optimizer steps (`max_steps`). */
  readonly steps: number;
  /** Peak learning rate. */
  readonly learningRate: number;
  /** `lr_scheduler_type`. Default "constant". */
  readonly scheduler?: ScheduleName;
  /** `warmup_steps`. Default 0. */
  readonly warmupSteps?: number;
  /** Share of the peak that `linear` and `cosine` end at. Default 0. */
  readonly minRatio?: number;
  /** Batches a step (`gradient_accumulation_steps`). Default 1. */
  readonly accumulation?: number;
  /** Global norm that gradients are clipped to (`max_grad_norm`); 0 for no clipping. Default 1. */
  readonly maxGradNorm?: number;
  /** A record every so many steps, and at the last (`logging_steps`). Numbers are read back only then. Default 1. */
  readonly loggingSteps?: number;
  /** Decides the optimizer's masks. Default 0. */
  readonly seed?: number;
  /** The reference model, for batches that do not bring its log-probabilities. */
  readonly reference?: Weights;
  /** τ = θ_reference − θ_base, for optimizers that merge: `referenceDelta(…)`. */
  readonly refDelta?: Params;
  /** θ_reference, for optimizers that look back at it. Default: where the weights start. */
  readonly anchor?: Params;
  /** Which elements learn, for optimizers that ask for such a mask: `fisherMask(…)`. */
  readonly gradientMask?: Params;
}

/**
 * One logged line: step, loss (mean since the last record), grad_norm (before clipping) and learning_rate of this step,
 * epoch where batches tell it, num_tokens read so far, and the objective's metrics (since the last record).
 */
export type StepRecord = { readonly step: number; readonly loss: number } & Readonly<Record<string, number>>;

/** A step that was taken. */
export interface TrainStep {
  /** From 1. */
  readonly step: number;
  readonly learningRate: number;
  /** Tokens that went through the model in this step, padding included. */
  readonly tokens: number;
  /** Only at logged steps. */
  readonly record: StepRecord | undefined;
  /** The weights after the step, or their average if the optimizer keeps one; valid until the next step is asked for. */
  readonly params: Params;
}

/** Between logs the loop waits, every so many steps, for the step that many before: no queue grows without bound. */
const IN_FLIGHT = 4;

const grouped = async function* (
  batches: TrainOptions["batches"],
  size: number,
): AsyncGenerator<readonly TrainingBatch[]> {
  let group: TrainingBatch[] = [];
  for await (const batch of batches) {
    group.push(batch);
    if (group.length < size && batch.endsEpoch !== true) continue;
    yield group;
    group = [];
  }
  if (group.length > 0) yield group;
};

const tokensIn = ({ rows, length }: TrainingBatch): number => rows * length;
const realTokens = (batch: TrainingBatch): number => batch.lengths?.reduce((n, x) => n + x, 0) ?? tokensIn(batch);
const total = (group: readonly TrainingBatch[], of: (batch: TrainingBatch) => number): number =>
  group.reduce((sum, batch) => sum + of(batch), 0);

/** Where the sums of a logging interval start. */
const noTotals = ({ width }: Objective) => tensor(new Float32Array(width + 1));

/** The state before the first step; fresh buffers, the run's own. */
const firstState = ({ optimizer, objective, params, seed = 0 }: TrainOptions, device: Device): TrainState => {
  const weights = borrowed(params, device);
  try {
    return evaluate({ optimizer: optimizer.init(weights.tree, { seed }), log: noTotals(objective) }, device);
  } finally {
    weights.release();
  }
};

/**
 * Trains: an async generator of steps that returns the final weights, which are then the caller's (`lastOf` runs it to its
 * end). Leaving it early frees everything. Gradients, clipping and optimizer are one program for each shape of batch; the
 * state is updated in place; nothing is read back but the logged numbers.
 * A step's loss is the mean over all units (pairs, target tokens) of its batches, however they are cut.
 * Errors: InputError for missing reference or refDelta, and for batches without anything to learn.
 */
export async function* train(options: TrainOptions, device: Device): AsyncGenerator<TrainStep, Params> {
  const { objective, optimizer, steps, learningRate, accumulation = 1, maxGradNorm = 1, loggingSteps = 1 } = options;
  const factor = schedule({
    name: options.scheduler ?? "constant",
    warmupSteps: options.warmupSteps,
    totalSteps: steps,
    minRatio: options.minRatio,
  });
  const gradients = compileGradients(objective, device);
  const takeStep = compileStep(objective, optimizer, maxGradNorm > 0 ? maxGradNorm : undefined, device);
  const { feed, close } = feeder(objective, options.reference, device);
  const owned: { state?: TrainState; fixed?: ReturnType<typeof fixedInputs>; handedOut?: Params } = {};
  let mark: Promise<unknown> = Promise.resolve();
  let seenTokens = 0;

  const advance = (group: readonly TrainingBatch[], state: TrainState, lr: number): TrainState => {
    const units = total(group, objective.units);
    if (units === 0)
      throw new InputError("a training batch holds nothing to learn: every completion is empty or cut off");
    const scale = 1 / units;
    let carry: Carry = {};
    try {
      for (const batch of group.slice(0, -1))
        carry = feed(batch, (tensors) => gradients(state.optimizer.params, tensors, scale, carry));
      return feed(group[group.length - 1], (tensors) =>
        takeStep(state, tensors, { scale, lr }, carry, owned.fixed?.fixed ?? {}),
      );
    } finally {
      dispose(carry); // gone already unless something threw
    }
  };

  try {
    owned.state = firstState(options, device);
    owned.fixed = fixedInputs(options, owned.state.optimizer.key, device);
    let step = 0;
    if (steps > 0)
      for await (const group of grouped(options.batches, accumulation)) {
        const lr = learningRate * factor(step);
        step++;
        owned.state = advance(group, owned.state as TrainState, lr);
        seenTokens += total(group, realTokens);
        const logged = step % loggingSteps === 0 || step === steps;
        let record: StepRecord | undefined;
        if (logged) {
          const log = await read(owned.state.log);
          const { loss, metrics } = objective.report(log);
          const { epoch } = group[group.length - 1];
          const about = {
            grad_norm: log[objective.width],
            learning_rate: lr,
            ...(epoch === undefined ? {} : { epoch }),
          };
          record = { step, loss, ...about, ...metrics, num_tokens: seenTokens };
          dispose(owned.state.log);
          owned.state = { ...owned.state, log: noTotals(objective) };
        } else if (step % IN_FLIGHT === 0) {
          await mark;
          mark = read(owned.state.log);
          mark.catch(() => {}); // whoever awaits it hears of it
        }
        const weights = reported(optimizer, owned.state, device);
        const taken = { step, learningRate: lr, tokens: total(group, tokensIn), record };
        try {
          yield {
            ...taken,
            get params() {
              return weights.params();
            },
          };
        } finally {
          weights.release();
        }
        if (step >= steps) break;
      }
    if (step === 0 && steps > 0) throw new InputError("there are no batches to train on");
    owned.handedOut = reported(optimizer, owned.state, device).params();
    return owned.handedOut;
  } finally {
    await mark.catch(() => {});
    close();
    for (const program of [...gradients.programs(), ...takeStep.programs()]) program.free();
    const { state, fixed, handedOut } = owned;
    fixed?.release();
    if (state !== undefined) {
      const { params, ...rest } = state.optimizer;
      dispose(rest, state.log);
      if (params !== handedOut) dispose(params);
    }
  }
}

/** Runs an async generator to its end, telling each value, and gives what it returns. */
export const lastOf = async <T, R>(
  steps: AsyncGenerator<T, R>,
  onStep: (step: T) => unknown = () => {},
): Promise<R> => {
  for (;;) {
    const next = await steps.next();
    if (next.done === true) return next.value;
    await onStep(next.value);
  }
};
