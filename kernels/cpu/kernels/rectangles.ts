import { bytesOf, type DType } from "../../../core/index.js";
import type { View } from "../../plan/steps.js";
import { blocksFor, cut, fixedKernel, type Launch, moved, type Range, type Word } from "../launch.js";
import type { I32 } from "../wasm/expression.js";
import type { Body, Local } from "../wasm/module.js";
import { i32, select, times4 } from "../wasm/ops.js";
import { packMatrix } from "./pack.js";
import { heightOf, PANEL_BYTES, TILE, tileProduct } from "./tiles.js";

/** Depth, columns and rows of a block: a panel of b [DEPTH, 8] stays in L1, a block of b in L2. Rows are whole tiles, of either height. */
export const DEPTH = 256;
export const COLUMNS = 512;
export const ROWS = 72;
/** Bytes that the rows of a block take, packed; in each line of so many floats there is a number of each row. */
const LINE = ROWS + 16;
export const PACKED_BYTES = 4 * LINE * DEPTH;
/** Floating-point operations a nanosecond. */
export const FLOPS = 40;

/** A matrix of a batch: strides in elements of its dtype. */
export interface Matrix {
  readonly view: View;
  readonly dtype: DType;
  readonly row: number;
  readonly column: number;
}

export const min = (body: Body, a: I32, limit: number): Local<"i32"> => {
  const value = body.let(a);
  body.set(value, select(value, i32.const(limit), i32.lt_s(value, i32.const(limit))));
  return value;
};

/** Packs some rows of b [k, n], or all of them, as panels [k, 8] of f32, `next` bytes from one to the next. */
const panels = (dtype: DType) =>
  fixedKernel(`matmul panels ${dtype}`, ["b", "to", "n", "k", "bRow", "bColumn", "next"], (body, arg) => {
    const { n, k, bRow, bColumn, next } = arg;
    const pack = packMatrix(body.module, dtype);
    const from = body.local("i32");
    const to = body.local("i32");
    // A few rows at a time: a line of the cache is read once, though it belongs to several panels.
    body.range(0, k, PACKED_ROWS, (k0) => {
      const depth = min(body, i32.sub(k, k0), PACKED_ROWS);
      body.set(from, i32.add(arg.b, i32.mul(k0, bRow)));
      body.set(to, i32.add(arg.to, i32.mul(k0, i32.const(PANEL_BYTES))));
      body.range(0, n, TILE.columns, (j) => {
        const width = min(body, i32.sub(n, j), TILE.columns);
        body.run(pack, from, bRow, bColumn, to, i32.const(PANEL_BYTES), depth, width, i32.const(TILE.columns));
        body.advance(from, i32.mul(bColumn, i32.const(TILE.columns)));
        body.advance(to, next);
      });
    });
  });

const rectangleWords = ["a", "panels", "c", "m", "n", "k", "aRow", "aColumn", "cRow", "scratchA"] as const;
/**
 * A rectangle of c from b's panels. Where tiles are no taller for it, or c is narrow, rows of a are read where they lie if they
 * are contiguous and f32.
 */
const rectangle = (dtype: DType) =>
  fixedKernel(`matmul rectangle ${dtype}`, rectangleWords, (body, arg) => {
    const { a, c, m, n, k, aRow, aColumn, cRow, scratchA } = arg;
    const tiles = tileProduct(body.module, "columns");
    const pack = packMatrix(body.module, dtype);
    const isTall = heightOf(body.module) > TILE.rows;
    const next = body.let(i32.mul(k, i32.const(PANEL_BYTES)));
    // Not all rows of a tall one for each depth: what is summed up would leave the cache meanwhile.
    body.range(0, m, GROUP, (g0) => {
      const rows = min(body, i32.sub(m, g0), GROUP);
      body.range(0, k, DEPTH, (k0) => {
        const depth = min(body, i32.sub(k, k0), DEPTH);
        const adds = body.let(i32.gt_s(k0, i32.const(0)));
        body.range(0, rows, ROWS, (m0) => {
          const height = min(body, i32.sub(rows, m0), ROWS);
          const aNow = body.let(i32.add(a, i32.add(i32.mul(m0, aRow), i32.mul(k0, aColumn))));
          const bNow = i32.add(arg.panels, i32.mul(k0, i32.const(PANEL_BYTES)));
          const cNow = i32.add(c, i32.mul(m0, cRow));
          const stride = i32.const(PANEL_BYTES);
          const rest = [bNow, stride, next, cNow, cRow, height, n, depth, adds];
          const packed = () => {
            // Close together: large strides would meet in a few sets of the cache. What is no whole four of rows is slower to pack.
            const line = i32.const(4 * LINE);
            const most = body.let(i32.and(height, i32.const(-4)));
            body.run(pack, aNow, aColumn, aRow, scratchA, line, depth, most, most);
            const others = body.let(i32.sub(height, most));
            body.if(others, () => {
              const to = i32.add(scratchA, times4(most));
              const from = i32.add(aNow, i32.mul(most, aRow));
              body.run(pack, from, aColumn, aRow, to, line, depth, others, i32.const(4));
            });
            body.run(tileProduct(body.module, "rows"), scratchA, line, ...rest);
          };
          const isRow = i32.eq(aColumn, i32.const(4));
          const readsRows = isTall ? i32.and(isRow, i32.lt_s(n, i32.const(WIDE))) : isRow;
          if (dtype === "f32") body.if(readsRows, () => body.run(tiles, aNow, aRow, ...rest), packed);
          else packed();
        });
      });
      body.advance(a, i32.mul(aRow, i32.const(GROUP)));
      body.advance(c, i32.mul(cRow, i32.const(GROUP)));
    });
  });

