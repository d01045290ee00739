/** One number of many: over axes (one, several, or all of them by default); `keepAxes` keeps these as axes of size 1. */
import { checked } from "../core/expects.js";
import {
  abs,
  add,
  cast,
  concat,
  div,
  equal,
  iota,
  less,
  max,
  mean,
  mul,
  neg,
  not,
  ones,
  or,
  permute,
  reshape,
  ShapeError,
  sizeOf,
  sliceAxis,
  sqrt,
  square,
  sub,
  sum,
  type Tensor,
  type TensorLike,
  typeOf,
  where,
} from "../core/index.js";
import { widened } from "../core/ops/cast.js";
import { normalAxes, normalAxis } from "../core/shape.js";
import { isNaN as isNan, pow } from "./element.js";

type Axes = number | readonly number[];

/**
 * Minimum over axes; equal elements share the gradient. Errors: ShapeError if a reduced axis is empty, or x is no f32. f32
 * [...S] → S without the axes, or with 1 in their places (`keepAxes`): [2, 3] over 1 is [2].
 */
export const min = checked(
  "min",
  "tensor axes? flag?",
  (x: Tensor, axes?: Axes, keepAxes = false): Tensor => neg(max(neg(x), axes, keepAxes)),
);

/** Whole numbers up to here are exact in f32, as positions are compared. */
const MOST = 2 ** 24;

/**
 * Where the largest element of an axis is: i32; the first of equal ones, or the first NaN, as in NumPy. Without an axis, of x
 * flattened. f32 only. Errors: ShapeError for an axis of more than 2²⁴ elements, or none.
 * @example argmax(tensor([[1, 3, 2], [4, 0, 4]]), 1) // i32 [1, 0]
 */
export const argmax = checked(
  "argmax",
  "tensor integer? flag?",
  (x: Tensor, axis?: number, keepAxis = false): Tensor => {
    if (axis === undefined) {
      const place = argmax(reshape(x, [sizeOf(x.shape)]), 0);
      return keepAxis
        ? reshape(
            place,
            x.shape.map(() => 1),
          )
        : place;
    }
    const at = normalAxis(axis, x.shape.length, `argmax(${typeOf(x)}, ${axis})`);
    if (x.shape[at] > MOST) throw new ShapeError(`axis ${at} has ${x.shape[at]} elements, more than 2^24`);
    const hit = or(equal(x, max(x, at, true)), isNan(x));
    const place = neg(iota(x.shape, at, "f32"));
    return cast(neg(max(where(hit, place, -MOST), at, keepAxis)), "i32");
  },
);

/** Where the smallest element of an axis is: as `argmax`. f32 [..., N, ...] → i32, the shape without the axis. */
export const argmin = checked(
  "argmin",
  "tensor integer? flag?",
  (x: Tensor, axis?: number, keepAxis = false): Tensor => argmax(neg(x), axis, keepAxis),
);

/**
 * Mean square distance from the mean, over axes: Σ(x - mean)²/(n - ddof). ddof is 0 as in NumPy; torch's default is 1.
 * Also exported as `var`, which no import can name. f32 [...S] → S without the axes, or with 1 in their places. Errors:
 * ShapeError for axes that x lacks.
 */
export const variance = checked(
  "variance",
  "tensor axes? {ddof:number,keepAxes:flag}?",
  (x: Tensor, axes?: Axes, options: { readonly ddof?: number; readonly keepAxes?: boolean } = {}): Tensor => {
    const { ddof = 0, keepAxes = false } = options;
    const normal = normalAxes(axes, x.shape.length, `variance(${typeOf(x)})`);
    const total = sum(square(sub(x, mean(x, normal, true))), normal, keepAxes);
    return div(total, sizeOf(normal.map((axis) => x.shape[axis])) - ddof);
  },
);

/**
 * √variance, over axes. The gradient is not finite where all elements are equal. f32 [...S] → S without the axes, or with 1 in
 * their places.
 * @example std(tensor([1, 3])) // 1
 */
export const std = checked(
  "std",
  "tensor axes? {ddof:number,keepAxes:flag}?",
  (x: Tensor, axes?: Axes, options: { readonly ddof?: number; readonly keepAxes?: boolean } = {}): Tensor =>
    sqrt(variance(x, axes, options)),
);

