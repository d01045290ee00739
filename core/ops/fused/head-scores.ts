import { ShapeError } from "../../errors.js";
import { expects } from "../../expects.js";
import { callOf } from "../../print.js";
import { instead } from "../../suggest.js";
import type { Tensor } from "../../tensor.js";
import { blocksOf, inBlocks } from "../../transforms/checkpoint.js";
import { after, stopGradient } from "../marker.js";
import { type MatmulOptions, matmul } from "../matmul.js";
import { abs, add, div, equal, maximum, mul, square, sub, tanh, where } from "../pointwise.js";
import { max, mean } from "../reduce.js";
import { concat, reshape, sliceAxis, transpose } from "../view.js";
import { fused } from "./fused.js";
import { columnsOf, logitGradient, scoresOfRows } from "./token-scores.js";

/** How the scores of a vocabulary head are computed. */
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
  /**
   * "f16": as `operands` of `matmul`, of the logits' product and of both in the gradient. The logits' own gradient is brought into the
   * range of f16 for that: each row by its cotangent, which joins again in f32, and all by a power of two. Default: "f32".
   */
  readonly operands?: MatmulOptions["operands"];
}

interface HeadAttrs extends HeadOptions {
  readonly [name: string]: unknown;
}

/** cap · tanh(x / cap), if there is a cap. f32 [...S] → [...S]. */
export const capped = (x: Tensor, cap: number | undefined): Tensor => {
  expects("capped", "tensor number?", x, cap);
  return cap === undefined ? x : mul(cap, tanh(mul(x, 1 / cap)));
};

const column = (x: Tensor): Tensor => reshape(x, [x.shape[0], 1]);

/** Scores of rows (`scoresOfRows`) with the mean of all logits after the metrics: of the capped ones, or by the mean of W. */
const withMean = (scores: Tensor, meanLogit: Tensor): Tensor =>
  concat([sliceAxis(scores, 1, 0, 3), meanLogit, sliceAxis(scores, 1, 3, 5)], 1);

const logitsOf = (hidden: Tensor, W: Tensor, { cap, operands }: HeadOptions): Tensor =>
  capped(matmul(hidden, transpose(W), { operands }), cap);

const meanOf = (hidden: Tensor, W: Tensor): Tensor => matmul(stopGradient(hidden), column(mean(stopGradient(W), 0)));

const widthOf = ({ metrics }: HeadOptions): number => (metrics === true ? 6 : 3);

/** What capped logits that are there say of their rows' tokens. */
const ofLogits = (logits: Tensor, target: Tensor, { metrics = false, cap }: HeadOptions): Tensor => {
  const scores = scoresOfRows(logits, target, metrics);
  return metrics && cap !== undefined ? withMean(scores, column(mean(stopGradient(logits), -1))) : scores;
};

/** What the logits' gradient is times as large as by cotangents of 1, which make it 2 at most: f16 reaches 65504. */
const LIFT = 2 ** 14;

/**
 * Cotangents [M, …] so large that products of what they make fit f16, whatever their size: `own`, each row over its largest magnitude,
 * times `LIFT`; and where that goes instead: `rows` [M, 1] of it, and `hidden` with rows weighed by theirs over `whole`, the
 * largest of all.
 */
const apart = (ct: Tensor, hidden: Tensor) => {
  const { logp, log } = columnsOf(stopGradient(ct));
  const size = maximum(abs(logp), abs(log));
  const largest = max(size, 0, true);
  const share = (x: Tensor, of: Tensor) => div(x, where(equal(of, 0), 1, of));
  return {
    own: mul(share(ct, size), LIFT),
    rows: mul(size, 1 / LIFT),
    hidden: mul(hidden, share(size, largest)),
    whole: mul(largest, 1 / LIFT),
  };
};

/** Examples are rows more, where they share the head. */
const ofRows = { along: "first", shared: [1] } as const;

