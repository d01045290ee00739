/** Convolutions and pools over the last one or two axes, in torch's layout: x [N, C, ...S]. */
import { checked } from "../core/expects.js";
import {
  add,
  concat,
  div,
  isTensor,
  less,
  matmul,
  or,
  reshape,
  ShapeError,
  sizeOf,
  type Tensor,
  typeOf,
  where,
} from "../core/index.js";
import { isNaN as isNan } from "./element.js";
import { type PerAxis, slicesOf, windowsOf } from "./windows.js";

/** How a window moves, and what is around the image; as torch's. */
export interface ConvOptions {
  /** [O], added to the result. */
  readonly bias?: Tensor;
  /** How far one window lies from the next. Default: 1. */
  readonly stride?: PerAxis;
  /** Zeros before and after each axis; "same": as many as give ⌈n/stride⌉ elements. Default: 0, or "valid". */
  readonly padding?: PerAxis | "same" | "valid";
  /** How far the elements of a window lie apart. Default: 1. */
  readonly dilation?: PerAxis;
  /** Parts that channels are cut into, each with weights of its own. Default: 1. */
  readonly groups?: number;
}

/** One product: the elements under each window as columns, times the weights. */
const convolution = (x: Tensor, weight: Tensor, options: ConvOptions, rank: number): Tensor => {
  const { groups = 1, bias } = options;
  const [N, C, ...S] = x.shape;
  const [O, perGroup, ...K] = weight.shape;
  if (x.shape.length !== rank + 2 || weight.shape.length !== rank + 2)
    throw new ShapeError(`needs x [N, C, ${"S, ".repeat(rank).slice(0, -2)}], and weights of as many axes`);
  if (!(groups > 0) || O % groups !== 0 || C !== perGroup * groups)
    throw new ShapeError(`${C} channels in ${groups} groups do not fit weights ${typeOf(weight)}: [O, C/groups, …]`);
  if (bias !== undefined && !(isTensor(bias) && bias.shape.length === 1 && bias.shape[0] === O))
    throw new ShapeError(`the bias must be [${O}]`);
  const slices = slicesOf(x, windowsOf(S, K, options), 0);
  const T = slices[0].shape.slice(2);
  const columns = concat(
    slices.map((part) => reshape(part, [N, C, 1, sizeOf(T)])),
    2,
  );
  const inner = perGroup * sizeOf(K);
  const left = reshape(weight, [groups, O / groups, inner]);
  const y = reshape(matmul(left, reshape(columns, [N, groups, inner, sizeOf(T)])), [N, O, ...T]);
  return bias === undefined ? y : add(y, reshape(bias, [O, ...T.map(() => 1)]));
};

/** y[n, o, t] = Σ x[n, c, stride·t + dilation·k - padding]·w[o, c, k].  x: [N, C, S], w: [O, C/groups, K] → [N, O, T]. */
export const conv1d = checked(
  "conv1d",
  "tensor tensor {bias:tensor,stride:axes,padding,dilation:axes,groups:integer}?",
  (x: Tensor, weight: Tensor, options: ConvOptions = {}): Tensor => convolution(x, weight, options, 1),
);

/**
 * As `conv1d`, over two axes.  x: [N, C, H, W], w: [O, C/groups, K, L] → [N, O, H', W'].  Errors: ShapeError if channels or
 * windows do not fit, and for options of another name.
 * @example conv2d(ones([1, 1, 3, 3]), ones([1, 1, 2, 2])) // [[[[4, 4], [4, 4]]]]
 */
export const conv2d = checked(
  "conv2d",
  "tensor tensor {bias:tensor,stride:axes,padding,dilation:axes,groups:integer}?",
  (x: Tensor, weight: Tensor, options: ConvOptions = {}): Tensor => convolution(x, weight, options, 2),
);

/** How a pooling window moves; as torch's. */
export interface PoolOptions {
  /** How far one window lies from the next. Default: the window's size. */
  readonly stride?: PerAxis;
  /** Elements before and after each axis: -∞ for maxima, 0 for means, which count them. Default: 0. */
  readonly padding?: PerAxis | "same" | "valid";
}

const pooled = (
  x: Tensor,
  size: PerAxis,
  options: PoolOptions,
  rank: number,
  outside: number,
  combine: (parts: readonly Tensor[]) => Tensor,
): Tensor => {
  if (x.shape.length !== rank + 2) throw new ShapeError(`needs [N, C, ${"S, ".repeat(rank).slice(0, -2)}]`);
  return combine(slicesOf(x, windowsOf(x.shape.slice(2), size, { stride: size, ...options }), outside));
};
/** The first of equal ones has the gradient; NaN stays. */
const largestOf = (parts: readonly Tensor[]): Tensor =>
  parts.reduce((most, x) => where(or(less(most, x), isNan(x)), x, most));
const meanOf = (parts: readonly Tensor[]): Tensor =>
  div(
    parts.reduce((total, x) => add(total, x)),
    parts.length,
  );

/** The largest element under each window.  x: [N, C, S] → [N, C, T].  Of equal ones the first has the gradient. */
export const maxPool1d = checked(
  "maxPool1d",
  "tensor axes {stride:axes,padding}?",
  (x: Tensor, size: PerAxis, options: PoolOptions = {}): Tensor =>
    pooled(x, size, options, 1, Number.NEGATIVE_INFINITY, largestOf),
);
/** The largest element under each window.  x: [N, C, H, W] → [N, C, H', W'].  Of equal ones the first has the gradient. */
export const maxPool2d = checked(
  "maxPool2d",
  "tensor axes {stride:axes,padding}?",
  (x: Tensor, size: PerAxis, options: PoolOptions = {}): Tensor =>
    pooled(x, size, options, 2, Number.NEGATIVE_INFINITY, largestOf),
);
/** The mean under each window.  x: [N, C, S] → [N, C, T]. */
export const avgPool1d = checked(
  "avgPool1d",
  "tensor axes {stride:axes,padding}?",
  (x: Tensor, size: PerAxis, options: PoolOptions = {}): Tensor => pooled(x, size, options, 1, 0, meanOf),
);
/** The mean under each window.  x: [N, C, H, W] → [N, C, H', W']. */
export const avgPool2d = checked(
  "avgPool2d",
  "tensor axes {stride:axes,padding}?",
  (x: Tensor, size: PerAxis, options: PoolOptions = {}): Tensor => pooled(x, size, options, 2, 0, meanOf),
);
