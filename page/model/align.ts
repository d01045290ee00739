import type { TrainingBatch } from "../../align/data/rows.js";
import { pairSource } from "../../align/data/source.js";
import { preferenceObjective } from "../../align/objectives/objective.js";
import { adapterTraining } from "../../align/training/adapter.js";
import { trainingOptimizer } from "../../align/training/optimizer.js";
import { referenceDelta } from "../../align/training/rules/reference-delta.js";
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
import type { Alignment } from "./messages.js";
import { pairsOf } from "./pairs.js";

/** What is aligned, and with what. */
export interface Lesson {
  readonly model: Model;
  readonly tokenizer: Tokenizer;
  /** What the model was tuned from. */
  readonly base: Model | undefined;
  readonly pairs: File;
  readonly alignment: Alignment;
}

/** Hears of what is going on; `isStopped` is asked after every step. */
export interface Watch {
  readonly onPairs: (kept: number, rows: number) => void;
  readonly onStep: (step: TrainStep) => void;
  readonly isStopped: () => Promise<boolean>;
}

/** New weights; some may be the model's own, and `fresh` are those that are not. */
export interface Aligned {
  readonly params: Params;
  readonly fresh: Params;
}

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
  watch: Watch,
  device: Device,
): Promise<Params> => {
  for (;;) {
    const next = await stepping.next();
    if (next.done === true) return next.value;
    watch.onStep(next.value);
    if (!(await watch.isStopped())) continue;
    const copies = await copied(next.value.params, device);
    await stepping.return(copies);
    return copies;
  }
};

/**
 * DPO on a file of pairs, against the model as it is. `fresh` is the caller's; the model's own weights stay as they were.
 * Errors: InputError, as `taugrad dpo`'s.
 */
export const align = async (
  { model, tokenizer, base, pairs: file, alignment }: Lesson,
  device: Device,
  watch: Watch,
): Promise<Aligned> => {
  const { config, params } = model;
  const { optim, knobs, steps, batch, maxLength, lora } = alignment;
  const optimizer = trainingOptimizer({ ...optimizerSettings(optim, knobs), betas: undefined, eps: undefined });
  if (optimizer.usesTau && base === undefined)
    throw new InputError(`${optim} merges with τ: give the model that this one was tuned from, too`);
  if (optimizer.usesTau && lora) throw new InputError(`${optim} merges whole weights: turn the adapter off`);
  const length = Math.min(maxLength, config.maxPositions);
  const { pairs, rows } = await pairsOf(file, tokenizer, { maxLength: length, vocabSize: config.vocabSize });
  watch.onPairs(pairs.length, rows);
  const source = pairSource(pairs, {
    ...{ batchSize: Math.min(batch, pairs.length), padId: tokenizer.padId ?? 0, seed: 0 },
  });
  const batches = function* (): Generator<TrainingBatch> {
    for (let at = 0; ; at++) yield source.at(at);
  };
  const owned: Tree[] = [];
  const own = <T extends Tree>(tree: T): T => {
    owned.push(tree);
    return tree;
  };
  try {
    const objective = preferenceObjective(config, { beta: knobs.beta, tokenMetrics: false });
    const adapter = lora
      ? adapterTraining(objective, { config, params }, { rank: 16, alpha: 32, seed: 0 }, device)
      : undefined;
    const options = {
      ...{ objective: adapter?.objective ?? objective, params: adapter ? own(adapter.factors) : params },
      ...{ optimizer, batches: batches(), steps, seed: 0, learningRate: knobs.learningRate },
      ...{ warmupSteps: Math.ceil(steps / 10), scheduler: "cosine" as const, minRatio: 0.1 },
      reference: { config, params },
      ...(optimizer.usesTau && base && { refDelta: own(evaluate(referenceDelta(params, base.params), device)) }),
    };
    const trained = await trainedBy(train(options, device), watch, device);
    if (adapter === undefined) return { params: trained, fresh: trained };
    return adapter.merged(own(trained));
  } finally {
    dispose(owned);
  }
};
