import type { Sequence, TokenPair } from "../align/tokenize.js";
import type { Device, Tensor } from "../core/index.js";
import type { ModelConfig } from "../models/config.js";
import type { Params } from "../models/parameters.js";
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
