import { isFloating } from "../dtype.js";
import { ShapeError } from "../errors.js";
import { expects } from "../expects.js";
import { typeOf } from "../print.js";
import { normalAxes, sizeOf } from "../shape.js";
import type { Tensor } from "../tensor.js";
import { reduce, reduceOp, spread, sum } from "./broadcast.js";
import { cast } from "./cast.js";
import { div, equal, mul } from "./pointwise.js";

const maxOp = reduceOp("max", {
  start: Number.NEGATIVE_INFINITY,
  combine: (acc, x) => (Number.isNaN(acc) || Number.isNaN(x) ? Number.NaN : Math.max(acc, x)),
  // Ties share the cotangent evenly, so that the rule is symmetric in the elements.
  vjp: (ct, [x], out) => {
    const axes = out.attrs.axes as number[];
    const hit = cast(equal(x, spread(out, x, axes)), "f32");
    return [mul(spread(div(ct, sum(hit, axes)), x, axes), hit)];
  },
});

/**
 * Maximum over axes. Errors: ShapeError if a reduced axis is empty. [...S] → S without the axes, or with 1 in their places
 * (`keepAxes`): [2, 3] over 1 is [2].
 * @example max(tensor([[1, 2], [4, 3]]), 1) // [2, 4]
 */
export const max = (x: Tensor, axes?: number | readonly number[], keepAxes = false): Tensor =>
  reduce(maxOp, x, axes, keepAxes);

/**
 * Mean over axes (all of them by default). f32 [...S] → S without the axes, or with 1 in their places (`keepAxes`): [2, 3] over
 * 1 is [2]. Errors: ShapeError unless f32.
 * @example mean(tensor([[1, 2], [3, 4]])) // 2.5
 */
export const mean = (x: Tensor, axes?: number | readonly number[], keepAxes = false): Tensor => {
  expects("mean", "tensor axes? flag", x, axes, keepAxes);
  if (!isFloating(x.dtype)) throw new ShapeError(`mean(${typeOf(x)}): needs f32`, 'cast(x, "f32")');
  const normal = normalAxes(axes, x.shape.length, () => `mean(${typeOf(x)})`);
  return div(sum(x, normal, keepAxes), sizeOf(normal.map((axis) => x.shape[axis])));
};
