import { type Op, type Shape, sameShape, type Tensor } from "../../core/index.js";
import { node } from "../../core/tensor.js";

/** The same op over other inputs, and for pointwise ops under another shape. */
export const remake = (t: Tensor, inputs: readonly Tensor[], shape: Shape = t.shape): Tensor =>
  sameShape(shape, t.shape) && inputs.every((x, i) => x === t.inputs[i])
    ? t
    : node(t.op, inputs, t.attrs, shape, t.dtype);

const copyOp: Op = { name: "copy", kind: "leaf" };

/** A fresh node that stands for a contiguous copy of t. */
export const standIn = (t: Tensor): Tensor => node(copyOp, [], {}, t.shape, t.dtype);
