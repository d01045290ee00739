import { bytesOf, type DType, isHalf } from "../../../core/index.js";
import { loadFloat, loadFloats } from "../rows.js";
import { shuffle32 } from "../wasm/expression.js";
import type { Body, FunctionRef, Local, ModuleBuilder } from "../wasm/module.js";
import { f32, f32x4, i32, select, times4, v128 } from "../wasm/ops.js";

type Address = Local<"i32">;

/** Four rows of four become four columns of four: reads `from`, `from + stride`, …; writes `to`, `to + toStride`, … */
const transposeFour = (
  body: Body,
  dtype: DType,
  from: Address,
  stride: Address,
  to: Address,
  toStride: Address,
): void => {
  const at = body.let(from);
  const rows = [0, 1, 2, 3].map((r) => {
    const row = body.let(loadFloats(body, at, dtype));
    if (r < 3) body.advance(at, stride);
    return row;
  });
  const pairs = [
    shuffle32(rows[0], rows[1], 0, 4, 1, 5),
    shuffle32(rows[0], rows[1], 2, 6, 3, 7),
    shuffle32(rows[2], rows[3], 0, 4, 1, 5),
    shuffle32(rows[2], rows[3], 2, 6, 3, 7),
  ].map((pair) => body.let(pair));
  const columns = [
    shuffle32(pairs[0], pairs[2], 0, 1, 4, 5),
    shuffle32(pairs[0], pairs[2], 2, 3, 6, 7),
    shuffle32(pairs[1], pairs[3], 0, 1, 4, 5),
    shuffle32(pairs[1], pairs[3], 2, 3, 6, 7),
  ];
  const out = body.let(to);
  columns.forEach((column, i) => {
    body.do(v128.store(out, column));
    if (i < 3) body.advance(out, toStride);
  });
};

/**
 * Copies a strided matrix [rows, columns] of floats, stored as `dtype`, as f32 into rows of `width` ≥ columns numbers; the rest of each row becomes 0.
 * (from, row stride, column stride, to, to's row stride, rows, columns, width), strides in bytes; width a multiple of 4,
 * as are the rows that `to` has room for. Contiguous rows are copied, contiguous columns transposed four by four.
 */
export const packMatrix = (module: ModuleBuilder, dtype: DType = "f32"): FunctionRef<undefined> => {
  const size = bytesOf(dtype);
  return module.once(`pack ${dtype}`, () =>
    module.func(
      { params: ["i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32"], result: undefined },
      (body, from, rowStride, columnStride, to, toStride, rows, columns, width) => {
        const source = body.local("i32");
        const target = body.local("i32");
        const done = body.let(i32.const(0));
        const isWhole = body.let(i32.eq(columns, width));
        const eachRow = (block: () => void) =>
          body.times(i32.sub(rows, done), () => {
            body.set(source, from);
            body.set(target, to);
            block();
            body.advance(from, rowStride);
            body.advance(to, toStride);
          });
        // Panels of eight columns are the common case: a row is two vectors.
        body.if(i32.and(i32.and(isWhole, i32.eq(width, i32.const(8))), i32.eq(columnStride, i32.const(size))), () => {
          body.set(source, from);
          body.set(target, to);
          body.times(rows, () => {
            body.do(v128.store(target, loadFloats(body, source, dtype)));
            body.do(v128.store(target, loadFloats(body, source, dtype, 4 * size), 16));
            body.advance(source, rowStride);
            body.advance(target, toStride);
          });
          body.set(done, rows);
        });
        body.if(i32.and(i32.and(isWhole, i32.lt_s(done, rows)), i32.eq(columnStride, i32.const(size))), () => {
          eachRow(() =>
            body.times(i32.shr_u(width, i32.const(2)), () => {
              body.do(v128.store(target, loadFloats(body, source, dtype)));
              body.advance(source, 4 * size);
              body.advance(target, 16);
            }),
          );
          body.set(done, rows);
        });
        body.if(i32.and(isWhole, i32.eq(rowStride, i32.const(size))), () =>
          body.if(i32.lt_s(done, rows), () => {
            // Four columns to their ends before the next four: more at once could meet in a few sets of the cache.
            const block = body.let(times4(columnStride));
            const targetBlock = body.let(times4(toStride));
            const fours = body.let(i32.shr_u(rows, i32.const(2)));
            const [columns4, rows4] = [body.let(from), body.let(to)];
            body.times(i32.shr_u(width, i32.const(2)), () => {
              body.set(source, columns4);
              body.set(target, rows4);
              body.times(fours, () => {
                transposeFour(body, dtype, source, columnStride, target, toStride);
                body.advance(source, 4 * size);
                body.advance(target, targetBlock);
              });
              body.advance(columns4, block);
              body.advance(rows4, 16);
            });
            body.set(done, i32.and(rows, i32.const(-4)));
            body.advance(from, i32.mul(done, i32.const(size)));
            body.advance(to, i32.mul(done, toStride));
          }),
        );
        eachRow(() => {
          const left = body.let(columns);
          body.times(width, () => {
            const isInside = body.let(i32.gt_s(left, i32.const(0)));
            // Past the end the last number is read again, so that no address leaves the matrix.
            const x = isHalf(dtype) ? f32x4.extract_lane(loadFloat(body, source, dtype), 0) : f32.load(source);
            body.do(f32.store(target, select(x, f32.const(0), isInside)));
            body.advance(left, -1);
            body.advance(source, select(columnStride, i32.const(0), i32.gt_s(left, i32.const(0))));
            body.advance(target, 4);
          });
        });
      },
    ),
  );
};
