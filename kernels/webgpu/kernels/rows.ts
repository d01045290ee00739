import { type DType, sizeOf } from "../../../core/index.js";
import type { CallStep, Instruction, ReduceStep, View } from "../../plan/steps.js";
import { type Builder, builder, type Kernel, scratch } from "../wgsl/module.js";
import { indent } from "../wgsl/walk.js";
import { type Rowed, rowParts } from "../windows/rows.js";
import type { Lowering } from "./lowering.js";
import { reduceKernels } from "./reduce.js";

/** A kernel over rows [rows, width]: lines that see `row`, and loop over `j`. */
interface Rows {
  readonly k: Builder;
  readonly width: string;
  /** `name` = Σ or max over j of the value that `lines` compute. */
  readonly total: (name: string, kind: "sum" | "max", value: string, lines?: readonly string[]) => string[];
  /** For every j, once all of the above is known. */
  readonly each: (lines: readonly string[]) => string[];
  /** By one invocation of the row. */
  readonly once: (line: string) => string;
  readonly finish: (lines: readonly string[]) => Kernel;
}

/** A row belongs to one invocation, or on GPUs to a workgroup whose invocations take every n-th element. */
const rowsKernel = (label: string, rows: number, width: number, lowering: Lowering): Rows => {
  const k = builder(label);
  const lanes = !lowering.wide ? 1 : width > 512 ? 256 : 64;
  const widthText = k.param(width);
  if (lanes > 1) k.declare(`var<workgroup> parts: array<f32, ${lanes}>;`);

  const total: Rows["total"] = (name, kind, value, lines = []) => {
    const start = kind === "sum" ? "0.0" : `-${k.helper("infinity")}()`;
    const join = (x: string, y: string) => (kind === "sum" ? `${x} + ${y}` : `${k.helper("max_nan")}(${x}, ${y})`);
    if (lanes === 1)
      return [
        `var ${name} = ${start};`,
        `for (var block = 0u; block < ${widthText}; block += 32u) {`, // blocks: long sums keep their digits
        `  var part = ${start};`,
        `  for (var j = block; j < min(block + 32u, ${widthText}); j++) {`,
        ...lines.map((line) => `    ${line}`),
        `    part = ${join("part", value)};`,
        "  }",
        `  ${name} = ${join(name, "part")};`,
        "}",
      ];
    return [
      `var ${name} = ${start};`,
      `for (var j = lane; j < ${widthText}; j += ${lanes}u) {`,
      ...lines.map((line) => `  ${line}`),
      `  ${name} = ${join(name, value)};`,
      "}",
      "workgroupBarrier();", // the parts of the last total have been read
      `parts[lane] = ${name};`,
      `for (var half = ${lanes / 2}u; half > 0u; half = half >> 1u) {`,
      "  workgroupBarrier();",
      `  if (lane < half) { parts[lane] = ${join("parts[lane]", "parts[lane + half]")}; }`,
      "}",
      "workgroupBarrier();",
      `${name} = parts[0];`,
    ];
  };

  return {
    k,
    width: widthText,
    total,
    each: (lines) => [
      `for (var j = ${lanes === 1 ? "0u" : "lane"}; j < ${widthText}; j += ${lanes}u) {`,
      ...lines.map((line) => `  ${line}`),
      "}",
    ],
    once: (line) => (lanes === 1 ? line : `if (lane == 0u) { ${line} }`),
    finish: (lines) => {
      const head = [
        lanes === 1 ? "let row = group * 64u + lane;" : "let row = group;",
        `if (row >= ${k.param(rows)}) { return; }`,
      ];
      const workgroups = lanes === 1 ? Math.ceil(rows / 64) : rows;
      return k.finish({ workgroupSize: lanes === 1 ? 64 : lanes, workgroups, body: indent([...head, ...lines]) });
    },
  };
};

/** [rows, width] of a view, by its last axis. */
const rowsOf = ({ shape }: View): [number, number] => {
  const width = shape[shape.length - 1];
  return [width === 0 ? 0 : sizeOf(shape) / width, width];
};

/** Reads element (row, j) of a view. */
const reader = ({ k, width }: Rows, view: View, dtype: DType): string =>
  k.buffer(view.buffer, dtype, "read").load(`${k.param(view.offset)} + row * ${width} + j`);

/** Writes element (row, j) of a view. */
const writer = ({ k, width }: Rows, view: View) => {
  const out = k.buffer(view.buffer, "f32", "write");
  return (value: string): string => out.store(`${k.param(view.offset)} + row * ${width} + j`, value);
};

/** So many numbers of a view belong to a row; undefined: all of them to every row. */
const along = (view: View, numbers: number | undefined, dtype: DType = "f32"): Rowed => ({
  view,
  along: numbers,
  dtype,
});
/** So many of them are written. */
const written = (view: View, numbers: number): Rowed => ({ view, along: numbers, isWritten: true });

