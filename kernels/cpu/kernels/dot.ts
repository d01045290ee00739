import { bytesOf, type DType } from "../../../core/index.js";
import { loadFloat, loadFloats } from "../rows.js";
import { shuffle32 } from "../wasm/expression.js";
import type { FunctionRef, ModuleBuilder } from "../wasm/module.js";
import { f32, f32x4, i32 } from "../wasm/ops.js";

/**
 * c[n] = Σ a[k] · b[n, k], rows of b contiguous and `bStride` bytes apart: (a, b, bStride, c, k, n). Four rows at a time. a and b are
 * stored as `dtypes`.
 */
export const dotKernel = (
  module: ModuleBuilder,
  [aType, bType]: readonly [DType, DType] = ["f32", "f32"],
): FunctionRef<undefined> =>
  module.once(`dot ${aType} ${bType}`, () =>
    module.func(
      { params: ["i32", "i32", "i32", "i32", "i32", "i32"], result: undefined },
      (body, a, b, bStride, c, k, n) => {
        const sums = [0, 1, 2, 3].map(() => body.local("v128"));
        const rows = [0, 1, 2, 3].map(() => body.local("i32"));
        const at = body.local("i32");
        const x = body.local("v128");
        const dots = (count: number) => {
          for (let r = 0; r < count; r++) {
            body.set(sums[r], f32x4.splatConst(0));
            body.set(rows[r], r === 0 ? b : i32.add(rows[r - 1], bStride));
          }
          body.set(at, a);
          const step = (load: typeof loadFloat, elements: number) => () => {
            body.set(x, load(body, at, aType));
            for (let r = 0; r < count; r++) {
              body.set(sums[r], f32x4.add(sums[r], f32x4.mul(x, load(body, rows[r], bType))));
              body.advance(rows[r], elements * bytesOf(bType));
            }
            body.advance(at, elements * bytesOf(aType));
          };
          body.times(i32.shr_u(k, i32.const(2)), step(loadFloats, 4));
          body.times(i32.and(k, i32.const(3)), step(loadFloat, 1));
          for (let r = 0; r < count; r++) {
            body.set(x, f32x4.add(sums[r], shuffle32(sums[r], sums[r], 2, 3, 0, 1)));
            const total = f32.add(f32x4.extract_lane(x, 0), f32x4.extract_lane(x, 1));
            body.do(f32.store(c, total, 4 * r));
          }
          body.advance(c, 4 * count);
          body.advance(b, i32.mul(bStride, i32.const(count)));
        };
        body.times(i32.shr_u(n, i32.const(2)), () => dots(4));
        body.times(i32.and(n, i32.const(3)), () => dots(1));
      },
    ),
  );
