import { ShapeError } from "../../errors.js";
import { expects } from "../../expects.js";
import { callOf } from "../../print.js";
import { sameShape } from "../../shape.js";
import type { Tensor } from "../../tensor.js";
import { broadcastTo } from "../broadcast.js";
import { gather } from "../index-ops.js";
import { iota } from "../leaf.js";
import { add, and, equal, less, lessEqual, mul, sub, where } from "../pointwise.js";
import { reshape } from "../view.js";
import { fused } from "./fused.js";

const writeRowsOp = fused(
  "writeRows",
  ([table, rows, first]) => {
    const [B, S] = table.shape;
    const T = rows.shape[1];
    const start = broadcastTo(reshape(first, [B, 1]), [B, S]);
    const overRows = (mask: Tensor) => reshape(mask, [B, S, ...table.shape.slice(2).map(() => 1)]);
    if (T === 1) return where(overRows(equal(iota([1, S], 1), start)), rows, table);
    const at = sub(iota([B, S], 1), start);
    const isNew = and(lessEqual(0, at), less(at, T));
    const row = where(isNew, add(at, mul(iota([B, S], 0), T)), -1);
    return where(overRows(isNew), gather(reshape(rows, [B * T, ...rows.shape.slice(2)]), row), table);
  },
  { shapeOf: ([table]) => table.shape, batch: { along: "first" } },
);
/**
 * `table` [B, S, ...D] with `rows` [B, T, ...D] from row first[b] on (i32 [B]) in each of its B parts; what would lie outside of
 * 0 … S − 1 is dropped. Where the table is given away, a device may write the rows alone. Errors: ShapeError for other shapes
 * or dtypes.
 */
export const writeRows = (table: Tensor, rows: Tensor, first: Tensor): Tensor => {
  expects("writeRows", "tensor tensor tensor", table, rows, first);
  const [B, , ...D] = table.shape;
  const fits = rows.shape.length === table.shape.length && rows.shape[0] === B && sameShape(rows.shape.slice(2), D);
  if (table.shape.length < 2 || !fits || first.dtype !== "i32" || !sameShape(first.shape, [B]))
    throw new ShapeError(
      `${callOf("writeRows", [table, rows, first])}: needs a table [B,S,...], rows [B,T,...] and i32 first rows [B]`,
    );
  return writeRowsOp([table, rows, first], {});
};