/** eˣ / Σ eˣ, shifted by the largest. Tolerance of all kernels here: that of their sums (reduce.ts) and of exp_f, log_f. */
export const softmaxKernels = (step: CallStep, lowering: Lowering): Kernel[] => {
  const [x] = step.inputs;
  const [rows, width] = rowsOf(x);
  if (rows === 0) return [];
  const [xType] = step.dtypes;
  const over = [along(x, width, xType), written(step.output, width)];
  return rowParts("softmax", rows, over, lowering.windows).map(({ rows: some, views: [from, to] }) => {
    const r = rowsKernel("softmax", some, width, lowering);
    const exp = r.k.helper("exp_f");
    const read = reader(r, from, xType);
    return r.finish([
      ...r.total("top", "max", read),
      ...r.total("sum", "sum", `${exp}(${read} - top)`),
      ...r.each([writer(r, to)(`${exp}(${read} - top) / sum`)]),
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
    const r = rowsKernel("softmax.vjp", some, width, lowering);
    const exp = r.k.helper("exp_f");
    const [readCt, read] = [reader(r, upstream, ctType), reader(r, from, xType)];
    return r.finish([
      ...r.total("top", "max", read),
      ...r.total("sum", "sum", `${exp}(${read} - top)`),
      ...r.total("dot", "sum", `${exp}(${read} - top) * ${readCt}`),
      ...r.each([writer(r, to)(`${exp}(${read} - top) / sum * (${readCt} - dot / sum)`)]),
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
    const r = rowsKernel("rmsnorm", some, width, lowering);
    const read = reader(r, from, xType);
    const weight = r.k.buffer(weights.buffer, wType, "read").load(`${r.k.param(weights.offset)} + j`);
    return r.finish([
      ...r.total("squares", "sum", "x * x", [`let x = ${read};`]),
      `let scale = ${r.k.helper("rsqrt_f")}(squares / f32(${r.width}) + ${r.k.floatParam(step.attrs.eps as number)});`,
      ...r.each([writer(r, to)(`${read} * scale * ${weight}`)]),
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
    const r = rowsKernel("rmsnorm.vjp", some, width, lowering);
    const [readCt, read] = [reader(r, upstream, ctType), reader(r, from, xType)];
    const weight = r.k.buffer(weights.buffer, wType, "read").load(`${r.k.param(weights.offset)} + j`);
    const kept = r.k.buffer(notes.buffer, "f32", "write").store(`${r.k.param(notes.offset)} + row`, "scale");
    return r.finish([
      ...r.total("squares", "sum", "x * x", [`let x = ${read};`]),
      ...r.total("dot", "sum", `${readCt} * ${weight} * ${read}`),
      `let scale = ${r.k.helper("rsqrt_f")}(squares / f32(${r.width}) + ${r.k.floatParam(step.attrs.eps as number)});`,
      `let slope = scale * scale * dot / f32(${r.width});`,
      ...r.each([writer(r, to)(`scale * (${readCt} * ${weight} - ${read} * slope)`)]),
      r.once(kept),
    ]);
  });
  return [...kernels, ...reduceKernels(weightGradient, lowering, 1)];
};

/** loss = log Σ e^logits - logits[target], row by row. */
export const crossEntropyKernels = (step: CallStep, lowering: Lowering): Kernel[] => {
  const [logits, target] = step.inputs;
  const [rows, width] = rowsOf(logits);
  if (rows === 0) return [];
  const [logitsType] = step.dtypes;
  const over = [along(logits, width, logitsType), along(target, 1), written(step.output, 1)];
  return rowParts("crossEntropy", rows, over, lowering.windows).map(({ rows: some, views: [from, ids, to] }) => {
    const r = rowsKernel("crossEntropy", some, width, lowering);
    const { k } = r;
    const read = reader(r, from, logitsType);
    const id = k.buffer(ids.buffer, "i32", "read").load(`${k.param(ids.offset)} + row`);
    const picked = k
      .buffer(from.buffer, logitsType, "read")
      .load(`${k.param(from.offset)} + row * ${r.width} + u32(id)`);
    const out = k.buffer(to.buffer, "f32", "write");
    return r.finish([
      ...r.total("top", "max", read),
      ...r.total("sum", "sum", `${k.helper("exp_f")}(${read} - top)`),
      `let id = ${id};`,
      "var chosen = 0.0;",
      `if (id >= 0 && u32(id) < ${r.width}) { chosen = ${picked}; }`,
      r.once(out.store(`${k.param(to.offset)} + row`, `(top - chosen) + ${k.helper("log_f")}(sum)`)),
    ]);
  });
};

/** dlogits = ct · (softmax(logits) - onehot(target)). */
export const crossEntropyGradientKernels = (step: CallStep, lowering: Lowering): Kernel[] => {
  const [ct, logits, target] = step.inputs;
  const [rows, width] = rowsOf(logits);
  if (rows === 0) return [];
  const [ctType, logitsType] = step.dtypes;
  const over = [
    ...[along(ct, 1, ctType), along(logits, width, logitsType), along(target, 1)],
    written(step.output, width),
  ];
  return rowParts("crossEntropy.vjp", rows, over, lowering.windows).map(({ rows: some, views }) => {
    const [cts, from, ids, to] = views;
    const r = rowsKernel("crossEntropy.vjp", some, width, lowering);
    const { k } = r;
    const exp = k.helper("exp_f");
    const read = reader(r, from, logitsType);
    const id = k.buffer(ids.buffer, "i32", "read").load(`${k.param(ids.offset)} + row`);
    const upstream = k.buffer(cts.buffer, ctType, "read").load(`${k.param(cts.offset)} + row`);
    return r.finish([
      ...r.total("top", "max", read),
      ...r.total("sum", "sum", `${exp}(${read} - top)`),
      `let id = ${id};`,
      `let ct = ${upstream};`,
      ...r.each([writer(r, to)(`ct * (${exp}(${read} - top) / sum - select(0.0, 1.0, i32(j) == id))`)]),
    ]);
  });
};
