import { bytesOf, type DType, sizeOf } from "../../../core/index.js";
import type { MatmulStep, View } from "../../plan/steps.js";
import { launchMap, startOf } from "../emit/map.js";
import { blocksFor, cut, fixedKernel, type Launch, moved, type Word } from "../launch.js";
import { loadWord, WORD } from "../wasm/expression.js";
import type { Body, Local } from "../wasm/module.js";
import { i32, roundUp4, select, times4 } from "../wasm/ops.js";
import { dotKernel } from "./dot.js";
import { packMatrix } from "./pack.js";
import { COLUMNS, DEPTH, FLOPS, inRectangles, type Matrix, min, PACKED_BYTES, ROWS } from "./rectangles.js";
import { PANEL_BYTES, TILE, tileProduct } from "./tiles.js";

/** From so many rows on it pays to pack b. */
const PACKS_FROM = 24;

const words = [
  "a",
  "b",
  "c",
  "m",
  "n",
  "k",
  "aRow",
  "aColumn",
  "bRow",
  "bColumn",
  "cRow",
  "cNext",
  "batches",
  "packsA",
  "packsB",
  "scratchA",
  "scratchB",
] as const;
type Args = Record<(typeof words)[number], Local<"i32">>;
/** How a and b are stored. */
type Dtypes = readonly [DType, DType];

/**
 * One product of two matrices: blocks of depth, of columns, of rows; b and a packed, as f32, where that pays; then tiles. What
 * is stored in 16 bits is widened on the way: a while it is packed, b there or in the tiles.
 */
const product = (
  body: Body,
  [aType, bType]: Dtypes,
  arg: Args,
  a: Local<"i32">,
  b: Local<"i32">,
  c: Local<"i32">,
): void => {
  const { m, n, k, aRow, aColumn, bRow, bColumn, cRow, packsA, packsB, scratchA, scratchB } = arg;
  const pack = packMatrix(body.module, bType);
  const tiles = tileProduct(body.module, "columns");
  const unpackedNext = i32.const(TILE.columns * bytesOf(bType));
  const bStride = body.let(select(i32.const(PANEL_BYTES), bRow, packsB));
  const adds = body.local("i32");
  body.range(0, k, DEPTH, (k0) => {
    const depth = min(body, i32.sub(k, k0), DEPTH);
    const bNext = body.let(select(i32.mul(depth, i32.const(PANEL_BYTES)), unpackedNext, packsB));
    body.set(adds, i32.gt_s(k0, i32.const(0)));
    body.range(0, n, COLUMNS, (n0) => {
      const count = min(body, i32.sub(n, n0), COLUMNS);
      const bBlock = body.let(i32.add(b, i32.add(i32.mul(k0, bRow), i32.mul(n0, bColumn))));
      body.if(packsB, () => {
        const target = body.let(scratchB);
        const source = body.let(bBlock);
        body.range(0, count, TILE.columns, (j) => {
          const width = min(body, i32.sub(count, j), TILE.columns);
          const stride = i32.const(TILE.columns * 4);
          body.run(pack, source, bRow, bColumn, target, stride, depth, width, i32.const(TILE.columns));
          body.advance(source, i32.mul(bColumn, i32.const(TILE.columns)));
          body.advance(target, i32.mul(depth, stride));
        });
        body.set(bBlock, scratchB);
      });
      body.range(0, m, ROWS, (m0) => {
        const height = min(body, i32.sub(m, m0), ROWS);
        const aNow = body.let(i32.add(a, i32.add(i32.mul(m0, aRow), i32.mul(k0, aColumn))));
        const aStride = body.let(aRow);
        body.if(packsA, () => {
          body.set(aStride, i32.const(DEPTH * 4));
          // A multiple of four columns is copied whole; what is past the end of the last rows is never read.
          const width = roundUp4(depth);
          const from = [aNow, aRow, aColumn] as const;
          body.run(packMatrix(body.module, aType), ...from, scratchA, aStride, height, depth, width);
          body.set(aNow, scratchA);
        });
        const cNow = body.let(i32.add(c, i32.add(i32.mul(m0, cRow), times4(n0))));
        const multiply = (by: typeof tiles) =>
          body.run(by, aNow, aStride, bBlock, bStride, bNext, cNow, cRow, height, count, depth, adds);
        if (bType === "f32") multiply(tiles);
        else
          body.if(
            packsB,
            () => multiply(tiles),
            () => multiply(tileProduct(body.module, "columns", bType)),
          );
      });
    });
  });
};

/** Walks the batches: the offsets of a and b of each one follow the other argument words. */
const eachBatch = (
  body: Body,
  arg: Args,
  args: Local<"i32">,
  run: (a: Local<"i32">, b: Local<"i32">, c: Local<"i32">) => void,
) => {
  const table = body.let(args);
  const c = body.let(arg.c);
  body.times(arg.batches, () => {
    const a = body.let(i32.add(arg.a, loadWord(table, words.length)));
    const b = body.let(i32.add(arg.b, loadWord(table, words.length + 1)));
    run(a, b, body.let(c));
    body.advance(table, 2 * WORD);
    body.advance(c, arg.cNext);
  });
};

