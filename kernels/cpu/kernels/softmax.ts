import { sizeOf } from "../../../core/index.js";
import type { CallStep } from "../../plan/steps.js";
import { startOf } from "../emit/map.js";
import { blocksFor, cut, fixedKernel, type Launch, moved, type Word } from "../launch.js";
import { exp } from "../math/f32.js";
import { eachVector, insideOr, rowMax, scaleRow, storeSome, sumOfLanes } from "../rows.js";
import type { I32 } from "../wasm/expression.js";
import type { Body, Local } from "../wasm/module.js";
import { f32, f32x4, times4, v128 } from "../wasm/ops.js";

/** Writes e^(x - max x) and gives the sum. */
export const shiftedExp = (body: Body, from: I32, to: I32, count: I32, most: Local<"v128">): Local<"f32"> => {
  const total = body.let(f32x4.splatConst(0));
  eachVector(body, count, [from, to], (left, x, y) => {
    const e = insideOr(body, exp(body, f32x4.sub(v128.load(x), most)), left, 0);
    body.set(total, f32x4.add(total, e));
    storeSome(body, y, e, left);
  });
  return body.let(sumOfLanes(body, total));
};

const softmaxKernel = fixedKernel("softmax", ["x", "out", "rows", "width"], (body, { x, out, rows, width }) => {
  const bytes = body.let(times4(width));
  body.times(rows, () => {
    const total = shiftedExp(body, x, out, width, rowMax(body, x, width));
    scaleRow(body, out, width, body.let(f32x4.splat(f32.div(f32.const(1), total))));
    body.advance(x, bytes);
    body.advance(out, bytes);
  });
});

/** dx = y · (ct - Σ ct·y), y computed again. */
const gradientKernel = fixedKernel("softmax.vjp", ["ct", "x", "out", "rows", "width"], (body, arg) => {
  const { ct, x, out, rows, width } = arg;
  const bytes = body.let(times4(width));
  body.times(rows, () => {
    const total = shiftedExp(body, x, out, width, rowMax(body, x, width));
    const factor = body.let(f32x4.splat(f32.div(f32.const(1), total)));
    const dot = body.let(f32x4.splatConst(0));
    eachVector(body, width, [ct, out], (left, c, e) =>
      body.set(dot, f32x4.add(dot, insideOr(body, f32x4.mul(v128.load(c), v128.load(e)), left, 0))),
    );
    const mean = body.let(f32x4.mul(f32x4.splat(sumOfLanes(body, dot)), factor));
    eachVector(body, width, [ct, out], (left, c, e) => {
      const y = f32x4.mul(v128.load(e), factor);
      storeSome(body, e, f32x4.mul(y, f32x4.sub(v128.load(c), mean)), left);
    });
    for (const pointer of [ct, x, out]) body.advance(pointer, bytes);
  });
});

/** Rows and width of the last axis. */
export const rowsOf = (shape: readonly number[]): [number, number] => [
  sizeOf(shape.slice(0, -1)),
  shape[shape.length - 1],
];

export const launchSoftmax = ({ inputs, output }: CallStep): Launch[] => {
  const [rows, width] = rowsOf(inputs[0].shape);
  const blocks = cut(rows, blocksFor(2 * rows * width)).map(({ from, size }): Word[] => [
    ...[...inputs, output].map((view) => moved(startOf(view), from * width)),
    size,
    width,
  ]);
  return [{ kernel: softmaxKernel, blocks }];
};

export const launchSoftmaxGradient = ({ inputs, output }: CallStep): Launch[] => {
  const [rows, width] = rowsOf(inputs[0].shape);
  const blocks = cut(rows, blocksFor(3 * rows * width)).map(({ from, size }): Word[] => [
    ...[...inputs, output].map((view) => moved(startOf(view), from * width)),
    size,
    width,
  ]);
  return [{ kernel: gradientKernel, blocks }];
};
