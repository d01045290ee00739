/** Elements by their index. Negative indices count from the end. No gradient flows to indices. */
import { checked } from "../core/expects.js";
import {
  add,
  cast,
  type DType,
  equal,
  gather,
  iota,
  less,
  mul,
  permute,
  reshape,
  ShapeError,
  sameShape,
  sizeOf,
  type Tensor,
  typeOf,
  where,
} from "../core/index.js";
import { normalAxis } from "../core/shape.js";

/** Indices from the end on as indices from the start on. */
const fromStart = (ids: Tensor, n: number): Tensor => {
  if (ids.dtype !== "i32") throw new ShapeError(`indices are ${ids.dtype}, not i32`, 'cast(x, "i32")');
  return where(less(ids, 0), add(ids, n), ids);
};

/** Bools are looked up as integers. */
const lookedUp = (x: Tensor, ids: Tensor): Tensor =>
  x.dtype === "bool" ? cast(gather(cast(x, "u32"), ids), "bool") : cast(gather(x, ids), x.dtype);

/**
 * Slices of x along an axis by index: x [...A, N, ...B], ids i32 [...S] → [...A, ...S, ...B]. An index outside gives zeros;
 * -1 is the last. Without an axis, of x flattened. Errors: ShapeError for an axis that x lacks.
 * @example take(tensor([[1, 2], [3, 4]]), tensor([1], undefined, "i32"), 0) // [[3, 4]]
 */
export const take = checked("take", "tensor tensor integer?", (x: Tensor, ids: Tensor, axis?: number): Tensor => {
  if (axis === undefined) return take(reshape(x, [sizeOf(x.shape)]), ids, 0);
  const at = normalAxis(axis, x.shape.length, `take(${typeOf(x)}, ${typeOf(ids)}, ${axis})`);
  const axes = x.shape.map((_, i) => i);
  const first = permute(x, [at, ...axes.filter((i) => i !== at)]);
  const rows = lookedUp(first, fromStart(ids, x.shape[at]));
  const added = ids.shape.map((_, i) => i);
  const rest = axes.slice(1).map((i) => i - 1 + added.length);
  return permute(rows, [...rest.slice(0, at), ...added, ...rest.slice(at)]);
});

/**
 * Elements of x along an axis, each by its own index: x [..., N, ...], ids i32 of x's shape but for that axis → ids' shape.
 * What `argsort` and `topk` give as indices fits. Errors: ShapeError where shapes differ on another axis.
 */
export const takeAlongAxis = checked(
  "takeAlongAxis",
  "tensor tensor integer",
  (x: Tensor, ids: Tensor, axis: number): Tensor => {
    const at = normalAxis(axis, x.shape.length, `takeAlongAxis(${typeOf(x)}, ${typeOf(ids)}, ${axis})`);
    const others = (y: Tensor) => y.shape.filter((_, i) => i !== at);
    if (ids.shape.length !== x.shape.length || !sameShape(others(x), others(ids)))
      throw new ShapeError(`indices ${typeOf(ids)} do not fit ${typeOf(x)}: only axis ${at} may differ`);
    const order = [...x.shape.keys()].filter((i) => i !== at);
    const [last, lastIds] = [x, ids].map((y) => permute(y, [...order, at]));
    const [n, rows] = [x.shape[at], sizeOf(others(x))];
    const count = ids.shape[at];
    const inRow = fromStart(reshape(lastIds, [rows, count]), n);
    // Outside a row is outside of all rows.
    const flat = where(less(inRow, 0), -1, where(less(inRow, n), add(inRow, mul(iota([rows, count], 0), n)), -1));
    const found = reshape(lookedUp(reshape(last, [rows * n]), flat), lastIds.shape);
    const back = x.shape.map((_, i) => (i < at ? i : i === at ? order.length : i - 1));
    return permute(found, back);
  },
);

/** Rows of a table by token: table [V, ...D], ids i32 [...S] → [...S, ...D]. An id outside 0 … V - 1 gives zeros. */
export const embedding = checked(
  "embedding",
  "tensor tensor",
  (table: Tensor, ids: Tensor): Tensor => gather(table, ids),
);

/**
 * 1 at the index and 0 elsewhere, on a new last axis: ids i32 [...S] → [...S, classes]. An index outside gives zeros. Errors:
 * ShapeError unless indices are i32.
 * @example oneHot(tensor([0, 2], undefined, "i32"), 3) // [[1, 0, 0], [0, 0, 1]]
 */
export const oneHot = checked(
  "oneHot",
  "tensor integer dtype?",
  (ids: Tensor, classes: number, dtype: DType = "f32"): Tensor => {
    if (ids.dtype !== "i32" && ids.dtype !== "u32") throw new ShapeError(`indices are ${ids.dtype}, not i32`);
    return cast(equal(reshape(ids, [...ids.shape, 1]), iota([classes], 0, ids.dtype)), dtype);
  },
);
