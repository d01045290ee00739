/** Layers without state: normalizations, dropout, resizing. */
import { checked } from "../core/expects.js";
import {
  add,
  bernoulli,
  div,
  mean,
  mul,
  reshape,
  rsqrt,
  ShapeError,
  square,
  sub,
  type Tensor,
  tensor,
  typeOf,
  where,
} from "../core/index.js";
import { repeat } from "./shape.js";
import { take } from "./take.js";

/** x - mean over √(variance + ε), of all axes named. */
const standardized = (x: Tensor, axes: number | readonly number[], eps: number): Tensor => {
  const centred = sub(x, mean(x, axes, true));
  return mul(centred, rsqrt(add(mean(square(centred), axes, true), eps)));
};

/**
 * (x - mean)/√(variance + eps)·weight + bias over the last axis.  x: [..., D]; weight, bias: [D], or left out.  Ba et al. 2016.
 * Errors: ShapeError unless weight and bias have the size of the last axis.
 * @example layerNorm(tensor([1, 2, 3])) // [-1.22474, 0, 1.22474]
 */
export const layerNorm = checked(
  "layerNorm",
  "tensor tensor? tensor? number?",
  (x: Tensor, weight?: Tensor, bias?: Tensor, eps = 1e-5): Tensor => {
    for (const w of [weight, bias])
      if (w !== undefined && (w.shape.length !== 1 || w.shape[0] !== x.shape.at(-1)))
        throw new ShapeError(`${typeOf(w)} has not the size of the last axis`);
    const y = standardized(x, -1, eps);
    const scaled = weight === undefined ? y : mul(y, weight);
    return bias === undefined ? scaled : add(scaled, bias);
  },
);

/**
 * As `layerNorm`, over groups of channels and what follows them.  x: [N, C, ...S], C = groups·n; weight, bias: [C], or left
 * out.  Wu & He 2018. Errors: ShapeError unless groups divide C.
 */
export const groupNorm = checked(
  "groupNorm",
  "tensor integer tensor? tensor? number?",
  (x: Tensor, groups: number, weight?: Tensor, bias?: Tensor, eps = 1e-5): Tensor => {
    const [N, C, ...S] = x.shape;
    if (x.shape.length < 2 || !(groups > 0) || C % groups !== 0)
      throw new ShapeError(`${groups} groups do not divide the channels of ${typeOf(x)}`);
    const y = reshape(standardized(reshape(x, [N, groups, -1]), -1, eps), x.shape);
    const each = (w: Tensor) => reshape(w, [C, ...S.map(() => 1)]);
    const scaled = weight === undefined ? y : mul(y, each(weight));
    return bias === undefined ? scaled : add(scaled, each(bias));
  },
);

/**
 * x with a random share `rate` of its elements 0 and the others divided by 1 - rate: a function of the key. Errors: ShapeError
 * unless 0 ≤ rate < 1.  Srivastava et al. 2014. f32 [...S] → [...S].
 * @example dropout(foldIn(key(0), 7), ones([8]), 0.1) // step 7's
 */
export const dropout = checked("dropout", "tensor tensor number", (key: Tensor, x: Tensor, rate: number): Tensor => {
  if (!(rate >= 0 && rate < 1)) throw new ShapeError(`rate ${rate} does not lie in [0, 1)`);
  return rate === 0 ? x : where(bernoulli(key, 1 - rate, x.shape), div(x, 1 - rate), 0);
});

/** Where each of the `factor`·n elements of an axis falls among n, by its centre; and how far between two of them. */
const between = (n: number, factor: number): { low: Int32Array; high: Int32Array; share: Float64Array } => {
  const at = Array.from({ length: n * factor }, (_, i) => Math.max(0, (i + 0.5) / factor - 0.5));
  const low = Int32Array.from(at, (p) => Math.min(Math.floor(p), n - 1));
  return {
    low,
    high: low.map((i) => Math.min(i + 1, n - 1)),
    share: Float64Array.from(at, (p, i) => Math.min(p, n - 1) - low[i]),
  };
};

/**
 * x [N, C, ...S] enlarged along S by a whole factor (or one for each axis): "nearest" repeats elements, "linear" lays straight
 * lines between their centres (bilinear over two axes), as torch does with align_corners=False. Errors: ShapeError for another
 * rank, factor or mode.
 */
export const upsample = checked(
  "upsample",
  "tensor axes text?",
  (x: Tensor, factor: number | readonly number[], mode: "nearest" | "linear" = "nearest"): Tensor => {
    const rank = x.shape.length - 2;
    const factors = typeof factor === "number" ? new Array<number>(Math.max(rank, 0)).fill(factor) : factor;
    if (rank < 1 || factors.length !== rank || factors.some((f) => !Number.isInteger(f) || f < 1))
      throw new ShapeError(`${typeOf(x)} by [${factors}]: needs [N, C, ...S], and an integer ≥ 1 for each of S`);
    if (mode !== "nearest" && mode !== "linear")
      throw new ShapeError(`mode "${mode}" is not known: "nearest" or "linear"`);
    return factors.reduce((y, f, i) => {
      const axis = i + 2;
      if (mode === "nearest" || f === 1) return repeat(y, f, axis);
      const { low, high, share } = between(y.shape[axis], f);
      const weight = tensor(share, [share.length, ...new Array<number>(y.shape.length - axis - 1).fill(1)]);
      return add(mul(take(y, tensor(low), axis), sub(1, weight)), mul(take(y, tensor(high), axis), weight));
    }, x);
  },
);