const blocked = (dtypes: Dtypes) =>
  fixedKernel(`matmul ${dtypes}`, words, (body, arg, args) =>
    eachBatch(body, arg, args, (a, b, c) => product(body, dtypes, arg, a, b, c)),
  );

/** A few rows against columns that lie contiguous: one dot product after another. */
const dots = (dtypes: Dtypes) =>
  fixedKernel(`matmul by dots ${dtypes}`, words, (body, arg, args) =>
    eachBatch(body, arg, args, (a, b, c) =>
      body.times(arg.m, () => {
        body.run(dotKernel(body.module, dtypes), a, b, arg.bColumn, c, arg.k, arg.n);
        body.advance(a, arg.aRow);
        body.advance(c, arg.cRow);
      }),
    ),
  );

/** Offsets of all matrices of a batch, in elements. */
const offsets = (shape: readonly number[], strides: readonly number[]): number[] => {
  let all = [0];
  shape.forEach((size, axis) => {
    all = all.flatMap((at) => Array.from({ length: size }, (_, i) => at + i * strides[axis]));
  });
  return all;
};

/** Axes of size 1 count as contiguous, whatever their strides. */
const matrix = (view: View, dtype: DType): Matrix => {
  const [row, column] = view.strides.slice(-2).map((stride, i) => (view.shape.at(i - 2) === 1 ? 1 : stride));
  return { view, dtype, row, column };
};

/** out[...batch, M, N] = a · b; any strides. f32 sums over blocks of 256, the same however a and b are stored. */
export const launchMatmul = ({ a: left, b: right, dtypes, output }: MatmulStep): Launch[] => {
  const batch = output.shape.slice(0, -2);
  const [rows, columns] = output.shape.slice(-2);
  const k = left.shape[left.shape.length - 1];
  if (sizeOf(output.shape) === 0) return [];
  if (k === 0)
    return launchMap({
      kind: "map",
      shape: output.shape,
      inputs: [],
      body: [{ op: "constant", value: 0, dtype: "f32" }],
      outputs: [{ value: 0, view: output, dtype: "f32" }],
    });
  // One column is one row of the transposed product.
  const isColumn = columns === 1 && rows > 1;
  const flip = (x: Matrix): Matrix => ({ ...x, row: x.column, column: x.row });
  const [l, r] = [matrix(left, dtypes[0]), matrix(right, dtypes[1])];
  const [a, b] = isColumn ? [flip(r), flip(l)] : [l, r];
  const [aSize, bSize] = [bytesOf(a.dtype), bytesOf(b.dtype)];
  const [m, n] = isColumn ? [1, rows] : [rows, columns];

  const byDots = m < TILE.rows && a.column === 1 && b.row === 1 && b.column !== 1;
  const packsA = !byDots && (a.column !== 1 || a.dtype !== "f32");
  const packsB = !byDots && (m >= PACKS_FROM || b.column !== 1);
  const bytesA = packsA ? PACKED_BYTES : 0;
  const aOffsets = offsets(batch, a.view.strides);
  const bOffsets = offsets(batch, b.view.strides);
  const work = (2 * m * n * k) / FLOPS + (packsA ? m * k : 0) + (packsB ? n * k : 0);
  const count = blocksFor(work * aOffsets.length);

  if (packsB && count > 1 && 2 * aOffsets.length <= count)
    return aOffsets.flatMap((aOffset, i) => {
      const to = moved(startOf(output), i * m * n);
      return inRectangles(
        { ...a, start: moved(startOf(a.view, aSize), aOffset, aSize) },
        { ...b, start: moved(startOf(b.view, bSize), bOffsets[i], bSize) },
        to,
        { m, n, k },
      );
    });

  const deep = Math.min(k, DEPTH);
  const bytesB = packsB ? 4 * deep * (Math.min(n, COLUMNS) + TILE.columns) : 0;
  const strides = [aSize * a.row, aSize * a.column, bSize * b.row, bSize * b.column, 4 * n];
  // Whole products for each block where there are many, else ranges of columns.
  const inBatches = aOffsets.length > 1;
  const batches = cut(aOffsets.length, inBatches ? count : 1);
  const columnRanges = cut(n, inBatches ? 1 : count, 32);
  const blocks = batches.flatMap((part) =>
    columnRanges.map(({ from, size }): Word[] => {
      const table = Array.from({ length: part.size }, (_, i) => [
        aSize * aOffsets[part.from + i],
        bSize * bOffsets[part.from + i],
      ]);
      const to = moved(startOf(output), part.from * m * n + from);
      const words: Word[] = [startOf(a.view, aSize), moved(startOf(b.view, bSize), from * b.column, bSize)];
      words.push(to, m, size, k, ...strides);
      words.push(4 * m * n, part.size, Number(packsA), Number(packsB), { scratch: 0 }, { scratch: bytesA });
      // Batches can be many: an array literal takes what a call's arguments cannot.
      return [...words, ...table.flat()];
    }),
  );
  return [{ kernel: (byDots ? dots : blocked)([a.dtype, b.dtype]), blocks, scratch: bytesA + bytesB }];
};
