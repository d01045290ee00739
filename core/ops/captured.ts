import { sizeOf } from "../shape.js";
import { reachable, type Tensor } from "../tensor.js";
import { broadcastTo } from "./broadcast.js";
import { reshape } from "./view.js";

/** The tensor that is a row of what is the same number everywhere, as cotangents of sums are: it need not be walked. */
export const evenRow = (row: Tensor, walked: Tensor): (readonly [Tensor, Tensor])[] => {
  let at = walked;
  while (at.op.name === "broadcastTo" || at.op.name === "reshape") at = at.inputs[0];
  return sizeOf(at.shape) === 1 && at !== walked ? [[row, broadcastTo(reshape(at, []), row.shape)]] : [];
};

const looks: ReadonlySet<string> = new Set(["broadcastTo", "reshape", "permute", "slice"]);
/** Is it another look at the same numbers, which costs nothing where it is read? Other views (concat, pad) make new memory. */
export const isLook = ({ op }: Tensor): boolean => looks.has(op.name);

/** Is it cheaper to make again in every step than to pass in: a constant, or an index, or a look at one? */
export const isFree = (t: Tensor): boolean => {
  let at = t;
  while (isLook(at)) at = at.inputs[0];
  return at.op.name === "constant" || at.op.name === "iota";
};

/** What a step sees of the graph around it: tensors that do not depend on what is its own, but are read with what does. */
export const capturedBy = (outputs: readonly Tensor[], own: readonly Tensor[]): Tensor[] => {
  const first = own.reduce((least, { id }) => Math.min(least, id), Number.POSITIVE_INFINITY);
  const depends = new Set(own);
  const captured = new Set<Tensor>();
  const see = (t: Tensor) => {
    if (!depends.has(t) && !isFree(t)) captured.add(t);
  };
  // What was there before a step's own inputs cannot depend on them.
  const order = reachable(outputs, { has: ({ id }) => id < first });
  for (const t of order) if (t.inputs.some((x) => depends.has(x))) depends.add(t);
  for (const t of order) if (depends.has(t)) t.inputs.forEach(see);
  outputs.forEach(see);
  return [...captured];
};
