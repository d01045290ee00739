import type { CallStep } from "../../plan/steps.js";
import { startOf } from "../emit/map.js";
import { blocksFor, cut, fixedKernel, floatWord, type Launch, moved, type Word } from "../launch.js";
import { accumulateDouble, eachVector, insideOr, roundDouble, storeSome, sumOfLanes, zeroRow } from "../rows.js";
import { type F32, type I32, type V128, WORD } from "../wasm/expression.js";
import type { Body, Local } from "../wasm/module.js";
import { f32, f32x4, f64x2, i32, times4, v128 } from "../wasm/ops.js";
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
  const bytes = body.let(times4(width));
  const eps = body.let(f32.load(args, 5 * WORD));
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
 * dx = r·(g - x·r²·mean(g·x)) with g = ct·w and r = 1/rms; dw = Σ_rows ct·x·r, summed in f64 over the rows of each block and
 * then over the blocks.
 */
const gradientKernel = fixedKernel(
  "rmsnorm.vjp",
  ["ct", "x", "w", "out", "rows", "width", "eps", "sums"],
  (body, arg, args) => {
    const { ct, x, w, out, rows, width, sums } = arg;
    const bytes = body.let(times4(width));
    const eps = body.let(f32.load(args, 6 * WORD));
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
  },
);

/** Joins the sums of `count` blocks, `stride` bytes apart: in the first one's place, then in f32. */
const weightKernel = fixedKernel("rmsnorm.vjp weight", ["sums", "count", "stride", "out", "width"], (body, arg) => {
  const { sums, count, stride, out, width } = arg;
  const part = body.let(sums);
  body.times(i32.sub(count, i32.const(1)), () => {
    body.advance(part, stride);
    const from = body.let(part);
    const to = body.let(sums);
    body.range(0, width, 2, () => {
      body.do(v128.store(to, f64x2.add(v128.load(to), v128.load(from))));
      body.advance(from, 16);
      body.advance(to, 16);
    });
  });
  eachVector(body, width, [out], (left, to) => {
    storeSome(body, to, roundDouble(sums), left);
    body.advance(sums, 32);
  });
});

export const launchRmsnorm = ({ inputs: [x, w], attrs, output }: CallStep): Launch[] => {
  const [rows, width] = rowsOf(x.shape);
  const blocks = cut(rows, blocksFor(0.6 * rows * width)).map(({ from, size }): Word[] => [
    moved(startOf(x), from * width),
    startOf(w),
    moved(startOf(output), from * width),
    size,
    width,
    floatWord(attrs.eps as number),
  ]);
  return [{ kernel: rmsnormKernel, blocks }];
};

export const launchRmsnormGradient = ({ inputs: [ct, x, w], attrs, output }: CallStep): Launch[] => {
  const [rows, width] = rowsOf(x.shape);
  const parts = cut(rows, blocksFor(2 * rows * width));
  const bytes = 64 * Math.ceil((8 * width + 64) / 64);
  const blocks = parts.map(({ from, size }, i): Word[] => [
    moved(startOf(ct), from * width),
    moved(startOf(x), from * width),
    startOf(w),
    moved(startOf(output), from * width),
    size,
    width,
    floatWord(attrs.eps as number),
    { common: bytes * i },
  ]);
  const common = bytes * parts.length;
  const dw = moved(startOf(output), rows * width);
  return [
    { kernel: gradientKernel, blocks, common },
    { kernel: weightKernel, blocks: [[{ common: 0 }, parts.length, bytes, dw, width]], common },
  ];
};
