import { blocksOf, inBlocks } from "../checkpoint.js";
import { ShapeError } from "../errors.js";
import { expects } from "../expects.js";
import { callOf } from "../print.js";
import type { Tensor } from "../tensor.js";
import { fused } from "./fused.js";
import { after, stopGradient } from "./marker.js";
import { matmul } from "./matmul.js";
import { add, mul, square, sub, tanh } from "./pointwise.js";
import { mean } from "./reduce.js";
import { logitGradient, scoresOfRows } from "./token-scores.js";
import { concat, reshape, sliceAxis, transpose } from "./view.js";

export interface HeadOptions {
  /** Also entropy, correctness and mean logit, through which no gradient flows. Default false. */
  readonly metrics?: boolean;
  /** Logits are cap · tanh(x / cap). Default: x. */
  readonly cap?: number;
  /** Rows whose logits over the whole vocabulary are there at a time, on devices that hold logits at all. Default: all. */
  readonly rows?: number;
  /** The gradient's logits are there by blocks of so many columns of the vocabulary, and of `tall` rows. Default: all. */
  readonly columns?: number;
  readonly tall?: number;
}

interface HeadAttrs extends HeadOptions {
  readonly [name: string]: unknown;
}

/** cap · tanh(x / cap), if there is a cap. */
export const capped = (x: Tensor, cap: number | undefined): Tensor =>
  cap === undefined ? x : mul(cap, tanh(mul(x, 1 / cap)));

const column = (x: Tensor): Tensor => reshape(x, [x.shape[0], 1]);

/** Scores of rows (`scoresOfRows`) with the mean of all logits after the metrics: of the capped ones, or by the mean of W. */
const withMean = (scores: Tensor, meanLogit: Tensor): Tensor =>
  concat([sliceAxis(scores, 1, 0, 3), meanLogit, sliceAxis(scores, 1, 3, 5)], 1);

const meanOf = (hidden: Tensor, W: Tensor): Tensor => matmul(stopGradient(hidden), column(mean(stopGradient(W), 0)));

const widthOf = ({ metrics }: HeadOptions): number => (metrics === true ? 6 : 3);

/** What capped logits that are there say of their rows' tokens. */
const ofLogits = (logits: Tensor, target: Tensor, { metrics = false, cap }: HeadOptions): Tensor => {
  const scores = scoresOfRows(logits, target, metrics);
  return metrics && cap !== undefined ? withMean(scores, column(mean(stopGradient(logits), -1))) : scores;
};

const headScoresOp = fused(
  "headScores",
  ([hidden, W, target], attrs: HeadAttrs) => {
    const score = inBlocks(
      ([h, id], [w]) => ofLogits(capped(matmul(h, transpose(w)), attrs.cap), id, attrs),
      attrs.rows ?? hidden.shape[0],
    );
    const scores = score([hidden, target], [W]);
    return scores.shape[1] === widthOf(attrs) ? scores : withMean(scores, meanOf(hidden, W));
  },
  ([hidden], attrs) => [hidden.shape[0], widthOf(attrs)],
  (ct, given, said, { cap, columns, tall }) => {
    const [hidden, W, target] = given.map((x) => after(x, ct)); // logits are computed again once ct is known
    const [[M], [V]] = [hidden.shape, W.shape];
    const runs = blocksOf(M, tall ?? M).map(([from, to]) =>
      [hidden, target, ct, said].map((x) => sliceAxis(x, 0, from, to)),
    );
    const ofRuns: Tensor[] = [];
    const ofBlocks = blocksOf(V, columns ?? V).map(([first, end]) => {
      const w = sliceAxis(W, 0, first, end);
      let total: Tensor | undefined;
      for (const [run, [h, id, own, known]] of runs.entries()) {
        const y = capped(matmul(h, transpose(w)), cap);
        const slope = logitGradient(own, y, id, known, first);
        const g = cap === undefined ? slope : mul(slope, sub(1, square(mul(y, 1 / cap))));
        const [dh, dw] = [matmul(g, w), matmul(transpose(g), h)];
        ofRuns[run] = run in ofRuns ? add(ofRuns[run], dh) : dh;
        total = total === undefined ? dw : add(total, dw);
      }
      return total as Tensor;
    });
    return [concat(ofRuns, 0), concat(ofBlocks, 0), null];
  },
);

/** `headScores` of few rows, whose logits may be kept: by the device's kernel, which makes none, or from `logits` [M, V], capped. */
const keptScoresOp = fused(
  "keptScores",
  ([hidden, W, target, logits], attrs: HeadAttrs, has = () => false) => {
    if (has("headScores")) return headScoresOp([hidden, W, target], attrs);
    const scores = ofLogits(logits, target, attrs);
    return scores.shape[1] === widthOf(attrs) ? scores : withMean(scores, meanOf(hidden, W));
  },
  ([hidden], attrs) => [hidden.shape[0], widthOf(attrs)],
  (ct, [, , target, logits], said) => [null, null, null, logitGradient(ct, logits, target, said)],
);

/**
 * What softmax(y), y = W h or cap · tanh(W h / cap), says of one token a row.  hidden h: [M, D], W: [V, D], target: i32 [M] →
 * [M, 3]: the target's log-probability, the largest logit of the row, and log Σ e^(y - largest); or with `metrics` [M, 6], between the
 * first and the second: the entropy, 1 where no logit is higher than the target's, else 0, and the mean logit. Logits are never
 * there for more than a block of rows, or columns: a kernel may make none, and the gradient makes them again, block by block, from
 * what is known of each row. Errors: ShapeError unless the shapes fit.
 */
export const headScores = (hidden: Tensor, W: Tensor, target: Tensor, options: HeadOptions = {}): Tensor => {
  expects("headScores", "tensor tensor tensor", hidden, W, target);
  const [M, D] = hidden.shape;
  const fits = hidden.shape.length === 2 && W.shape.length === 2 && W.shape[1] === D && D > 0 && W.shape[0] > 0;
  if (!fits || target.dtype !== "i32" || target.shape.length !== 1 || target.shape[0] !== M)
    throw new ShapeError(
      `${callOf("headScores", [hidden, W, target])}: needs hidden [M,D], W [V,D] and i32 targets [M]`,
    );
  const given = [hidden, W, target];
  if (M > (options.rows ?? M)) return headScoresOp(given, { ...options });
  return keptScoresOp([...given, capped(matmul(hidden, transpose(W)), options.cap)], { ...options });
};
