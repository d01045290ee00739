import { type DType, sizeOf } from "../../../core/index.js";
import type { CallStep, Instruction, ReduceStep, View } from "../../plan/steps.js";
import { type Builder, builder, type Kernel, scratch } from "../wgsl/module.js";
import { indent } from "../wgsl/walk.js";
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

/** eˣ / Σ eˣ, shifted by the largest. Tolerance of all kernels here: that of their sums (reduce.ts) and of exp_f, log_f. */
export const softmaxKernels = (step: CallStep, lowering: Lowering): Kernel[] => {
  const [x] = step.inputs;
  const [rows, width] = rowsOf(x);
  if (rows === 0) return [];
  const r = rowsKernel("softmax", rows, width, lowering);
  const exp = r.k.helper("exp_f");
  const read = reader(r, x, step.dtypes[0]);
  const out = r.k.buffer(step.output.buffer, "f32", "write");
  return [
    r.finish([
      ...r.total("top", "max", read),
      ...r.total("sum", "sum", `${exp}(${read} - top)`),
      ...r.each([out.store(`${r.k.param(step.output.offset)} + row * ${r.width} + j`, `${exp}(${read} - top) / sum`)]),
    ]),
  ];
};

/** dx = y ∘ (ct - Σ ct ∘ y), y recomputed. */
export const softmaxGradientKernels = (step: CallStep, lowering: Lowering): Kernel[] => {
  const [ct, x] = step.inputs;
  const [rows, width] = rowsOf(x);
  if (rows === 0) return [];
  const r = rowsKernel("softmax.vjp", rows, width, lowering);
  const exp = r.k.helper("exp_f");
  const [readCt, read] = [reader(r, ct, step.dtypes[0]), reader(r, x, step.dtypes[1])];
  const out = r.k.buffer(step.output.buffer, "f32", "write");
  const value = `${exp}(${read} - top) / sum * (${readCt} - dot / sum)`;
  return [
    r.finish([
      ...r.total("top", "max", read),
      ...r.total("sum", "sum", `${exp}(${read} - top)`),
      ...r.total("dot", "sum", `${exp}(${read} - top) * ${readCt}`),
      ...r.each([out.store(`${r.k.param(step.output.offset)} + row * ${r.width} + j`, value)]),
    ]),
  ];
};

/** y = x / rms(x) · w. */
export const rmsnormKernels = (step: CallStep, lowering: Lowering): Kernel[] => {
  const [x, w] = step.inputs;
  const [rows, width] = rowsOf(x);
  if (rows === 0) return [];
  const r = rowsKernel("rmsnorm", rows, width, lowering);
  const read = reader(r, x, step.dtypes[0]);
  const weight = r.k.buffer(w.buffer, step.dtypes[1], "read").load(`${r.k.param(w.offset)} + j`);
  const out = r.k.buffer(step.output.buffer, "f32", "write");
  return [
    r.finish([
      ...r.total("squares", "sum", "x * x", [`let x = ${read};`]),
      `let scale = inverseSqrt(squares / f32(${r.width}) + ${r.k.floatParam(step.attrs.eps as number)});`,
      ...r.each([out.store(`${r.k.param(step.output.offset)} + row * ${r.width} + j`, `${read} * scale * ${weight}`)]),
    ]),
  ];
};

/**
 * With s = 1/rms(x): dx = s·(ct∘w) - x·s³·mean(ct∘w∘x), dw = Σ rows ct∘x·s. Keeps only s, a number a row (scratch 0); the sum
 * over rows is an ordinary column reduction.
 */
export const rmsnormGradientKernels = (step: CallStep, lowering: Lowering): Kernel[] => {
  const [ct, x, w] = step.inputs;
  const [ctType, xType, wType] = step.dtypes;
  const [rows, width] = rowsOf(x);
  const dw: View = { ...step.output, shape: [width], strides: [1], offset: step.output.offset + rows * width };
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
  const r = rowsKernel("rmsnorm.vjp", rows, width, lowering);
  const [readCt, read] = [reader(r, ct, ctType), reader(r, x, xType)];
  const weight = r.k.buffer(w.buffer, wType, "read").load(`${r.k.param(w.offset)} + j`);
  const out = r.k.buffer(step.output.buffer, "f32", "write");
  const scales = r.k.buffer(scratch(0), "f32", "write");
  const value = `scale * (${readCt} * ${weight} - ${read} * slope)`;
  const kernel = r.finish([
    ...r.total("squares", "sum", "x * x", [`let x = ${read};`]),
    ...r.total("dot", "sum", `${readCt} * ${weight} * ${read}`),
    `let scale = inverseSqrt(squares / f32(${r.width}) + ${r.k.floatParam(step.attrs.eps as number)});`,
    `let slope = scale * scale * dot / f32(${r.width});`,
    ...r.each([out.store(`${r.k.param(step.output.offset)} + row * ${r.width} + j`, value)]),
    r.once(scales.store("row", "scale")),
  ]);
  return [kernel, ...reduceKernels(weightGradient, lowering, 1)];
};

/** loss = log Σ e^logits - logits[target], row by row. */
export const crossEntropyKernels = (step: CallStep, lowering: Lowering): Kernel[] => {
  const [logits, target] = step.inputs;
  const [rows, width] = rowsOf(logits);
  if (rows === 0) return [];
  const r = rowsKernel("crossEntropy", rows, width, lowering);
  const { k } = r;
  const read = reader(r, logits, step.dtypes[0]);
  const id = k.buffer(target.buffer, "i32", "read").load(`${k.param(target.offset)} + row`);
  const picked = k
    .buffer(logits.buffer, step.dtypes[0], "read")
    .load(`${k.param(logits.offset)} + row * ${r.width} + u32(id)`);
  const out = k.buffer(step.output.buffer, "f32", "write");
  return [
    r.finish([
      ...r.total("top", "max", read),
      ...r.total("sum", "sum", `${k.helper("exp_f")}(${read} - top)`),
      `let id = ${id};`,
      "var chosen = 0.0;",
      `if (id >= 0 && u32(id) < ${r.width}) { chosen = ${picked}; }`,
      r.once(out.store(`${k.param(step.output.offset)} + row`, `(top - chosen) + ${k.helper("log_f")}(sum)`)),
    ]),
  ];
};

/** dlogits = ct · (softmax(logits) - onehot(target)). */
export const crossEntropyGradientKernels = (step: CallStep, lowering: Lowering): Kernel[] => {
  const [ct, logits, target] = step.inputs;
  const [rows, width] = rowsOf(logits);
  if (rows === 0) return [];
  const r = rowsKernel("crossEntropy.vjp", rows, width, lowering);
  const { k } = r;
  const exp = k.helper("exp_f");
  const read = reader(r, logits, step.dtypes[1]);
  const id = k.buffer(target.buffer, "i32", "read").load(`${k.param(target.offset)} + row`);
  const upstream = k.buffer(ct.buffer, step.dtypes[0], "read").load(`${k.param(ct.offset)} + row`);
  const out = k.buffer(step.output.buffer, "f32", "write");
  const value = `ct * (${exp}(${read} - top) / sum - select(0.0, 1.0, i32(j) == id))`;
  return [
    r.finish([
      ...r.total("top", "max", read),
      ...r.total("sum", "sum", `${exp}(${read} - top)`),
      `let id = ${id};`,
      `let ct = ${upstream};`,
      ...r.each([out.store(`${k.param(step.output.offset)} + row * ${r.width} + j`, value)]),
    ]),
  ];
};
