import { isHalf, type Tensor } from "../../../core/index.js";
import { type Access, isSeenThrough, isWhole } from "./access.js";
import { contiguous, isContiguous, type Strided, sliceView } from "./strided.js";

/** Where the parts of a concat lie in it. */
export const regionsOf = (t: Tensor): Strided[] => {
  const axis = t.attrs.axis as number;
  let at = 0;
  return t.inputs.map((part) => {
    const starts = t.shape.map((_, i) => (i === axis ? at : 0));
    at += part.shape[axis];
    return sliceView(contiguous(t.shape), starts, part.shape);
  });
};

/** Is it computed by a step that may write anywhere, as long as it writes its numbers one after the other? */
const isComputed = (t: Tensor): boolean =>
  ["reduce", "matmul", "index", "fused"].includes(t.op.kind) || (t.op.kind === "pointwise" && t.op.name !== "iota");

/**
 * Values that are computed into the concat that alone reads them, so that nothing copies them there: for each the concat, and where
 * in it the value begins. `order` holds what every result needs; pointwise values are in `written` if a step of their own writes them.
 */
export const homesOf = (
  order: readonly Tensor[],
  results: ReadonlySet<Tensor>,
  access: (t: Tensor) => Access,
  written: ReadonlySet<Tensor>,
): ReadonlyMap<Tensor, Access> => {
  const uses = new Map<Tensor, number>();
  for (const t of order) for (const x of t.inputs) uses.set(x, (uses.get(x) ?? 0) + 1);
  const isReadOnce = (x: Tensor): boolean => uses.get(x) === 1 && !results.has(x);
  const homes = new Map<Tensor, Access>();
  for (const t of order) {
    if (t.op.name !== "concat" || isHalf(t.dtype)) continue;
    regionsOf(t).forEach((region, i) => {
      let part = t.inputs[i];
      if (!isContiguous(region)) return;
      const seen = access(part);
      while (isReadOnce(part) && isSeenThrough(part) && part !== seen.base) part = part.inputs[0];
      const isOwn = part === seen.base && isReadOnce(part) && isWhole(seen) && part.dtype === t.dtype;
      if (!isOwn || !isComputed(part) || (part.op.kind === "pointwise" && !written.has(part))) return;
      homes.set(part, { base: t, view: { ...contiguous(part.shape), offset: region.offset } });
    });
  }
  return homes;
};
