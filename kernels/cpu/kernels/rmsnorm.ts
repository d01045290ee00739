import type { CallStep } from "../../plan/steps.js";
import { startOf } from "../emit/map.js";
import { fixedKernel, floatWord, type Launch } from "../launch.js";
import { accumulateDouble, eachVector, insideOr, roundDouble, storeSome, sumOfLanes, zeroRow } from "../rows.js";
import type { F32, I32, V128 } from "../wasm/expression.js";
import type { Body, Local } from "../wasm/module.js";
import { f32, f32x4, i32, v128 } from "../wasm/ops.js";
import { rowsOf } from "./softmax.js";

/** 1/rms of a row, in every lane. */
const inverseRms = (body: Body, x: I32, width: Local<"i32">, eps: F32): Local<"v128"> => {
  const squares = body.let(f32x4.splatConst(0));
  eachVector(body, width, [x], (left, at) => {
    const inside = insideOr(body, v128.load(at), left, 0);
    body.set(squares, f32x4.add(squares, f32x4.mul(inside, inside)));
  });
  const mean = f32.div(sumOfLanes(body, squares), f32.convert_i32_s(width));
  return body.let(f32x4.splat(f32.div(f32.const(1), f32.sqrt(f32.add(mean, eps)))));
};

const rmsnormKernel = fixedKernel("rmsnorm", ["x", "w", "out", "rows", "width", "eps"], (body, arg, args) => {
  const { x, w, out, rows, width } = arg;
  const bytes = body.let(i32.shl(width, i32.const(2)));
  const eps = body.let(f32.load(args, 5 * 4));
  body.times(rows, () => {
    const r = inverseRms(body, x, width, eps);
    eachVector(body, width, [x, w, out], (left, xs, ws, to) =>
      storeSome(body, to, f32x4.mul(f32x4.mul(v128.load(xs), r), v128.load(ws)), left),
    );
    body.advance(x, bytes);
    body.advance(out, bytes);
  });
});

/**
 * dx = r·(g - x·r²·mean(g·x)) with g = ct·w and r = 1/rms; dw = Σ_rows ct·x·r, summed in f64 over the rows.
 */
const gradientKernel = fixedKernel(
  "rmsnorm.vjp",
  ["ct", "x", "w", "out", "rows", "width", "eps", "sums"],
  (body, arg, args) => {
    const { ct, x, w, out, rows, width, sums } = arg;
    const bytes = body.let(i32.shl(width, i32.const(2)));
    const eps = body.let(f32.load(args, 6 * 4));
    zeroRow(body, sums, i32.add(i32.shl(width, i32.const(1)), i32.const(8)));
    const sum = body.local("i32");
    body.times(rows, () => {
      const r = inverseRms(body, x, width, eps);
      const dot = body.let(f32x4.splatConst(0));
      body.set(sum, sums);
      eachVector(body, width, [ct, x, w], (left, cs, xs, ws) => {
        const product = insideOr(body, f32x4.mul(v128.load(cs), v128.load(xs)), left, 0);
        body.set(dot, f32x4.add(dot, insideOr(body, f32x4.mul(product, v128.load(ws)), left, 0)));
        accumulateDouble(body, sum, body.let(f32x4.mul(product, r)));
        body.advance(sum, 32);
      });
      const mean: V128 = f32x4.splat(f32.div(sumOfLanes(body, dot), f32.convert_i32_s(width)));
      const factor = body.let(f32x4.mul(mean, f32x4.mul(r, r)));
      eachVector(body, width, [ct, x, w, out], (left, cs, xs, ws, to) => {
        const g = f32x4.mul(v128.load(cs), v128.load(ws));
        storeSome(body, to, f32x4.mul(r, f32x4.sub(g, f32x4.mul(v128.load(xs), factor))), left);
      });
      for (const pointer of [ct, x, out]) body.advance(pointer, bytes);
    });
    body.set(sum, sums);
    eachVector(body, width, [out], (left, to) => {
      storeSome(body, to, roundDouble(sum), left);
      body.advance(sum, 32);
    });
  },
);

export const launchRmsnorm = ({ inputs, attrs, output }: CallStep): Launch[] => {
  const [rows, width] = rowsOf(inputs[0].shape);
  const words = [...inputs.map(startOf), startOf(output), rows, width, floatWord(attrs.eps as number)];
  return [{ kernel: rmsnormKernel, words, scratch: 0 }];
};

export const launchRmsnormGradient = ({ inputs, attrs, output }: CallStep): Launch[] => {
  const [rows, width] = rowsOf(inputs[0].shape);
  const words = [...inputs.map(startOf), startOf(output), rows, width, floatWord(attrs.eps as number), { scratch: 0 }];
  return [{ kernel: gradientKernel, words, scratch: 8 * width + 64 }];
};