const headScoresOp = fused(
  "headScores",
  ([hidden, W, target], attrs: HeadAttrs) => {
    const score = inBlocks(([h, id], [w]) => ofLogits(logitsOf(h, w, attrs), id, attrs), attrs.rows ?? hidden.shape[0]);
    const scores = score([hidden, target], [W]);
    return scores.shape[1] === widthOf(attrs) ? scores : withMean(scores, meanOf(hidden, W));
  },
  {
    shapeOf: ([hidden], attrs) => [hidden.shape[0], widthOf(attrs)],
    batch: ofRows,
    gradient: (ct, given, said, attrs) => {
      const { cap, columns, tall, operands } = attrs;
      const [hidden, W, target] = given.map((x) => after(x, ct)); // logits are computed again once ct is known
      const [[M], [V]] = [hidden.shape, W.shape];
      const { own, rows, hidden: weighed, whole } = operands === "f16" ? apart(ct, hidden) : { own: ct, hidden };
      const runs = blocksOf(M, tall ?? M).map(([from, to]) => {
        const cut = (x: Tensor) => sliceAxis(x, 0, from, to);
        return {
          ...{ h: cut(hidden), id: cut(target), said: cut(said) },
          own: cut(own),
          heavy: cut(weighed),
          rows: rows && cut(rows),
        };
      });
      const ofRuns: Tensor[] = [];
      const ofBlocks = blocksOf(V, columns ?? V).map(([first, end]) => {
        const w = sliceAxis(W, 0, first, end);
        let total: Tensor | undefined;
        for (const [i, run] of runs.entries()) {
          const y = logitsOf(run.h, w, attrs);
          const slope = logitGradient(run.own, y, run.id, run.said, first);
          const g = cap === undefined ? slope : mul(slope, sub(1, square(mul(y, 1 / cap))));
          const [dh, dw] = [matmul(g, w, { operands }), matmul(transpose(g), run.heavy, { operands })];
          const [ofHidden, ofW] = [run.rows ? mul(dh, run.rows) : dh, whole ? mul(dw, whole) : dw];
          ofRuns[i] = i in ofRuns ? add(ofRuns[i], ofHidden) : ofHidden;
          total = total === undefined ? ofW : add(total, ofW);
        }
        return total as Tensor;
      });
      return [concat(ofRuns, 0), concat(ofBlocks, 0), null];
    },
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
  {
    shapeOf: ([hidden], attrs) => [hidden.shape[0], widthOf(attrs)],
    batch: ofRows,
    gradient: (ct, [, , target, logits], said) => [null, null, null, logitGradient(ct, logits, target, said)],
  },
);

const optionNames = [
  "metrics",
  "cap",
  "rows",
  "columns",
  "tall",
  "operands",
] as const satisfies readonly (keyof HeadOptions)[];

/**
 * What softmax(y), y = W h or cap · tanh(W h / cap), says of one token a row.  hidden h: [M, D], W: [V, D], target: i32 [M]
 * → [M, 3]: the target's log-probability, the largest logit of the row, and log Σ e^(y - largest); or with `metrics` [M, 6], between the
 * first and the second: the entropy, 1 where no logit is higher than the target's, else 0, and the mean logit. Logits are never
 * there for more than a block of rows, or columns: a kernel may make none, and the gradient makes them again, block by block, from
 * what is known of each row. Errors: ShapeError unless the shapes fit.
 */
export const headScores = (hidden: Tensor, W: Tensor, target: Tensor, options: HeadOptions = {}): Tensor => {
  expects("headScores", "tensor tensor tensor", hidden, W, target);
  const call = () => callOf("headScores", [hidden, W, target]);
  for (const name of Object.keys(options))
    if (!(optionNames as readonly string[]).includes(name))
      throw new ShapeError(`${call()}: option "${name}" is not known`, instead(name, optionNames));
  const { cap, rows, columns, tall, operands } = options;
  const [M, D] = hidden.shape;
  const fits = hidden.shape.length === 2 && W.shape.length === 2 && W.shape[1] === D && D > 0 && W.shape[0] > 0;
  if (!fits || target.dtype !== "i32" || target.shape.length !== 1 || target.shape[0] !== M)
    throw new ShapeError(`${call()}: needs hidden [M,D], W [V,D] and i32 targets [M]`);
  if (cap !== undefined && !(Number.isFinite(cap) && cap > 0))
    throw new ShapeError(`${call()}: cap ${cap} is not a finite number above 0`, "leave it out for none");
  for (const [name, value] of Object.entries({ rows, columns, tall }))
    if (value !== undefined && !(Number.isInteger(value) && value > 0))
      throw new ShapeError(`${call()}: ${name} ${value} is not a number of them`, "leave it out for all");
  if (operands !== undefined && operands !== "f32" && operands !== "f16")
    throw new ShapeError(`${call()}: operands "${String(operands)}" are not known`, 'use "f32" or "f16"');
  const given = [hidden, W, target];
  const attrs = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  // Kept logits have no gradient that f16 could hold whatever its size.
  if (M > (rows ?? M) || operands === "f16") return headScoresOp(given, attrs);
  return keptScoresOp([...given, logitsOf(hidden, W, options)], attrs);
};
