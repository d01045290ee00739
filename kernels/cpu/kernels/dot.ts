import { shuffle32 } from "../wasm/expression.js";
import type { FunctionRef, ModuleBuilder } from "../wasm/module.js";
import { f32, f32x4, i32, v128 } from "../wasm/ops.js";

/**
 * c[n] = Σ a[k] · b[n, k], rows of b contiguous and `bStride` bytes apart: (a, b, bStride, c, k, n). Four rows at a time.
 */
export const dotKernel = (module: ModuleBuilder): FunctionRef<undefined> =>
  module.once("dot", () =>
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
          const step = (load: typeof v128.load, bytes: number) => () => {
            body.set(x, load(at));
            for (let r = 0; r < count; r++) {
              body.set(sums[r], f32x4.add(sums[r], f32x4.mul(x, load(rows[r]))));
              body.advance(rows[r], bytes);
            }
            body.advance(at, bytes);
          };
          body.times(i32.shr_u(k, i32.const(2)), step(v128.load, 16));
          body.times(i32.and(k, i32.const(3)), step(v128.load32_zero, 4));
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
