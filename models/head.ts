import { asks, expects } from "../core/expects.js";
import {
  callOf,
  capped,
  type MatmulOptions,
  matmul,
  mul,
  pad,
  ShapeError,
  headScores as scoresOfHead,
  sliceAxis,
  type Tensor,
  transpose,
} from "../core/index.js";
import type { ModelConfig } from "./config.js";
import { type Params, weightOf } from "./parameters.js";

/** The output matrix [V, D]: that of the embedding itself if they are tied. */
const outputMatrix = (params: Params, { tied }: ModelConfig): Tensor =>
  weightOf(params, tied ? "model.embed_tokens.weight" : "lm_head.weight");

/** What the output matrix is applied to: hidden states, times the model's factor if it has one. */
const scaled = (hidden: Tensor, { headMultiplier }: ModelConfig): Tensor =>
  headMultiplier === 1 ? hidden : mul(hidden, headMultiplier);

/** Scores of the next token: hidden [..., D] → [..., V], by the output matrix or, if tied, the embedding itself. */
export const logits = asks(
  "logits",
  "record record tensor",
  (params: Params, config: ModelConfig, hidden: Tensor): Tensor =>
    capped(matmul(scaled(hidden, config), transpose(outputMatrix(params, config))), config.logitCap),
);

/** What a model says of one token a row, from its hidden states [M, D]: `targetScores` by its own head. */
export const headScores = (
  params: Params,
  config: ModelConfig,
  hidden: Tensor,
  target: Tensor,
  metrics = false,
): Tensor => {
  const { logitCap, precision } = config;
  return targetScores(scaled(hidden, config), outputMatrix(params, config), target, metrics, logitCap, precision);
};

/** Logits that are there at a time: 128 MiB. */
const MOST_LOGITS = 2 ** 25;
const MOST_ROWS = 2048;
/** Blocks are multiples of so many rows: kernels for fewer may add in another order. */
const FEWEST_ROWS = 8;

/**
 * Rows whose logits are computed together: 2048 for V = 256, 216 for V = 151 936. A function of the vocabulary alone, not of the
 * device nor of how many rows there are: a row's numbers must not depend on those beside it.
 */
export const rowsTogether = (vocabSize: number): number => {
  const fit = Math.floor(MOST_LOGITS / vocabSize / FEWEST_ROWS) * FEWEST_ROWS;
  return Math.min(MOST_ROWS, Math.max(FEWEST_ROWS, fit));
};

/** Columns of the vocabulary that the gradient's logits are there for at a time. */
const COLUMNS = 8192;

/** What `targetScores` says of a row, in order; all but the first only if asked for, and without a gradient. */
export const SCORES = ["logp", "entropy", "correct", "meanLogit"] as const;

/**
 * What the distribution softmax(W h), with a `cap` softmax(cap · tanh(W h / cap)), says of one token a row.  hidden h: [M, D], W: [V, D], target: i32 [M] → f32 [M, 1], or
 * with `metrics` [M, 4]:
 * ```text
 * logp       log-probability of the target, in nats
 * entropy    of the distribution, in nats
 * correct    1 where no token has a higher logit than the target (a tie counts as right), else 0
 * meanLogit  the mean of the logits over the vocabulary; without a cap h · mean(W)
 * ```
 * There is never more than a block of logits, of rows here (`rowsTogether`), of columns and rows in the gradient, which computes them
 * again: see `headScores` of core, and there of `operands`.
 * Law: a row's numbers are the same bits whatever the other rows are, and however many.
 * Errors: ShapeError unless the shapes fit.
 */
export const targetScores = (
  hidden: Tensor,
  W: Tensor,
  target: Tensor,
  metrics = false,
  cap?: number,
  operands?: MatmulOptions["operands"],
): Tensor => {
  expects("targetScores", "tensor tensor tensor any number?", hidden, W, target, metrics, cap);
  const [M, D] = hidden.shape;
  const [V] = W.shape;
  const fits = hidden.shape.length === 2 && W.shape.length === 2 && W.shape[1] === D && V > 0;
  if (!fits || target.dtype !== "i32" || target.shape.length !== 1 || target.shape[0] !== M)
    throw new ShapeError(
      `${callOf("targetScores", [hidden, W, target])}: needs hidden [M,D], W [V,D] and i32 targets [M]`,
    );
  const missing = (FEWEST_ROWS - (M % FEWEST_ROWS)) % FEWEST_ROWS;
  if (missing > 0) {
    const rows = pad(hidden, [
      [0, missing],
      [0, 0],
    ]);
    return sliceAxis(targetScores(rows, W, pad(target, [[0, missing]]), metrics, cap, operands), 0, 0, M);
  }
  const rows = rowsTogether(V);
  const scores = scoresOfHead(hidden, W, target, {
    ...{ metrics, rows, columns: COLUMNS, tall: MOST_LOGITS / COLUMNS },
    ...{ cap, operands },
  });
  return sliceAxis(scores, 1, 0, metrics ? SCORES.length : 1);
};
