import type { DType } from "../../../core/index.js";
import type { CallStep, Instruction, ReduceStep, View } from "../../plan/steps.js";
import { type Kernel, scratch } from "../wgsl/module.js";
import { rowParts } from "../windows/rows.js";
import type { Lowering } from "./lowering.js";
import { reduceKernels } from "./reduce.js";
import { along, rowsKernel, rowsOf, written } from "./rows-kernel.js";

/** eˣ / Σ eˣ, shifted by the largest. Tolerance of all kernels here: that of their sums (reduce.ts) and of exp_f, log_f. */
export const softmaxKernels = (step: CallStep, lowering: Lowering): Kernel[] => {
  const [x] = step.inputs;
  const [rows, width] = rowsOf(x);
  if (rows === 0) return [];
  const [xType] = step.dtypes;
  const over = [along(x, width, xType), written(step.output, width)];
  return rowParts("softmax", rows, over, lowering.windows).map(({ rows: some, views: [from, to] }) => {
    const r = rowsKernel("softmax", some, width, lowering, [from, to]);
    const exp = r.k.helper("exp_f");
    const read = r.read(from, xType);
    return r.finish([
      ...r.totals("max", { top: read }),
      ...r.totals("sum", { sum: `${exp}(${read} - top)` }),
      ...r.each([r.write(to)(`${exp}(${read} - top) / sum`)]),
    ]);
  });
};

/** dx = y ∘ (ct - Σ ct ∘ y), y recomputed. */
export const softmaxGradientKernels = (step: CallStep, lowering: Lowering): Kernel[] => {
  const [ct, x] = step.inputs;
  const [rows, width] = rowsOf(x);
  if (rows === 0) return [];
  const [ctType, xType] = step.dtypes;
  const over = [along(ct, width, ctType), along(x, width, xType), written(step.output, width)];
  return rowParts("softmax.vjp", rows, over, lowering.windows).map(({ rows: some, views: [upstream, from, to] }) => {
    const r = rowsKernel("softmax.vjp", some, width, lowering, [upstream, from, to]);
    const exp = r.k.helper("exp_f");
    const [readCt, read] = [r.read(upstream, ctType), r.read(from, xType)];
    return r.finish([
      ...r.totals("max", { top: read }),
      ...r.totals("sum", { sum: `${exp}(${read} - top)`, dot: `${exp}(${read} - top) * ${readCt}` }),
      ...r.each([r.write(to)(`${exp}(${read} - top) / sum * (${readCt} - dot / sum)`)]),
    ]);
  });
};

/** y = x / rms(x) · w. */
export const rmsnormKernels = (step: CallStep, lowering: Lowering): Kernel[] => {
  const [x, w] = step.inputs;
  const [rows, width] = rowsOf(x);
  if (rows === 0) return [];
  const [xType, wType] = step.dtypes;
  const over = [along(x, width, xType), along(w, undefined, wType), written(step.output, width)];
  return rowParts("rmsnorm", rows, over, lowering.windows).map(({ rows: some, views: [from, weights, to] }) => {
    const r = rowsKernel("rmsnorm", some, width, lowering, [from, weights, to]);
    const [read, weight] = [r.read(from, xType), r.read(weights, wType, "of all rows")];
    return r.finish([
      ...r.totals("sum", { squares: `${read} * ${read}` }),
      `let scale = ${r.k.helper("rsqrt_f")}(squares / f32(${r.width}) + ${r.k.floatParam(step.attrs.eps as number)});`,
      ...r.each([r.write(to)(`${read} * scale * ${weight}`)]),
    ]);
  });
};

/**
 * With s = 1/rms(x): dx = s·(ct∘w) - x·s³·mean(ct∘w∘x), dw = Σ rows ct∘x·s. Keeps only s, a number a row (scratch 0); the sum
 * over rows is an ordinary column reduction.
 */
export const rmsnormGradientKernels = (step: CallStep, lowering: Lowering): Kernel[] => {
  const [ct, x, w] = step.inputs;
  const [rows, width] = rowsOf(x);
  const dw: View = { ...step.output, shape: [width], strides: [1], offset: step.output.offset + rows * width };
  const [ctType, xType, wType] = step.dtypes;
  const load = (input: number, dtype: DType): Instruction => ({ op: "load", input, dtype });
  const times = (a: number, b: number): Instruction => ({ op: "mul", args: [a, b], dtype: "f32", from: "f32" });
  const weightGradient: ReduceStep = {
    kind: "reduce",
    reduce: "sum",
    dtype: "f32",
    kept: [width],
    reduced: [rows],
    inputs: [
      { ...ct, shape: [width, rows], strides: [1, width] },
      { ...x, shape: [width, rows], strides: [1, width] },
      { buffer: scratch(0), shape: [width, rows], strides: [0, 1], offset: 0 },
    ],
    body: [load(0, ctType), load(1, xType), load(2, "f32"), times(0, 1), times(3, 2)],
    value: 4,
    output: dw,
  };
  if (rows === 0) return reduceKernels({ ...weightGradient, inputs: [] }, lowering, 1);
  lowering.scratch(0, rows);
  const scales: View = { buffer: scratch(0), shape: [rows], strides: [1], offset: 0 };
  const over = [
    ...[along(ct, width, ctType), along(x, width, xType), along(w, undefined, wType)],
    ...[written(step.output, width), written(scales, 1)],
  ];
  const kernels = rowParts("rmsnorm.vjp", rows, over, lowering.windows).map(({ rows: some, views }) => {
    const [upstream, from, weights, to, notes] = views;
    const r = rowsKernel("rmsnorm.vjp", some, width, lowering, [upstream, from, weights, to]);
    const [readCt, read] = [r.read(upstream, ctType), r.read(from, xType)];
    const weight = r.read(weights, wType, "of all rows");
    const kept = r.k.buffer(notes.buffer, "f32", "write").store(`${r.k.param(notes.offset)} + row`, "scale");
    return r.finish([
      ...r.totals("sum", { squares: `${read} * ${read}`, dot: `${readCt} * ${weight} * ${read}` }),
      `let scale = ${r.k.helper("rsqrt_f")}(squares / f32(${r.width}) + ${r.k.floatParam(step.attrs.eps as number)});`,
      `let slope = scale * scale * dot / f32(${r.width});`,
      ...r.each([r.write(to)(`scale * (${readCt} * ${weight} - ${read} * slope)`)]),
      r.once(kept),
    ]);
  });
  return [...kernels, ...reduceKernels(weightGradient, lowering, 1)];
};
