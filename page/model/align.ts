import type { BatchSource } from "../../align/data/rows.js";
import { batchesFrom } from "../../align/data/source.js";
import { adapterTraining } from "../../align/training/adapter.js";
import { trainingOptimizer } from "../../align/training/optimizer.js";
import { referenceDelta } from "../../align/training/rules/reference-delta.js";
import type { SavedSnapshot } from "../../align/training/snapshots.js";
import { type TrainStep, train } from "../../align/training/train.js";
import {
  type Device,
  dispose,
  evaluate,
  InputError,
  read,
  type Tensor,
  type Tree,
  tensor,
  upload,
} from "../../core/index.js";
import type { Model, Params, Tokenizer } from "../../models/index.js";
import { optimizerSettings } from "../lab/settings.js";
import { objectiveOf } from "./courses.js";
import type { Alignment } from "./messages.js";
import { type Taught, taughtBy } from "./rows.js";

/** What is aligned, and with what. */
export interface Lesson {
  readonly model: Model;
  readonly tokenizer: Tokenizer;
  /** What the model was tuned from. */
  readonly base: Model | undefined;
  /** Pairs, or labelled answers. */
  readonly pairs: File;
  readonly alignment: Alignment;
}

/** An alignment whose rows are read. */
export interface Prepared extends Lesson {
  readonly optimizer: ReturnType<typeof trainingOptimizer>;
  readonly taught: Taught;
  readonly batches: BatchSource;
  /** Layers whose insides are computed again on the way back, which saves memory. */
  readonly recomputed: number;
}

/** Where an alignment is kept, to go on from when the tab is opened again. */
export interface Keeping {
  readonly last: SavedSnapshot | undefined;
  /** The step after which it was stopped. */
  readonly stopped: number | undefined;
  /** Keeps a step, if it is time; the last in any case. */
  readonly save: (step: TrainStep, end: "stopped" | "done" | undefined) => Promise<void>;
}

/** Hears of what is going on; `isStopped` is asked after every step. */
export interface Watch {
  readonly onStep: (step: TrainStep) => void;
  readonly isStopped: () => Promise<boolean>;
  readonly keeping?: Keeping;
}

/** New weights; some may be the model's own, and `fresh` are those that are not. */
export interface Aligned {
  readonly params: Params;
  readonly fresh: Params;
}

/** Reads the rows. Errors: InputError, as those of `taugrad dpo` and `taugrad kto`. */
export const prepared = async (lesson: Lesson): Promise<Prepared> => {
  const { model, tokenizer, base, pairs: file, alignment } = lesson;
  const { optim, loss, knobs, batch, maxLength, lora } = alignment;
  const optimizer = trainingOptimizer({ ...optimizerSettings(optim, knobs), betas: undefined, eps: undefined });
  if (optimizer.usesTau && base === undefined)
    throw new InputError(`${optim} merges with τ: give the model that this one was tuned from, too`);
  if (optimizer.usesTau && lora) throw new InputError(`${optim} merges whole weights: turn the adapter off`);
  const { maxPositions, vocabSize } = model.config;
  const cut = { maxLength: Math.min(maxLength, maxPositions), vocabSize };
  const taught = await taughtBy(file, loss, tokenizer, cut);
  return { ...lesson, optimizer, taught, batches: taught.batches(batch), recomputed: 0 };
};

/** A copy of weights, one at a time over the host. */
const copied = async (params: Params, device: Device): Promise<Params> => {
  const copies: Record<string, Tensor> = {};
  for (const [name, t] of Object.entries(params))
    copies[name] = upload(tensor(await read(t), t.shape, t.dtype), device);
  return copies;
};

/** The weights after the last step, or after the one at which it was stopped. */
const trainedBy = async (
  stepping: AsyncGenerator<TrainStep, Params>,
  { onStep, isStopped, keeping }: Watch,
  steps: number,
  device: Device,
): Promise<Params> => {
  for (;;) {
    const next = await stepping.next();
    if (next.done === true) return next.value;
    const { value } = next;
    onStep(value);
    const isLast = value.step === steps;
    const ends = !isLast && (value.step === keeping?.stopped || (await isStopped()));
    await keeping?.save(value, ends ? "stopped" : isLast ? "done" : undefined);
    if (!ends) continue;
    const copies = await copied(value.params, device);
    await stepping.return(copies);
    return copies;
  }
};

/**
 * A loss on preferences, against the model as it is. `fresh` is the caller's; the model's own weights stay as they were.
 * Errors: InputError for a step that is not finite; those of the device.
 */
export const align = async (
  { model, base, alignment, optimizer, batches, recomputed }: Prepared,
  device: Device,
  watch: Watch,
): Promise<Aligned> => {
  const { config, params } = model;
  const { loss, knobs, steps, lora } = alignment;
  const { last, stopped } = watch.keeping ?? {};
  const owned: Tree[] = [];
  const own = <T extends Tree>(tree: T): T => {
    owned.push(tree);
    return tree;
  };
  try {
    const objective = objectiveOf(loss, config, { beta: knobs.beta, tokenMetrics: false, checkpoint: recomputed });
    const tau = optimizer.usesTau && base !== undefined ? referenceDelta(params, base.params) : undefined;
    const adapter = lora
      ? adapterTraining(objective, { config, params }, { rank: 16, alpha: 32, seed: 0 }, device)
      : undefined;
    const isOver = last !== undefined && last.step === stopped;
    const options = {
      ...{ objective: adapter?.objective ?? objective, params: adapter ? own(adapter.factors) : params },
      ...{ optimizer, batches: isOver ? [] : batchesFrom(batches, last?.batches), steps },
      ...{ seed: 0, learningRate: knobs.learningRate, resume: last?.resume },
      ...{ warmupSteps: Math.ceil(steps / 10), scheduler: "cosine" as const, minRatio: 0.1 },
      reference: { config, params },
      ...(tau && { refDelta: own(evaluate(tau, device)) }),
    };
    const trained = await trainedBy(train(options, device), watch, steps, device);
    if (adapter === undefined) return { params: trained, fresh: trained };
    return adapter.merged(own(trained));
  } finally {
    dispose(owned);
  }
};