/** Rows of a rectangle that all depths are gone through for. */
const GROUP = 2 * ROWS;
/** Columns from which on packing a for taller tiles pays. */
const WIDE = 64;
/** Rows of b that are packed together. */
const PACKED_ROWS = 16;
/** Rows of a rectangle are a multiple of so many, where there are enough. */
const UNIT = 12;
/** Rows and columns of a rectangle of the product, where there is enough of it. */
const RECTANGLE = { rows: 128, columns: 512 } as const;
/** Bytes of b that are packed at a time. */
const MOST_PACKED = 2 ** 25;

interface Placed extends Matrix {
  readonly start: Word;
}
interface Sizes {
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

/** A large product: all of b packed, then one rectangle of c after the other; both cut in blocks. */
export const inRectangles = (a: Placed, b: Placed, to: Word, { m, n, k }: Sizes): Launch[] => {
  const slab = Math.max(TILE.columns, Math.floor(MOST_PACKED / (4 * k) / TILE.columns) * TILE.columns);
  return cut(n, Math.ceil(n / slab), TILE.columns).flatMap((columns): Launch[] => {
    const common = 4 * k * (Math.ceil(columns.size / TILE.columns) * TILE.columns + TILE.columns);
    const count = blocksFor((2 * m * columns.size * k) / FLOPS);
    const [height, width] = rectangleOf(m, columns.size, count);
    // Cut along the rows where they are what is contiguous, so that they are read as they lie.
    const byRows = b.column === 1;
    const packed = cut(byRows ? k : columns.size, blocksFor(columns.size * k), byRows ? PACKED_ROWS : TILE.columns).map(
      ({ from, size }): Word[] => [
        moved(b.start, columns.from * b.column + from * (byRows ? b.row : b.column), bytesOf(b.dtype)),
        { common: byRows ? PANEL_BYTES * from : 4 * k * from },
        ...(byRows ? [columns.size, size] : [size, k]),
        bytesOf(b.dtype) * b.row,
        bytesOf(b.dtype) * b.column,
        PANEL_BYTES * k,
      ],
    );
    const rows = cut(m, Math.ceil(m / height), UNIT);
    const rectangles = rows.flatMap((row) =>
      cut(columns.size, Math.ceil(columns.size / width), TILE.columns).map((column: Range): Word[] => [
        moved(a.start, row.from * a.row, bytesOf(a.dtype)),
        { common: 4 * k * column.from },
        moved(to, row.from * n + columns.from + column.from),
        row.size,
        column.size,
        k,
        bytesOf(a.dtype) * a.row,
        bytesOf(a.dtype) * a.column,
        4 * n,
        { scratch: 0 },
      ]),
    );
    return [
      { kernel: panels(b.dtype), blocks: packed, common },
      { kernel: rectangle(a.dtype), blocks: rectangles, common, scratch: PACKED_BYTES },
    ];
  });
};

/** Most rectangles of a product: blocks of arguments take memory, and time to lay down. */
const MOST_RECTANGLES = 128;

/** Halves a rectangle until there are enough of them, or doubles it until there are not too many. */
const rectangleOf = (m: number, n: number, count: number): [number, number] => {
  let [rows, columns]: [number, number] = [RECTANGLE.rows, RECTANGLE.columns];
  const pieces = () => Math.ceil(m / rows) * Math.ceil(n / columns);
  while (pieces() < count && rows > 32) rows /= 2;
  while (pieces() < count && columns > 128) columns /= 2;
  while (pieces() > MOST_RECTANGLES && rows < m) rows *= 2;
  return [rows, columns];
};
