import { bytesOf, type DType } from "../../../core/index.js";
import { loadFloats, storeSome } from "../rows.js";
import type { FunctionRef, ModuleBuilder } from "../wasm/module.js";
import { multiplyAdd } from "../wasm/multiply-add.js";
import { f32x4, i32, v128 } from "../wasm/ops.js";

/** Which axis of a lies contiguous: its columns (the usual layout) or its rows (a transposed matrix). */
export type Along = "columns" | "rows";

/**
 * The inner tile of a product: c[rows, 4·vectors] (+)= a[rows, k] · b[k, 4·vectors], held in registers while k runs.
 * (a, a's stride along its other axis, b, row stride of b, c, row stride of c, k, add to c?, columns to write); strides in
 * bytes, rows of b contiguous, of floats stored as `dtype`; a is f32.
 */
export const microKernel = (
  module: ModuleBuilder,
  along: Along,
  rows: number,
  vectors: number,
  dtype: DType = "f32",
): FunctionRef<undefined> =>
  module.once(`micro ${rows}×${vectors} along ${along} ${dtype}`, () =>
    module.func(
      { params: ["i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32"], result: undefined },
      (body, a, aStride, b, bStride, c, cStride, k, adds, columns) => {
        const indices = Array.from({ length: rows }, (_, r) => r);
        const lanes = Array.from({ length: vectors }, (_, v) => v);
        const sums = indices.map(() => lanes.map(() => body.let(f32x4.splatConst(0))));
        const isTransposed = along === "rows";
        const aRows = isTransposed
          ? [a]
          : indices.map((r) => (r === 0 ? a : body.let(i32.add(a, i32.mul(aStride, i32.const(r))))));
        const bNow = lanes.map(() => body.local("v128"));
        const aNow = body.local("v128");
        // Not unrolled: V8 moves the loads of unrolled steps to the front, and runs out of registers.
        body.times(k, () => {
          for (const v of lanes) body.set(bNow[v], loadFloats(body, b, dtype, 4 * bytesOf(dtype) * v));
          for (const r of indices) {
            body.set(aNow, isTransposed ? v128.load32_splat(a, 4 * r) : v128.load32_splat(aRows[r]));
            for (const v of lanes) body.set(sums[r][v], multiplyAdd(body, aNow, bNow[v], sums[r][v]));
          }
          body.advance(b, bStride);
          if (isTransposed) body.advance(a, aStride);
          else for (const row of aRows) body.advance(row, 4);
        });

        const eachRow = (write: (r: number) => void) =>
          indices.forEach((r) => {
            write(r);
            if (r < rows - 1) body.advance(c, cStride);
          });
        const whole = () => {
          const store = (adding: boolean) =>
            eachRow((r) => {
              for (const v of lanes) {
                const sum = adding ? f32x4.add(v128.load(c, 16 * v), sums[r][v]) : sums[r][v];
                body.do(v128.store(c, sum, 16 * v));
              }
            });
          body.if(
            adds,
            () => store(true),
            () => store(false),
          );
        };
        const edge = () =>
          eachRow((r) => {
            for (const v of lanes) {
              const left = body.let(i32.sub(columns, i32.const(4 * v)));
              body.if(i32.gt_s(left, i32.const(0)), () => {
                body.if(adds, () => body.set(sums[r][v], f32x4.add(v128.load(c, 16 * v), sums[r][v])));
                storeSome(body, c, sums[r][v], left, 16 * v);
              });
            }
          });
        body.if(i32.ge_s(columns, i32.const(4 * vectors)), whole, edge);
      },
    ),
  );
