import type { CallStep } from "../../plan/steps.js";
import { startOf } from "../emit/map.js";
import { blocksFor, cut, fixedKernel, type Launch, moved, type Word } from "../launch.js";
import { exp } from "../math/f32.js";
import { mathCall } from "../math/functions.js";
import { eachVector, insideOr, rowMax, scaleRow, sumOfLanes } from "../rows.js";
import type { I32 } from "../wasm/expression.js";
import type { Body, Local } from "../wasm/module.js";
import { f32, f32x4, i32, times4, v128 } from "../wasm/ops.js";
import { shiftedExp } from "./softmax.js";

/** Σ e^(x - max x) of a row, nothing written. */
const sumExp = (body: Body, x: I32, width: I32, most: Local<"v128">): Local<"v128"> => {
  const total = body.let(f32x4.splatConst(0));
  eachVector(body, width, [x], (left, at) =>
    body.set(total, f32x4.add(total, insideOr(body, exp(body, f32x4.sub(v128.load(at), most)), left, 0))),
  );
  return body.let(f32x4.splat(sumOfLanes(body, total)));
};

const lossWords = ["logits", "target", "out", "from", "rows", "width", "size"] as const;
const lossKernel = fixedKernel("crossEntropy", lossWords, (body, arg) => {
  const { logits, target, out, from, rows, width, size } = arg;
  const bytes = body.let(times4(width));
  const first = body.let(i32.mul(from, width)); // flat index of the row
  const x = body.let(i32.add(logits, times4(first)));
  const index = body.local("i32");
  const hit = body.local("f32");
  body.times(rows, () => {
    const most = rowMax(body, x, width);
    const logSum = body.let(mathCall(body, "log", sumExp(body, x, width, most)));
    // As the expansion gathers from all logits: an index outside them counts as 0.
    body.set(index, i32.add(first, i32.load(target)));
    body.set(hit, f32.const(0));
    body.if(i32.lt_u(index, size), () => body.set(hit, f32.load(i32.add(logits, times4(index)))));
    // The large parts first: they cancel where the target is the likeliest.
    const above = f32.sub(f32x4.extract_lane(most, 0), hit);
    body.do(f32.store(out, f32.add(above, f32x4.extract_lane(logSum, 0))));
    body.advance(x, bytes);
    body.advance(first, width);
    body.advance(target, 4);
    body.advance(out, 4);
  });
});

/** dlogits = ct · (softmax - onehot(target)): first ct · softmax … */
const softmaxKernel = fixedKernel("crossEntropy.vjp", ["ct", "logits", "out", "rows", "width"], (body, arg) => {
  const { ct, logits, out, rows, width } = arg;
  const bytes = body.let(times4(width));
  body.times(rows, () => {
    const total = shiftedExp(body, logits, out, width, rowMax(body, logits, width));
    scaleRow(body, out, width, body.let(f32x4.splat(f32.div(f32.load(ct), total))));
    body.advance(logits, bytes);
    body.advance(out, bytes);
    body.advance(ct, 4);
  });
});

/** … then ct · onehot, by one thread: a target that is no column lies in another row. */
const onehotKernel = fixedKernel("crossEntropy.vjp onehot", ["ct", "target", "out", "rows", "width"], (body, arg) => {
  const { ct, target, out, rows, width } = arg;
  const size = body.let(i32.mul(rows, width));
  const first = body.let(i32.const(0));
  const index = body.local("i32");
  body.times(rows, () => {
    body.set(index, i32.add(first, i32.load(target)));
    body.if(i32.lt_u(index, size), () => {
      body.set(index, i32.add(out, times4(index)));
      body.do(f32.store(index, f32.sub(f32.load(index), f32.load(ct))));
    });
    body.advance(first, width);
    body.advance(target, 4);
    body.advance(ct, 4);
  });
});

export const launchCrossEntropy = ({ inputs: [logits, target], output }: CallStep): Launch[] => {
  const [rows, width] = logits.shape;
  const blocks = cut(rows, blocksFor(1.5 * rows * width)).map(({ from, size }): Word[] => [
    startOf(logits),
    moved(startOf(target), from),
    moved(startOf(output), from),
    from,
    size,
    width,
    rows * width,
  ]);
  return [{ kernel: lossKernel, blocks }];
};

export const launchCrossEntropyGradient = ({ inputs: [ct, logits, target], output }: CallStep): Launch[] => {
  const [rows, width] = logits.shape;
  const blocks = cut(rows, blocksFor(2 * rows * width)).map(({ from, size }): Word[] => [
    moved(startOf(ct), from),
    moved(startOf(logits), from * width),
    moved(startOf(output), from * width),
    size,
    width,
  ]);
  return [
    { kernel: softmaxKernel, blocks },
    { kernel: onehotKernel, blocks: [[startOf(ct), startOf(target), startOf(output), rows, width]] },
  ];
};
