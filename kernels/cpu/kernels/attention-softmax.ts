import { exp } from "../math/f32.js";
import { tanh } from "../math/f64.js";
import { eachVector, insideOr, sumOfLanes, zeroRow } from "../rows.js";
import type { F32 } from "../wasm/expression.js";
import type { Body, FunctionRef, Local, ModuleBuilder } from "../wasm/module.js";
import { f32, f32x4, i32, roundUp4, times4, v128 } from "../wasm/ops.js";

/**
 * Softmax of one row of scores in place, over its first `visible` slots; the others up to `count` become 0:
 * (row, visible, count, scale) → Σ e^(scale·(x - max)), by which the row is not divided yet: 0 where nothing is visible.
 */
export const softmaxRow = (module: ModuleBuilder): FunctionRef<"f32"> =>
  module.once("attention softmax", () =>
    module.func({ params: ["i32", "i32", "i32", "f32"], result: "f32" }, (body, row, visible, count, scale) => {
      const factor = body.let(f32x4.splat(scale));
      const most = body.let(f32x4.splatConst(Number.NEGATIVE_INFINITY));
      eachVector(body, visible, [row], (left, at) =>
        body.set(
          most,
          f32x4.pmax(most, insideOr(body, f32x4.mul(v128.load(at), factor), left, Number.NEGATIVE_INFINITY)),
        ),
      );
      const lanes = [0, 1, 2, 3].map((lane) => f32x4.extract_lane(most, lane));
      body.set(most, f32x4.splat(f32.max(f32.max(lanes[0], lanes[1]), f32.max(lanes[2], lanes[3]))));
      const total = body.let(f32x4.splatConst(0));
      // Rows have room for whole vectors, and what lies past the visible slots is cleared afterwards.
      eachVector(body, visible, [row], (left, at) => {
        const shifted = f32x4.sub(f32x4.mul(v128.load(at), factor), most);
        const e = insideOr(body, exp(body, shifted), left, 0);
        body.set(total, f32x4.add(total, e));
        body.do(v128.store(at, e));
      });
      const rest = roundUp4(visible);
      const start = body.let(rest);
      zeroRow(body, i32.add(row, times4(start)), i32.sub(count, start));
      body.return(sumOfLanes(body, total));
    }),
  );

/** 1 / Σ in every lane, Σ as `softmaxRow` gives it: where nothing is visible all weights are 0, and stay it. */
export const inverseOf = (body: Body, total: F32): Local<"v128"> =>
  body.let(f32x4.splat(f32.div(f32.const(1), f32.max(total, f32.const(1e-30)))));

/**
 * Scores of one row in place: x becomes cap · tanh(scale · x / cap), and the slope of that by scale · x goes to `slopes`:
 * (row, slopes, count, scale / cap, cap).
 */
export const capRow = (module: ModuleBuilder): FunctionRef<undefined> =>
  module.once("attention soft cap", () =>
    module.func(
      { params: ["i32", "i32", "i32", "f32", "f32"], result: undefined },
      (body, row, slopes, count, factor, cap) => {
        const [factors, caps] = [factor, cap].map((x) => body.let(f32x4.splat(x)));
        eachVector(body, count, [row, slopes], (_, at, slope) => {
          const bent = body.let(tanh(body, f32x4.mul(v128.load(at), factors)));
          body.do(v128.store(at, f32x4.mul(bent, caps)));
          body.do(v128.store(slope, f32x4.sub(f32x4.splatConst(1), f32x4.mul(bent, bent))));
        });
      },
    ),
  );
