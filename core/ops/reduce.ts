import { hostArray } from "../dtype.js";
import { ShapeError } from "../errors.js";
import { typeOf } from "../print.js";
import { normalAxes, type Shape, sizeOf, stridesOf } from "../shape.js";
import { node, type Op, type Tensor } from "../tensor.js";
import { cast, div, equal, mul } from "./pointwise.js";
import { broadcastTo, reshape } from "./view.js";

export type ReduceName = "sum" | "max";

/** Shape with the reduced axes kept as 1: what the result must be reshaped to before it broadcasts back. */
const keptShape = (shape: Shape, axes: readonly number[]): Shape => shape.map((n, i) => (axes.includes(i) ? 1 : n));

interface Reduction {
  readonly start: number;
  readonly combine: (acc: number, x: number) => number;
  readonly vjp: Op["vjp"];
}

const reduceOp = (name: ReduceName, rule: Reduction): Op => ({
  name,
  kind: "reduce",
  vjp: rule.vjp,
  evaluate: ([x], out) => {
    const axes = out.attrs.axes as number[];
    const data = hostArray(out.dtype, sizeOf(out.shape)).fill(rule.start);
    const kept = stridesOf(keptShape(x.shape, axes)).map((stride, i) => (axes.includes(i) ? 0 : stride));
    const own = stridesOf(x.shape);
    for (let i = 0; i < x.data.length; i++) {
      let at = 0;
      for (let axis = 0; axis < own.length; axis++) at += (Math.floor(i / own[axis]) % x.shape[axis]) * kept[axis];
      data[at] = rule.combine(data[at], x.data[i]);
    }
    return data;
  },
});

/** Brings a reduced tensor back to x's shape. */
const spread = (reduced: Tensor, x: Tensor, axes: readonly number[]): Tensor =>
  broadcastTo(reshape(reduced, keptShape(x.shape, axes)), x.shape);

const sumOp = reduceOp("sum", {
  start: 0,
  combine: (acc, x) => acc + x,
  vjp: (ct, [x], out) => [spread(ct, x, out.attrs.axes as number[])],
});

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

const reduce = (op: Op, x: Tensor, axes: number | readonly number[] | undefined, keepAxes: boolean): Tensor => {
  const call = `${op.name}(${typeOf(x)}, [${axes ?? "all"}])`;
  const normal = normalAxes(axes, x.shape.length, call);
  if (x.dtype === "bool") throw new ShapeError(`${call}: bool cannot be reduced`, 'cast it first: cast(x, "f32")');
  if (op === maxOp && (x.dtype !== "f32" || normal.some((axis) => x.shape[axis] === 0)))
    throw new ShapeError(`${call}: needs f32 and at least one element on every reduced axis`);
  const out =
    normal.length === 0
      ? x
      : node(
          op,
          [x],
          { axes: normal },
          x.shape.filter((_, i) => !normal.includes(i)),
          x.dtype,
        );
  return keepAxes ? reshape(out, keptShape(x.shape, normal)) : out;
};

/** Sum over axes (all of them by default); an empty axis gives 0. */
export const sum = (x: Tensor, axes?: number | readonly number[], keepAxes = false): Tensor =>
  reduce(sumOp, x, axes, keepAxes);

/** Maximum over axes. Errors: ShapeError if a reduced axis is empty. */
export const max = (x: Tensor, axes?: number | readonly number[], keepAxes = false): Tensor =>
  reduce(maxOp, x, axes, keepAxes);

/** Mean over axes (all of them by default). */
export const mean = (x: Tensor, axes?: number | readonly number[], keepAxes = false): Tensor => {
  const normal = normalAxes(axes, x.shape.length, `mean(${typeOf(x)})`);
  return div(sum(x, normal, keepAxes), sizeOf(normal.map((axis) => x.shape[axis])));
};
