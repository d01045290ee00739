import type { DType } from "../dtype.js";
import type { Shape } from "../shape.js";
import { node, type Op, type Tensor } from "../tensor.js";

// An op with several results is one node that nothing reads but `part`, which gives one of them.

/** One of the results of an op that has several. */
export const partOp: Op = { name: "part", kind: "part" };

/** Several tensors as one node: what an op with several results expands to. */
const tupleOp: Op = { name: "tuple", kind: "part" };
export const tuple = (parts: readonly Tensor[]): Tensor => node(tupleOp, parts, {}, [], "f32");

/** Result `index` of a node with several, of the shape and dtype that it has. */
export const part = (
  of: Tensor,
  index: number,
  { shape, dtype }: { readonly shape: Shape; readonly dtype: DType },
): Tensor => (of.op === tupleOp ? of.inputs[index] : node(partOp, [of], { index }, shape, dtype));

/** The tensors of a tuple, if it is one. */
export const partsIn = (t: Tensor): readonly Tensor[] | undefined => (t.op === tupleOp ? t.inputs : undefined);

/** What a part is, where its node has become a tuple. */
export const resolved = (t: Tensor, [of]: readonly Tensor[]): Tensor | undefined =>
  of.op === tupleOp ? of.inputs[indexOf(t)] : undefined;

/** Which result a part is. */
export const indexOf = (t: Tensor): number => t.attrs.index as number;
