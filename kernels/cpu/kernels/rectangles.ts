import { bytesOf, type DType } from "../../../core/index.js";
import type { View } from "../../plan/steps.js";
import { blocksFor, cut, fixedKernel, type Launch, moved, type Range, type Word } from "../launch.js";
import type { I32 } from "../wasm/expression.js";
import type { Body, FunctionRef, Local } from "../wasm/module.js";
import { i32, roundUp4, select } from "../wasm/ops.js";
import { packMatrix } from "./pack.js";
import { PANEL_BYTES, TILE, tileProduct } from "./tiles.js";

/** Depth, columns and rows of a block: a panel of b [DEPTH, 8] stays in L1, a block of b in L2. */
export const DEPTH = 256;
export const COLUMNS = 512;
export const ROWS = 64;
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

/** Packs rows of a block of a. */
export const packRows = (
  body: Body,
  pack: FunctionRef<undefined>,
  { aRow, aColumn, scratchA }: Record<"aRow" | "aColumn" | "scratchA", Local<"i32">>,
  from: I32,
  stride: I32,
  height: I32,
  depth: I32,
): void =>
  // A multiple of four columns is copied whole; what is past the end of the last rows is never read.
  body.run(pack, from, aRow, aColumn, scratchA, stride, height, depth, roundUp4(depth));

/** Packs all of b [k, n] as panels [k, 8] of f32, one after the other. */
const panels = (dtype: DType) =>
  fixedKernel(`matmul panels ${dtype}`, ["b", "to", "n", "k", "bRow", "bColumn"], (body, arg) => {
    const { b, to, n, k, bRow, bColumn } = arg;
    const pack = packMatrix(body.module, dtype);
    body.range(0, n, TILE.columns, (j) => {
      const width = min(body, i32.sub(n, j), TILE.columns);
      body.run(pack, b, bRow, bColumn, to, i32.const(PANEL_BYTES), k, width, i32.const(TILE.columns));
      body.advance(b, i32.mul(bColumn, i32.const(TILE.columns)));
      body.advance(to, i32.mul(k, i32.const(PANEL_BYTES)));
    });
  });

const rectangleWords = ["a", "panels", "c", "m", "n", "k", "aRow", "aColumn", "cRow", "scratchA"] as const;
/** A rectangle of c from b's panels; rows of a are read where they lie if they are contiguous and f32. */
const rectangle = (dtype: DType) =>
  fixedKernel(`matmul rectangle ${dtype}`, rectangleWords, (body, arg) => {
    const { a, c, m, n, k, aRow, aColumn, cRow, scratchA } = arg;
    const tiles = tileProduct(body.module, "columns");
    const pack = packMatrix(body.module, dtype);
    const next = body.let(i32.mul(k, i32.const(PANEL_BYTES)));
    body.range(0, k, DEPTH, (k0) => {
      const depth = min(body, i32.sub(k, k0), DEPTH);
      const adds = body.let(i32.gt_s(k0, i32.const(0)));
      body.range(0, m, ROWS, (m0) => {
        const height = min(body, i32.sub(m, m0), ROWS);
        const aNow = body.let(i32.add(a, i32.add(i32.mul(m0, aRow), i32.mul(k0, aColumn))));
        const bNow = i32.add(arg.panels, i32.mul(k0, i32.const(PANEL_BYTES)));
        const cNow = i32.add(c, i32.mul(m0, cRow));
        const stride = i32.const(PANEL_BYTES);
        const rest = [bNow, stride, next, cNow, cRow, height, n, depth, adds];
        const packed = () =>
          body.if(
            i32.eq(aRow, i32.const(bytesOf(dtype))),
            () => {
              // Copied close together: large strides would meet in a few sets of the cache.
              const stride = body.let(i32.const(4 * (ROWS + 16)));
              const width = roundUp4(height);
              body.run(pack, aNow, aColumn, aRow, scratchA, stride, depth, height, width);
              body.run(tileProduct(body.module, "rows"), scratchA, stride, ...rest);
            },
            () => {
              const aStride = body.let(i32.const(DEPTH * 4));
              packRows(body, pack, arg, aNow, aStride, height, depth);
              body.run(tiles, scratchA, aStride, ...rest);
            },
          );
        if (dtype === "f32") body.if(i32.eq(aColumn, i32.const(4)), () => body.run(tiles, aNow, aRow, ...rest), packed);
        else packed();
      });
    });
  });

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
  readonly bytesA: number;
}

/** A large product: all of b packed, then one rectangle of c after the other; both cut in blocks. */
export const inRectangles = (a: Placed, b: Placed, to: Word, { m, n, k, bytesA }: Sizes): Launch[] => {
  const slab = Math.max(TILE.columns, Math.floor(MOST_PACKED / (4 * k) / TILE.columns) * TILE.columns);
  return cut(n, Math.ceil(n / slab), TILE.columns).flatMap((columns): Launch[] => {
    const common = 4 * k * (Math.ceil(columns.size / TILE.columns) * TILE.columns + TILE.columns);
    const count = blocksFor((2 * m * columns.size * k) / FLOPS);
    const [height, width] = rectangleOf(m, columns.size, count);
    const packed = cut(columns.size, blocksFor(columns.size * k), TILE.columns).map(({ from, size }): Word[] => [
      moved(b.start, (columns.from + from) * b.column, bytesOf(b.dtype)),
      { common: 4 * k * from },
      size,
      k,
      bytesOf(b.dtype) * b.row,
      bytesOf(b.dtype) * b.column,
    ]);
    const rows = cut(m, Math.ceil(m / height), TILE.rows);
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
      { kernel: rectangle(a.dtype), blocks: rectangles, common, scratch: bytesA },
    ];
  });
};

/** Halves a rectangle until there are enough of them. */
const rectangleOf = (m: number, n: number, count: number): [number, number] => {
  let [rows, columns]: [number, number] = [RECTANGLE.rows, RECTANGLE.columns];
  const pieces = () => Math.ceil(m / rows) * Math.ceil(n / columns);
  while (pieces() < count && rows > 32) rows /= 2;
  while (pieces() < count && columns > 128) columns /= 2;
  return [rows, columns];
};
