import { bytesOf, type DType } from "../../../core/index.js";
import { engine } from "../../platform/node/engine.js";
import type { I32 } from "../wasm/expression.js";
import type { FunctionRef, ModuleBuilder } from "../wasm/module.js";
import { madd } from "../wasm/multiply-add.js";
import { i32 } from "../wasm/ops.js";
import { type Along, microKernel } from "./micro.js";

/** Rows and columns of a register tile: eight accumulators, two vectors of b, and as many of a as its rows where loads are moved. */
export const TILE = { rows: 4, columns: 8 } as const;
/**
 * Rows of a tile whose twelve accumulators leave one register for a. Eight wait for one another, which costs a tenth; but more are
 * worth it only where a is read in order, from one place, and multiplied and added at once.
 */
export const TALL = 6;
/** Rows of a module's tiles where a lies packed along its rows. */
export const heightOf = ({ bits }: ModuleBuilder): number =>
  engine.keepsOrder && bits === "native" && madd().isThere ? TALL : TILE.rows;
/** Bytes of a row of a panel: b packed into columns of eight. */
export const PANEL_BYTES = TILE.columns * 4;
/** Columns of the tile for a single row. */
const WIDE = 32;

/**
 * c[m, n] (+)= a[m, k] · b[k, n], tile by tile, nothing packed or blocked:
 * (a, a's stride, b, b's row stride, bytes to b's next eight columns, c, c's row stride, m, n, k, add to c?).
 * b is either a matrix with contiguous rows, of floats stored as `dtype`, or a sequence of panels [k, 8]; a is f32. Tiles have
 * `height` rows as far as m goes, and no number of c depends on it.
 */
export const tileProduct = (
  module: ModuleBuilder,
  along: Along,
  dtype: DType = "f32",
  height: number = along === "rows" ? heightOf(module) : TILE.rows,
): FunctionRef<undefined> => {
  const size = bytesOf(dtype);
  return module.once(`tiles along ${along} ${dtype} ${height}`, () =>
    module.func(
      {
        params: ["i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32"],
        result: undefined,
      },
      (body, a, aStride, b, bStride, bNext, c, cStride, m, n, k, adds) => {
        const panel = body.local("i32");
        const out = body.local("i32");
        const left = body.local("i32");
        const tile = (rows: number, columns: number, advance: I32 | number) => {
          const micro = microKernel(module, along, rows, columns / 4, dtype);
          body.run(micro, a, aStride, panel, bStride, out, cStride, k, adds, left);
          body.advance(panel, advance);
          body.advance(out, columns * 4);
          body.advance(left, -columns);
        };
        const stripe = (rows: number) => {
          body.set(panel, b);
          body.set(out, c);
          body.set(left, n);
          if (rows === 1)
            body.if(i32.eq(bNext, i32.const(TILE.columns * size)), () =>
              body.times(i32.div_u(left, i32.const(WIDE)), () => tile(rows, WIDE, WIDE * size)),
            );
          body.if(i32.gt_s(left, i32.const(0)), () =>
            body.repeat(() => {
              tile(rows, TILE.columns, bNext);
              return i32.gt_s(left, i32.const(0));
            }),
          );
          body.advance(a, along === "rows" ? 4 * rows : i32.mul(aStride, i32.const(rows)));
          body.advance(c, i32.mul(cStride, i32.const(rows)));
          body.advance(m, -rows);
        };
        if (height > TILE.rows) {
          // Eight are two tiles of four rather than one and a small one.
          const isTall = () => i32.and(i32.ge_s(m, i32.const(height)), i32.ne(m, i32.const(2 * TILE.rows)));
          body.if(isTall(), () =>
            body.repeat(() => {
              stripe(height);
              return isTall();
            }),
          );
        }
        body.times(i32.div_u(m, i32.const(TILE.rows)), () => stripe(TILE.rows));
        body.if(i32.ge_s(m, i32.const(2)), () => stripe(2));
        body.if(m, () => stripe(1));
      },
    ),
  );
};
