import {
  add,
  cast,
  crossEntropy,
  div,
  equal,
  exp,
  gather,
  iota,
  log,
  max,
  mean,
  mul,
  neg,
  pad,
  reshape,
  ShapeError,
  sliceAxis,
  sub,
  sum,
  type Tensor,
  typeOf,
} from "../../core/index.js";
import type { ModelConfig } from "../../models/config.js";
import type { Params } from "../../models/parameters.js";
import { type ForwardOptions, hiddenStates, logits } from "../../models/transformer.js";

/**
 * What a model says about a block of N sequences of T tokens. Everything stands at the position that predicts: entry t is
 * about token t+1, and the last position, which predicts nothing, is not counted.
 */
export interface Scored {
  /** [N, T, V] */
  readonly logits: Tensor;
  /** i32 [N, T] the token to be predicted; 0 at the last position. */
  readonly next: Tensor;
  /** [N, T] 1 where that token is a target. */
  readonly counts: Tensor;
  /** [N, T] its log-probability. */
  readonly logps: Tensor;
}

/** Each row one to the left, zero at its end; [N, T]. */
const shifted = (x: Tensor): Tensor =>
  pad(sliceAxis(x, 1, 1, x.shape[1]), [
    [0, 0],
    [0, 1],
  ]);

/**
 * Runs a model over right-padded sequences.  ids i32 [N, T]; mask f32 [N, T], 1 where the token *at* t is a target (what
 * stands at t = 0 has nothing to be predicted from and never counts).
 * All T positions go through the output matrix, the last one for nothing: a slice would copy the logits.
 * Errors: ShapeError unless ids and mask are one [N, T].
 */
export const scoreTokens = (
  params: Params,
  config: ModelConfig,
  ids: Tensor,
  mask: Tensor,
  options: ForwardOptions = {},
): Scored => {
  const [N, T] = ids.shape;
  if (ids.shape.length !== 2 || mask.shape.length !== 2 || mask.shape[0] !== N || mask.shape[1] !== T)
    throw new ShapeError(`scoreTokens(${typeOf(ids)}, ${typeOf(mask)})`, "ids and mask are both [N, T]");
  const V = config.vocabSize;
  const scores = logits(params, config, hiddenStates(params, config, ids, options));
  const next = shifted(ids);
  const nll = crossEntropy(reshape(scores, [N * T, V]), reshape(next, [N * T]));
  return { logits: scores, next, counts: shifted(mask), logps: reshape(neg(nll), [N, T]) };
};

/** Σ over a row's targets: values [N, T] at predicting positions → [N]. */
export const overTargets = (values: Tensor, { counts }: Scored): Tensor => sum(mul(values, counts), 1);

/** Log-probability of each row's targets, summed; [N]. */
export const completionLogps = (scored: Scored): Tensor => overTargets(scored.logps, scored);

/** Targets of each row; [N]. */
export const targetCount = ({ counts }: Scored): Tensor => sum(counts, 1);

/** The mean over the vocabulary of the logits; [N, T]. */
export const meanLogit = ({ logits: scores }: Scored): Tensor => mean(scores, -1);

/** Entropy of the predicted distribution, in nats; [N, T]. With s = x − max x: log Σ eˢ − Σ s·eˢ / Σ eˢ, where nothing cancels. */
export const entropy = ({ logits: scores }: Scored): Tensor => {
  const shifted = sub(scores, max(scores, -1, true));
  const e = exp(shifted);
  const total = sum(e, -1);
  return sub(log(total), div(sum(mul(e, shifted), -1), total));
};

/** 1 where no token has a higher logit than the target (a tie counts as right); [N, T]. */
export const predicted = ({ logits: scores, next }: Scored): Tensor => {
  const [N, T, V] = scores.shape;
  const at = add(mul(iota([N * T]), V), reshape(next, [N * T]));
  return cast(equal(reshape(gather(reshape(scores, [N * T * V]), at), [N, T]), max(scores, -1)), "f32");
};
