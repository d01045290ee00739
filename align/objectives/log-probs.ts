import { asks, expects } from "../../core/expects.js";
import {
  add,
  gather,
  mul,
  ones,
  reshape,
  ShapeError,
  scalar,
  scatterAdd,
  sliceAxis,
  sum,
  type Tensor,
  typeOf,
} from "../../core/index.js";
import type { ModelConfig } from "../../models/config.js";
import { headScores, SCORES } from "../../models/head.js";
import type { Params } from "../../models/parameters.js";
import { type ForwardOptions, hiddenStates } from "../../models/transformer.js";

/**
 * A batch on the device (`batchTensors`): ids i32 [N, T], targets i32 [M] (as `predicting` takes them), and what else the
 * objective asks for. Where rows hold several sequences: starts i32 [N, T], the first slot of each token's own; owners i32 [M],
 * which of the S sequences each target is of, S for padding; lengths i32 [S].
 */
export type BatchTensors = Readonly<Record<string, Tensor>> & { readonly ids: Tensor; readonly targets: Tensor };

/** What is asked of a scored batch. */
export interface ScoreOptions extends ForwardOptions {
  /** Also what is no log-probability (entropy, correctness, mean logit). Default false. */
  readonly tokenMetrics?: boolean;
}

/** What predicts the targets of a block of N sequences of T tokens. */
export interface Predicting {
  /** f32 [M, D] the last hidden states that the targets are predicted from; zeros for padding. */
  readonly hidden: Tensor;
  /** i32 [M] the targets themselves; 0 for padding. */
  readonly tokens: Tensor;
}

/**
 * Runs a model over right-padded sequences, and keeps the states that predict a target.
 * ids i32 [N, T]; targets i32 [M]: the flat positions n·T + t whose next token, t+1, is a target (`targetPositions`), in any
 * order; N·T and more is padding, which counts nothing.
 * Errors: ShapeError unless ids are i32 [N, T] and targets i32 [M].
 */
export const predicting = (
  params: Params,
  config: ModelConfig,
  ids: Tensor,
  targets: Tensor,
  options: ForwardOptions = {},
): Predicting => {
  expects("predicting", "record record tensor tensor record?", params, config, ids, targets, options);
  const [N, T] = ids.shape;
  if (ids.shape.length !== 2 || targets.shape.length !== 1 || targets.dtype !== "i32")
    throw new ShapeError(`scoreTokens(${typeOf(ids)}, ${typeOf(targets)})`, "ids are i32 [N, T], targets i32 [M]");
  const states = reshape(hiddenStates(params, config, ids, options), [N * T, config.hiddenSize]);
  const hidden = gather(states, targets);
  return { hidden, tokens: gather(reshape(ids, [N * T]), add(targets, scalar(1, "i32"))) };
};

/** What a model says of each target of a block: `targetScores` of them, f32 [M, 1] or [M, 4]. Arguments as of `predicting`. */
export const tokenScores = asks(
  "tokenScores",
  "record record tensor tensor record?",
  (
    params: Params,
    config: ModelConfig,
    ids: Tensor,
    targets: Tensor,
    { tokenMetrics = false, ...forward }: ScoreOptions = {},
  ): Tensor => {
    const { hidden, tokens } = predicting(params, config, ids, targets, forward);
    return headScores(params, config, hidden, tokens, tokenMetrics);
  },
);

/** What a model says of S sequences: sums over each one's targets, f32 [S]. */
export interface Scored {
  /** How many there are. */
  readonly counts: Tensor;
  /** Their log-probabilities: that of the completion. */
  readonly logps: Tensor;
  /** The others are zeros unless asked for.  Entropies of the predicted distributions, in nats. */
  readonly entropy: Tensor;
  /** Targets that no token has a higher logit than. */
  readonly correct: Tensor;
  /** Means over the vocabulary of the logits. */
  readonly meanLogit: Tensor;
}

/** How many sequences a batch holds: one a row, unless it says otherwise. */
export const sequencesIn = ({ ids, lengths }: { readonly ids: Tensor; readonly lengths?: Tensor }): number =>
  (lengths ?? ids).shape[0];

/** Sums of a number of each target, f32 [M, …], over the targets of each sequence; [S, …]. */
const perSequence = (values: Tensor, { ids, targets, owners, ...rest }: BatchTensors): Tensor => {
  if (owners !== undefined) return scatterAdd(owners, values, sequencesIn({ ids, ...rest }));
  const [N, T] = ids.shape;
  return sum(reshape(scatterAdd(targets, values, N * T), [N, T, ...values.shape.slice(1)]), 1);
};

/**
 * Runs a model over the sequences of a batch and sums what it says of their targets. Errors as of `predicting`.
 * Only targets meet the output matrix, and of their logits there is never more than a block.
 */
export const scoreBatch = (
  params: Params,
  config: ModelConfig,
  batch: BatchTensors,
  options: ScoreOptions = {},
): Scored => {
  expects("scoreBatch", "record record record record?", params, config, batch, options);
  const { ids, targets, starts } = batch;
  const scores = tokenScores(params, config, ids, targets, { ...options, ...(starts && { starts }) });
  const width = scores.shape[1];
  const sums = perSequence(scores, batch);
  const counts = perSequence(ones(targets.shape), batch);
  const of = (name: (typeof SCORES)[number]): Tensor => {
    const at = SCORES.indexOf(name);
    return at < width ? reshape(sliceAxis(sums, 1, at, at + 1), counts.shape) : mul(0, counts);
  };
  return { counts, logps: of("logp"), entropy: of("entropy"), correct: of("correct"), meanLogit: of("meanLogit") };
};

/** `scoreBatch` of right-padded sequences: ids i32 [N, T], targets i32 [M]. */
export const scoreTokens = asks(
  "scoreTokens",
  "record record tensor tensor record?",
  (params: Params, config: ModelConfig, ids: Tensor, targets: Tensor, options: ScoreOptions = {}): Scored =>
    scoreBatch(params, config, { ids, targets }, options),
);
