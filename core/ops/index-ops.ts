import { type HostData, hostArray } from "../dtype.js";
import { ShapeError } from "../errors.js";
import { expects } from "../expects.js";
import { callOf, typeOf } from "../print.js";
import { checkShape, sameShape, sizeOf } from "../shape.js";
import { type Batched, type Batching, node, type Op, type Tensor } from "../tensor.js";
import { widened } from "./cast.js";
import { iota } from "./leaf.js";
import { add, and, less, lessEqual, mul, where } from "./pointwise.js";
import { reshape } from "./view.js";

const gatherOp: Op = {
  name: "gather",
  kind: "index",
  evaluate: ([table, ids], out) => {
    const width = sizeOf(table.shape.slice(1));
    const data = hostArray(table.dtype, sizeOf(out.shape));
    for (let i = 0; i < ids.data.length; i++) {
      const row = ids.data[i];
      if (row < 0 || row >= table.shape[0]) continue;
      for (let j = 0; j < width; j++) data[i * width + j] = table.data[row * width + j];
    }
    return data;
  },
  vjp: (ct, [table, ids]) => [scatterAdd(ids, ct, table.shape[0]), null],
  batch: ([table, ids], of, batching) => {
    if (!table.isBatched) return gather(table.x, ids.x);
    const [rows, ...width] = of.inputs[0].shape;
    return gather(reshape(table.x, [batching.size * rows, ...width]), idsOfAll(ids, rows, batching));
  },
};

/** Ids of rows of a batch's tables, or results, that lie one after the other; outside of them where they were outside of one. */
const idsOfAll = (ids: Batched, rows: number, { size, each }: Batching): Tensor => {
  const all = each(ids);
  const example = reshape(iota([size]), [size, ...all.shape.slice(1).map(() => 1)]);
  return where(and(lessEqual(0, all), less(all, rows)), add(all, mul(example, rows)), -1);
};

/**
 * Rows of a table: table [N, ...D], ids i32 [...S] → [...S, ...D], f32 from a table of bf16 or f16. An id outside 0 … N-1 gives zeros on every device
 * (host code that takes ids from users checks them first). Errors: ShapeError unless the table has rows and ids are i32.
 * @example gather(tensor([[1, 2], [3, 4]]), tensor([1, 1], undefined, "i32")) // [[3, 4], [3, 4]]
 */
export const gather = (table: Tensor, ids: Tensor): Tensor => {
  expects("gather", "tensor tensor", table, ids);
  if (ids.dtype !== "i32" || table.shape.length < 1)
    throw new ShapeError(`${callOf("gather", [table, ids])}: needs a table with rows and i32 ids`);
  const rows = widened(table);
  return node(gatherOp, [rows, ids], {}, [...ids.shape, ...table.shape.slice(1)], rows.dtype);
};

const scatterAddOp: Op = {
  name: "scatterAdd",
  kind: "index",
  evaluate: ([ids, updates], out) => {
    const width = sizeOf(out.shape.slice(1));
    const data = hostArray("f32", sizeOf(out.shape));
    for (let i = 0; i < ids.data.length; i++) {
      const row = ids.data[i];
      if (row < 0 || row >= out.shape[0]) continue;
      for (let j = 0; j < width; j++) data[row * width + j] += updates.data[i * width + j];
    }
    return data;
  },
  vjp: (ct, [ids]) => [null, gather(ct, ids)],
  batch: ([ids, updates], of, batching) => scatterAll(ids, updates, of, batching),
};

const scatterAll = (ids: Batched, updates: Batched, { shape }: Tensor, batching: Batching): Tensor => {
  const [rows] = shape;
  const all = scatterAdd(idsOfAll(ids, rows, batching), batching.each(updates), batching.size * rows);
  return reshape(all, [batching.size, ...shape]);
};

/**
 * Zeros [N, ...D] with updates [...S, ...D] added at rows ids i32 [...S]; ids outside are dropped. Gather's transpose. Errors:
 * ShapeError unless updates begin with the axes of ids, f32 and i32.
 */
export const scatterAdd = (ids: Tensor, given: Tensor, rows: number): Tensor => {
  expects("scatterAdd", "tensor tensor number", ids, given, rows);
  const updates = widened(given);
  const rank = ids.shape.length;
  if (ids.dtype !== "i32" || updates.dtype !== "f32" || ids.shape.some((n, i) => n !== updates.shape[i]))
    throw new ShapeError(
      `${callOf("scatterAdd", [ids, updates])}: updates must start with the axes of ids, f32 and i32`,
    );
  checkShape([rows], `scatterAdd(${typeOf(ids)}, ${typeOf(updates)}, ${rows})`);
  return node(scatterAddOp, [ids, updates], {}, [rows, ...updates.shape.slice(rank)], "f32");
};

const addRowsOp: Op = {
  name: "addRows",
  kind: "index",
  evaluate: ([table, ids, updates], out) => {
    const added = scatterAddOp.evaluate?.([ids, updates], out) as HostData;
    return added.map((x, i) => table.data[i] + x) as HostData;
  },
  expand: ({ shape }, [table, ids, updates]) => add(table, scatterAdd(ids, updates, shape[0])),
  vjp: (ct, [, ids]) => [ct, null, gather(ct, ids)],
  batch: ([table, ids, updates], of, batching) =>
    add(
      batching.each(table),
      ids.isBatched || updates.isBatched
        ? scatterAll(ids, updates, of, batching)
        : scatterAdd(ids.x, updates.x, of.shape[0]),
    ),
};

/**
 * `table` [N, ...D] with the sums of updates [...S, ...D] added at rows ids i32 [...S]; ids outside are dropped: a table, plus
 * `scatterAdd`. Where the table is given away, a device may touch those rows alone. Errors: ShapeError unless the table is f32
 * and updates are rows of it.
 */
export const addRows = (given: Tensor, ids: Tensor, updates: Tensor): Tensor => {
  expects("addRows", "tensor tensor tensor", given, ids, updates);
  const table = widened(given);
  const added = scatterAdd(ids, updates, table.shape[0] ?? 0);
  if (table.dtype !== "f32" || !sameShape(table.shape, added.shape))
    throw new ShapeError(
      `${callOf("addRows", [table, ids, updates])}: needs an f32 table [N, …] and updates of its rows`,
    );
  return node(addRowsOp, [table, ...added.inputs], {}, table.shape, "f32");
};