/**
 * Length of x as a vector, over axes: (Σ|x|ᵖ)^(1/p). `order` p is 2 unless told; ∞ and -∞ take the largest and smallest |x|,
 * 0 counts what is not 0. As in JAX, the gradient is not finite where x is 0 and p = 2. f32 [...S] → S without the axes, or
 * with 1 in their places.
 * @example norm(tensor([3, 4])) // 5
 */
export const norm = checked(
  "norm",
  "tensor axes? {order:number,keepAxes:flag}?",
  (x: Tensor, axes?: Axes, options: { readonly order?: number; readonly keepAxes?: boolean } = {}): Tensor => {
    const { order = 2, keepAxes = false } = options;
    const size = abs(x);
    if (order === 2) return sqrt(sum(square(x), axes, keepAxes));
    if (order === 1) return sum(size, axes, keepAxes);
    if (order === Number.POSITIVE_INFINITY) return max(size, axes, keepAxes);
    if (order === Number.NEGATIVE_INFINITY) return min(size, axes, keepAxes);
    if (order === 0) return sum(cast(not(equal(x, 0)), "f32"), axes, keepAxes);
    return pow(sum(pow(size, order), axes, keepAxes), 1 / order);
  },
);

/**
 * Product over axes; of none 1. Halves are multiplied, so that the gradient is right where elements are 0. [...S] → S without
 * the axes, or with 1 in their places. Errors: ShapeError for axes that x lacks.
 */
export const prod = checked("prod", "tensor axes? flag?", (given: Tensor, axes?: Axes, keepAxes = false): Tensor => {
  const x = widened(given);
  const normal = normalAxes(axes, x.shape.length, `prod(${typeOf(x)})`);
  const kept = [...x.shape.keys()].filter((axis) => !normal.includes(axis));
  const shape = kept.map((axis) => x.shape[axis]);
  let y = reshape(permute(x, [...kept, ...normal]), [...shape, sizeOf(normal.map((axis) => x.shape[axis]))]);
  const last = kept.length;
  const one = () => ones([...shape, 1], x.dtype);
  while (y.shape[last] !== 1) {
    if (y.shape[last] % 2 === 1 || y.shape[last] === 0) y = concat([y, one()], last);
    const half = y.shape[last] / 2;
    y = half < 1 ? y : mul(sliceAxis(y, last, 0, half), sliceAxis(y, last, half, 2 * half));
  }
  return reshape(y, keepAxes ? x.shape.map((n, i) => (normal.includes(i) ? 1 : n)) : shape);
});

/** How many elements are not 0 (NaN is not), over axes: i32. [...S] → S without the axes, or with 1 in their places. */
export const countNonzero = checked(
  "countNonzero",
  "tensor axes? flag?",
  (x: Tensor, axes?: Axes, keepAxes = false): Tensor => sum(cast(cast(x, "bool"), "i32"), axes, keepAxes),
);

/** Is any element true, or not 0?  bool, over axes; of none false. [...S] → S without the axes, or with 1 in their places. */
export const any = checked(
  "any",
  "tensor axes? flag?",
  (x: Tensor, axes?: Axes, keepAxes = false): Tensor => less(0, countNonzero(x, axes, keepAxes)),
);

/** Are all elements true, or not 0?  bool, over axes; of none true. [...S] → S without the axes, or with 1 in their places. */
export const all = checked(
  "all",
  "tensor axes? flag?",
  (x: Tensor, axes?: Axes, keepAxes = false): Tensor => not(any(not(cast(x, "bool")), axes, keepAxes)),
);

/**
 * Is each element of x nearer to y's than absolute + relative·|y|?  bool, shapes broadcast. NaN is near nothing. [...S], [...S]
 * → [...S].
 */
export const isClose = checked(
  "isClose",
  "operand tensor number? number?",
  (x: TensorLike, y: Tensor, relative = 1e-5, absolute = 1e-8): Tensor =>
    or(equal(x, y), less(abs(sub(x, y)), add(absolute, mul(relative, abs(y))))),
);

/** Are all elements of x and y near each other, as `isClose` has it?  bool [] */
export const allClose = checked(
  "allClose",
  "operand tensor number? number?",
  (x: TensorLike, y: Tensor, relative = 1e-5, absolute = 1e-8): Tensor => all(isClose(x, y, relative, absolute)),
);

export { variance as var };
