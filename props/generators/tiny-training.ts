import type { Sequence, TokenPair } from "../../align/data/sequence.js";
import { batchesFrom, pairSource, sequenceSource } from "../../align/data/source.js";
import { completionObjective, preferenceObjective } from "../../align/objectives/objective.js";
import { trainingOptimizer } from "../../align/training/optimizer.js";
import type { TrainOptions } from "../../align/training/options.js";
import type { OptimizerSettings } from "../../align/training/rules/settings.js";
import { lastOf, type StepRecord, type TrainStep, train } from "../../align/training/train.js";
import { type Device, dispose, read, type Tensor } from "../../core/index.js";
import type { ModelConfig } from "../../models/config.js";
import type { Params } from "../../models/parameters.js";
import type { Optimizer } from "../../optim/optimizer.js";
import { tinyConfig, tinyModel } from "./tiny-models.js";

/** A model that trains in milliseconds: one layer, grouped queries, biases, an output matrix of its own. */
export const trainedConfig: ModelConfig = tinyConfig({ model_type: "qwen2", num_hidden_layers: 1 });

/** Fresh weights on a device; the same for the same seed. */
export const tinyParams = (seed: number, device: Device): Params => tinyModel(trainedConfig, device, seed).params;

/** A sequence of `length` tokens, some function of `seed`; the first `given` are the prompt. */
export const tinySequence = (seed: number, length: number, given: number): Sequence => ({
  ids: Array.from(
    { length },
    (_, i) => 1 + ((seed * 7 + i * (3 + (seed % 4)) + ((i * i) % 5)) % (trainedConfig.vocabSize - 1)),
  ),
  completionStart: given,
});

/** A pair with one prompt and answers of two lengths. */
export const tinyPair = (seed: number): TokenPair => {
  const given = 2 + (seed % 2);
  const chosen = tinySequence(seed, given + 2 + (seed % 3), given);
  const prompt = chosen.ids.slice(0, given);
  const rejected = tinySequence(seed + 5, given + 1 + (seed % 4), given);
  return { chosen, rejected: { ...rejected, ids: [...prompt, ...rejected.ids.slice(given)] } };
};

/** The largest difference between equal-named numbers. */
export const farthest = (
  a: ReadonlyMap<string, ArrayLike<number>>,
  b: ReadonlyMap<string, ArrayLike<number>>,
): number => {
  let worst = 0;
  for (const [name, x] of a) {
    const y = b.get(name) as ArrayLike<number>;
    for (let i = 0; i < x.length; i++) worst = Math.max(worst, Math.abs(x[i] - y[i]));
  }
  return worst;
};

export type Numbers = ReadonlyMap<string, ArrayLike<number>>;

/** The weights as numbers, by name. */
export const numbersOf = async (params: Params, read: (t: Tensor) => Promise<ArrayLike<number>>): Promise<Numbers> =>
  new Map(await Promise.all(Object.entries(params).map(async ([name, t]) => [name, await read(t)] as const)));

/** Both objectives on that model. */
export const dpo = preferenceObjective(trainedConfig, { beta: 0.5 });
export const sft = completionObjective(trainedConfig);
/** Few enough pairs and sequences to train on all of them at once. */
export const pairs = Array.from({ length: 6 }, (_, i) => tinyPair(i));
export const sequences = Array.from({ length: 6 }, (_, i) => tinySequence(i, 4 + (i % 4), 1 + (i % 3)));
export const shared = { padId: 0, shuffle: false, bucket: 8 };

/** A run of `trainTiny`: what differs from the usual. */
export type Setting = Omit<TrainOptions, "objective" | "params" | "batches" | "optimizer"> & {
  /** Instead of the usual. */
  readonly batches?: TrainOptions["batches"];
  readonly optimizer?: OptimizerSettings;
  /** Instead of one from settings. */
  readonly rule?: Optimizer;
  readonly batchSize?: number;
};

export interface Outcome {
  readonly records: readonly StepRecord[];
  readonly weights: Numbers;
}

/** Trains the tiny model and gives records and final weights; nothing is left on the device but what was there. */
export const trainTiny = async (
  kind: "sft" | "dpo",
  { optimizer = {}, rule, batchSize = 2, ...rest }: Setting,
  device: Device,
  onStep: (step: TrainStep) => unknown = () => {},
): Promise<Outcome> => {
  const [params, other] = [tinyParams(1, device), tinyParams(2, device)];
  const source =
    kind === "dpo" ? pairSource(pairs, { ...shared, batchSize }) : sequenceSource(sequences, { ...shared, batchSize });
  const records: StepRecord[] = [];
  const options: TrainOptions = {
    objective: kind === "dpo" ? dpo : sft,
    params,
    optimizer: rule ?? trainingOptimizer(optimizer),
    batches: batchesFrom(source),
    reference: { config: trainedConfig, params: other },
    ...rest,
  };
  try {
    const trained = await lastOf(train(options, device), async (step) => {
      if (step.record !== undefined) records.push(step.record);
      await onStep(step);
    });
    const weights = await numbersOf(trained, read);
    dispose(trained);
    return { records, weights };
  } finally {
    dispose(params, other);
  }
};

/** A number by its name; NaN, which is close to nothing, if it is not there. */
export const numberOf = (numbers: Readonly<Record<string, number>> | undefined, name: string): number =>
  numbers?.[name] ?? Number.NaN;

/** Rounding of a few steps: f64 on the oracle, f32 elsewhere, where Adam's division carries gradients' rounding into Δ. */
export const limitOf = (device: Device) => (device.name === "reference" ? 1e-10 : 1e-4);
