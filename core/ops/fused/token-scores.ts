import { ShapeError } from "../../errors.js";
import { expects } from "../../expects.js";
import { callOf } from "../../print.js";
import { sameShape } from "../../shape.js";
import type { Tensor } from "../../tensor.js";
import { broadcastTo, sum } from "../broadcast.js";
import { cast } from "../cast.js";
import { gather } from "../index-ops.js";
import { iota } from "../leaf.js";
import { stopGradient } from "../marker.js";
import { add, equal, exp, log, mul, neg, sub, where } from "../pointwise.js";
import { concat, reshape, sliceAxis } from "../view.js";
import { fused } from "./fused.js";
import { shiftedExp } from "./nn.js";

/** What one row of logits says of a token: a column of numbers each. */
export interface Columns {
  /** Log-probability, in nats; from here on [N, 1] each. */
  readonly logp: Tensor;
  /** Of the whole row: its largest logit, and log Σ e^(x - top). The gradient is made of them, and flows through the second. */
  readonly top: Tensor;
  readonly log: Tensor;
}

/** The columns of a result whose first is the log-probability and whose last two say what the gradient needs. */
export const columnsOf = (scores: Tensor): Columns => {
  const width = scores.shape[1];
  const at = (i: number) => sliceAxis(scores, 1, i, i + 1);
  return { logp: at(0), top: at(width - 2), log: at(width - 1) };
};

/** Which of the columns `first` … `first + V` of a vocabulary a row's token is: bool [N, V]. */
const isToken = (token: Tensor, V: number, first: number): Tensor => {
  const [N] = token.shape;
  const columns = sliceAxis(iota([first + V]), 0, first, first + V);
  return equal(broadcastTo(columns, [N, V]), reshape(token, [N, 1]));
};

/**
 * The gradient of logits [N, V], columns of a vocabulary from `first` on, by cotangents `ct` of what was said of their rows
 * (`said`, for whose columns see `columnsOf`): ct of logp · (one where the token is, less p) + ct of log · p, p = e^(x - top - log).
 */
export const logitGradient = (ct: Tensor, logits: Tensor, token: Tensor, said: Tensor, first = 0): Tensor => {
  const [V] = logits.shape.slice(-1);
  const [{ logp: own, log: all }, { top, log: total }] = [ct, said].map(columnsOf);
  const p = exp(sub(sub(logits, stopGradient(top)), total));
  return add(where(isToken(token, V, first), own, 0), mul(sub(all, own), p));
};

interface ScoreAttrs {
  readonly metrics: boolean;
  readonly [name: string]: unknown;
}

const tokenScoresOp = fused(
  "tokenScores",
  ([logits, target], { metrics }: ScoreAttrs) => {
    const [N, V] = logits.shape;
    const column = (x: Tensor): Tensor => reshape(x, [N, 1]);
    const { shift: top, total } = shiftedExp(logits);
    const lse = log(total);
    const own = column(gather(reshape(logits, [N * V]), add(mul(iota([N]), V), target)));
    const surprise = add(sub(top, own), lse);
    if (!metrics) return concat([neg(surprise), top, lse], 1);
    const l = sub(sub(stopGradient(logits), top), stopGradient(lse)); // log softmax
    const entropy = neg(column(sum(mul(exp(l), l), -1)));
    return concat([neg(surprise), entropy, cast(equal(stopGradient(own), top), "f32"), top, lse], 1);
  },
  {
    shapeOf: ([, target], { metrics }) => [...target.shape, metrics ? 5 : 3],
    gradient: (ct, [logits, target], said) => [logitGradient(ct, logits, target, said), null],
    batch: { along: "first" },
  },
);

/** Of rows of logits [N, V] and a token i32 [N] each: log-probability, with `metrics` entropy and correctness too; then the last two of `Columns`. */
export const scoresOfRows = (logits: Tensor, target: Tensor, metrics: boolean): Tensor =>
  tokenScoresOp([logits, target], { metrics });

/**
 * What softmax(logits) says of one token a row.  logits: [N, V]; target: i32 [N], 0 ≤ target < V → [N, 3]: the target's
 * log-probability and the entropy, in nats, and 1 where no logit is higher than the target's, else 0. A gradient flows through
 * the first alone. Errors: ShapeError for other shapes or dtypes.
 */
export const tokenScores = (logits: Tensor, target: Tensor): Tensor => {
  expects("tokenScores", "tensor tensor", logits, target);
  if (logits.shape.length !== 2 || !sameShape(target.shape, logits.shape.slice(0, 1)) || target.dtype !== "i32")
    throw new ShapeError(`${callOf("tokenScores", [logits, target])}: needs logits [N,V] and i32 targets [N]`);
  return sliceAxis(scoresOfRows(logits, target, true), 1, 0, 3);
};
