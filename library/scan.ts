/** Running results along an axis, in ⌈log₂ n⌉ steps of whole tensors (Hillis & Steele 1986), so that errors grow as log n. */
import { checked } from "../core/expects.js";
import {
  add,
  concat,
  type DType,
  full,
  maximum,
  minimum,
  mul,
  reshape,
  sizeOf,
  sliceAxis,
  sub,
  type Tensor,
  typeOf,
} from "../core/index.js";
import { normalAxis } from "../core/shape.js";

/** After step k each element holds what the 2ᵏ elements up to it make. */
const running = (
  name: string,
  combine: (earlier: Tensor, later: Tensor) => Tensor,
  neutral: (dtype: DType) => number,
  x: Tensor,
  axis: number | undefined,
): Tensor => {
  if (axis === undefined) return running(name, combine, neutral, reshape(x, [sizeOf(x.shape)]), 0);
  const at = normalAxis(axis, x.shape.length, `${name}(${typeOf(x)}, ${axis})`);
  const n = x.shape[at];
  let y = x;
  for (let reach = 1; reach < n; reach *= 2) {
    const lead = x.shape.map((size, i) => (i === at ? reach : size));
    y = combine(concat([full(lead, neutral(y.dtype), y.dtype), sliceAxis(y, at, 0, n - reach)], at), y);
  }
  return y;
};
const lowest = (dtype: DType): number =>
  dtype === "i32" ? -(2 ** 31) : dtype === "u32" ? 0 : Number.NEGATIVE_INFINITY;
const highest = (dtype: DType): number =>
  dtype === "i32" ? 2 ** 31 - 1 : dtype === "u32" ? 2 ** 32 - 1 : Number.POSITIVE_INFINITY;

/**
 * Sums of the elements up to each, along an axis; without one, of x flattened. Integers wrap.
 * @example cumsum(tensor([1, 2, 3])) // [1, 3, 6]
 */
export const cumsum = checked(
  "cumsum",
  "tensor integer?",
  (x: Tensor, axis?: number): Tensor => running("cumsum", add, () => 0, x, axis),
);
/**
 * Products of the elements up to each. The gradient is right where elements are 0. [...S] → [...S]; without an axis, of x
 * flattened.
 */
export const cumprod = checked(
  "cumprod",
  "tensor integer?",
  (x: Tensor, axis?: number): Tensor => running("cumprod", mul, () => 1, x, axis),
);
/** The largest of the elements up to each. [...S] → [...S]; without an axis, of x flattened. */
export const cummax = checked(
  "cummax",
  "tensor integer?",
  (x: Tensor, axis?: number): Tensor => running("cummax", maximum, lowest, x, axis),
);
/** The smallest of the elements up to each. [...S] → [...S]; without an axis, of x flattened. */
export const cummin = checked(
  "cummin",
  "tensor integer?",
  (x: Tensor, axis?: number): Tensor => running("cummin", minimum, highest, x, axis),
);
/**
 * Differences of neighbours along an axis (the last by default), one fewer than there are elements. [..., N, ...] → [..., N -
 * 1, ...]. Errors: ShapeError for an axis that x lacks.
 */
export const diff = checked("diff", "tensor integer?", (x: Tensor, axis = -1): Tensor => {
  const n = x.shape[normalAxis(axis, x.shape.length, `diff(${typeOf(x)}, ${axis})`)];
  return sub(sliceAxis(x, axis, Math.min(1, n), n), sliceAxis(x, axis, 0, Math.max(0, n - 1)));
});
