import { InputError, threefryBits } from "../../core/index.js";
import {
  applyTemperature,
  keepMinP,
  keepTopK,
  keepTopP,
  keepTypical,
  penalizeRepetition,
  probabilities,
  type Scores,
} from "./processors.js";

/** How the next token is chosen. Meanings, order and defaults are those of transformers' `generate`. */
export interface SamplingOptions {
  /** Take the likeliest token (after the repetition penalty); the other options are then unused. */
  readonly greedy?: boolean;
  /** Divides the logits; > 0, default 1. */
  readonly temperature?: number;
  /** Keep the k likeliest tokens (and those that tie with the last); 0, the default, keeps all. */
  readonly topK?: number;
  /** Keep the fewest likeliest tokens whose probabilities sum to at least p; in (0, 1], default 1 keeps all. */
  readonly topP?: number;
  /** Keep what is at least so likely, beside the likeliest; in [0, 1], default 0 keeps all. */
  readonly minP?: number;
  /** Keep the tokens of most typical information content that hold so much probability; in (0, 1], default 1 keeps all. */
  readonly typicalP?: number;
  /** > 1 makes tokens that already occurred less likely; default 1. */
  readonly repetitionPenalty?: number;
  /** Integer ≥ 0, default 0. The same seed gives the same text on every device that computes the same logits. */
  readonly seed?: number;
}

/** Errors: InputError naming the option that is out of its range. */
export const checkSampling = (options: SamplingOptions): void => {
  const require = (name: keyof SamplingOptions, fits: (x: number) => boolean, range: string) => {
    const value = options[name];
    if (value !== undefined && !(typeof value === "number" && fits(value)))
      throw new InputError(`${name} is ${value}; it must be ${range}`);
  };
  const hint = "a number > 0 (greedy decoding is the limit 0)";
  if (!options.greedy) require("temperature", (x) => x > 0 && Number.isFinite(x), hint);
  require("topK", (x) => Number.isInteger(x) && x >= 0, "an integer ≥ 0 (0 keeps all)");
  require("topP", (x) => x > 0 && x <= 1, "in (0, 1]");
  require("minP", (x) => x >= 0 && x <= 1, "in [0, 1]");
  require("typicalP", (x) => x > 0 && x <= 1, "in (0, 1] (1 keeps all)");
  require("repetitionPenalty", (x) => x > 0 && Number.isFinite(x), "a number > 0");
  require("seed", (x) => Number.isSafeInteger(x) && x >= 0, "an integer ≥ 0");
};

/**
 * The scores that are sampled from: repetition penalty, temperature, top-k, top-p, min-p, typical, in this order.
 * Source: _get_logits_processor of generation/utils.py in transformers 5.
 */
export const processScores = (
  scores: Scores,
  seen: Iterable<number>,
  { temperature = 1, topK = 0, topP = 1, minP = 0, typicalP = 1, repetitionPenalty = 1 }: SamplingOptions,
): Scores => {
  const penalized = repetitionPenalty === 1 ? scores : penalizeRepetition(scores, seen, repetitionPenalty);
  const warm = temperature === 1 ? penalized : applyTemperature(penalized, temperature);
  return keepTypical(keepMinP(keepTopP(keepTopK(warm, topK), topP), minP), typicalP);
};

/** The first id with the highest score. */
export const argmax = (scores: Scores | Float32Array): number => {
  let best = 0;
  for (let id = 1; id < scores.length; id++) if (scores[id] > scores[best]) best = id;
  return best;
};

/** The id at which the cumulative probability, in id order, passes u ∈ [0, 1). */
export const pick = (probability: Scores, u: number): number => {
  let cumulative = 0;
  let last = 0;
  for (let id = 0; id < probability.length; id++) {
    if (probability[id] === 0) continue;
    cumulative += probability[id];
    last = id;
    if (u < cumulative) return id;
  }
  return last; // rounding left the sum just below 1
};

/**
 * Uniform number in [0, 1) with 53 bits for (seed, stream, step): words 2·step and 2·step+1 of
 * bits(foldIn(key(seed), stream)) in core.
 */
export const uniformAt = (seed: number, stream: number, step: number): number => {
  const FOLD = 2;
  const [k0, k1] = [Math.floor(seed / 2 ** 32), seed >>> 0];
  const [s0, s1] = [0, 1].map((i) => threefryBits(k0, k1, (2 * stream + i) >>> 0, FOLD));
  const [high, low] = [0, 1].map((i) => threefryBits(s0, s1, (2 * step + i) >>> 0, 0));
  return ((high >>> 5) * 2 ** 26 + (low >>> 6)) * 2 ** -53;
};

/**
 * The next token of one row: `seen` are the row's ids so far; (stream, step) number the draw.
 * Errors: InputError if a score is not finite (a model that diverged).
 */
export const chooseToken = (
  scores: Scores | Float32Array,
  seen: readonly number[],
  options: SamplingOptions,
  stream: number,
  step: number,
): number => {
  for (let id = 0; id < scores.length; id++)
    if (!Number.isFinite(scores[id]))
      throw new InputError("generate: the model's logits are not numbers; its weights are broken or have diverged");
  const { greedy = false, repetitionPenalty = 1, seed = 0 } = options;
  if (greedy && repetitionPenalty === 1) return argmax(scores);
  const own = new Float64Array(scores);
  if (greedy) return argmax(penalizeRepetition(own, seen, repetitionPenalty));
  return pick(probabilities(processScores(own, seen, options)), uniformAt(seed, stream, step));
};
