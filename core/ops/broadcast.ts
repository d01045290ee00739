import { hostArray } from "../dtype.js";
import { ShapeError } from "../errors.js";
import { expects } from "../expects.js";
import { typeOf } from "../print.js";
import { checkShape, normalAxes, type Shape, sameShape, sizeOf, stridesOf } from "../shape.js";
import { node, type Op, type Tensor } from "../tensor.js";
import { widened } from "./cast.js";
import { readStrided } from "./strided.js";
import { reshape } from "./view.js";

// broadcastTo and sum are each other's gradient, so they lie in one file, and what reductions share with them.

const broadcastOp: Op = {
  name: "broadcastTo",
  kind: "view",
  evaluate: ([x], out) => {
    const lead = out.shape.length - x.shape.length;
    const own = stridesOf(x.shape);
    const strides = out.shape.map((_, i) => (i < lead || x.shape[i - lead] === 1 ? 0 : own[i - lead]));
    return readStrided(x, out.shape, strides, 0);
  },
  vjp: (ct, [x], out) => {
    const lead = out.shape.length - x.shape.length;
    const stretched = out.shape.flatMap((n, i) => (i < lead || (x.shape[i - lead] === 1 && n !== 1) ? [i] : []));
    return [reshape(sum(ct, stretched), x.shape)];
  },
  batch: ([{ x }], of, { size }) => {
    const lead = of.shape.length - (x.shape.length - 1);
    return broadcastTo(reshape(x, [size, ...of.shape.slice(0, lead).map(() => 1), ...x.shape.slice(1)]), [
      size,
      ...of.shape,
    ]);
  },
};

/**
 * Stretches axes of size 1 and adds leading axes (aligned right). Errors: ShapeError if another axis would change. [...S] →
 * [...shape].
 * @example broadcastTo(tensor([1, 2]), [2, 2]) // [[1, 2], [1, 2]]
 */
export const broadcastTo = (x: Tensor, shape: Shape): Tensor => {
  expects("broadcastTo", "tensor numbers", x, shape);
  checkShape(shape, () => `broadcastTo(${typeOf(x)}, [${shape}])`);
  const lead = shape.length - x.shape.length;
  if (lead < 0 || x.shape.some((n, i) => n !== shape[lead + i] && n !== 1))
    throw new ShapeError(
      `broadcastTo(${typeOf(x)}, [${shape}]): shapes do not align`,
      "axes align from the right; only axes of size 1 stretch",
    );
  return sameShape(x.shape, shape) ? x : node(broadcastOp, [x], {}, shape, x.dtype);
};

/** Every reduction, by the name that devices' tables use. */
export type ReduceName = "sum" | "max";

/** Shape with the reduced axes kept as 1: what the result must be reshaped to before it broadcasts back. */
const keptShape = (shape: Shape, axes: readonly number[]): Shape => shape.map((n, i) => (axes.includes(i) ? 1 : n));

interface Reduction {
  readonly start: number;
  readonly combine: (acc: number, x: number) => number;
  readonly vjp: Op["vjp"];
}

/** The record of a reduction: every reduction walks alike, and combines in its own way. */
export const reduceOp = (name: ReduceName, rule: Reduction): Op => ({
  name,
  kind: "reduce",
  vjp: rule.vjp,
  batch: ([{ x }], of) => {
    const axes = (of.attrs.axes as number[]).map((axis) => axis + 1);
    return reduce(of.op, x, axes, false);
  },
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
export const spread = (reduced: Tensor, x: Tensor, axes: readonly number[]): Tensor =>
  broadcastTo(reshape(reduced, keptShape(x.shape, axes)), x.shape);

const sumOp = reduceOp("sum", {
  start: 0,
  combine: (acc, x) => acc + x,
  vjp: (ct, [x], out) => [spread(ct, x, out.attrs.axes as number[])],
});

/** The node of a reduction; 16-bit floats are reduced as f32. Errors: ShapeError for an axis that x lacks, or a dtype that cannot be reduced. */
export const reduce = (
  op: Op,
  given: Tensor,
  axes: number | readonly number[] | undefined,
  keepAxes: boolean,
): Tensor => {
  expects(op.name, "tensor axes? flag", given, axes, keepAxes);
  const x = widened(given);
  const call = () => `${op.name}(${typeOf(x)}, [${axes ?? "all"}])`;
  const normal = normalAxes(axes, x.shape.length, call);
  if (x.dtype === "bool") throw new ShapeError(`${call()}: bool cannot be reduced`, 'cast it first: cast(x, "f32")');
  if (op.name === "max" && (x.dtype !== "f32" || normal.some((axis) => x.shape[axis] === 0)))
    throw new ShapeError(
      `${call()}: needs f32 and at least one element on every reduced axis`,
      x.dtype === "f32" ? undefined : 'convert with cast(x, "f32")',
    );
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

/**
 * Sum over axes (all of them by default); an empty axis gives 0. [...S] → S without the axes, or with 1 in their places
 * (`keepAxes`): [2, 3] over 1 is [2]. Errors: ShapeError for bools.
 * @example sum(tensor([[1, 2], [3, 4]]), 0) // [4, 6]
 */
export const sum = (x: Tensor, axes?: number | readonly number[], keepAxes = false): Tensor =>
  reduce(sumOp, x, axes, keepAxes);
