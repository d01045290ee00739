import { type DType, sizeOf } from "../../../core/index.js";
import type { CallStep, View } from "../../plan/steps.js";
import { type Builder, builder, type Kernel, scratch } from "../wgsl/module.js";
import { indent } from "../wgsl/walk.js";
import { rowParts } from "../windows/rows.js";
import { writes } from "../windows/windows.js";
import type { Lowering } from "./lowering.js";

/** Scratch 0: the threshold so far, how many are still wanted at it, ties counted so far, then 2048 bins. Scratch 1: ties by chunk. */
const THRESHOLD = "0u";
const WANTED = "1u";
const COUNTED = "2u";
const BINS = 2048;
const BINS_AT = 16;
const STATE = BINS_AT + BINS;
const CHUNK = 64;
/** The 31 bits of a magnitude, from the top: [bits below, bits]. */
const PASSES = [
  [20, 11],
  [9, 11],
  [0, 9],
] as const;

/** The numbers as magnitude bits of f32, by address: they order like |x|. */
const magnitudes = (k: Builder, { buffer }: View, dtype: DType): ((address: string) => string) => {
  const { load } = k.buffer(buffer, dtype, "read");
  return (address) => `(bitcast<u32>(${load(address)}) & 0x7fffffffu)`;
};

const clearKernel = (count: number): Kernel => {
  const k = builder("topk-clear");
  const state = k.buffer(scratch(0), "u32", "write");
  const body = [
    `let i = group * 64u + lane;`,
    `if (i < ${STATE}u) { ${state.store("i", `select(0u, ${k.param(count)}, i == ${WANTED})`)} }`,
  ];
  return k.finish({ workgroupSize: 64, workgroups: Math.ceil(STATE / 64), body: indent(body) });
};

/** Counts the next digit of the elements that agree with the threshold so far. Integer atomics: any order, one result. */
const histogramKernel = (x: View, dtype: DType, shift: number, bits: number, wide: boolean): Kernel => {
  const size = sizeOf(x.shape);
  const k = builder("topk-histogram");
  const magnitude = magnitudes(k, x, dtype);
  const state = k.buffer(scratch(0), "u32", "atomic");
  const lanes = wide ? 256 : 1;
  const workgroups = Math.min(Math.ceil(size / (lanes * 16)), wide ? 512 : 64);
  const above = shift + bits;
  const count = (bin: string) => (wide ? `atomicAdd(&bins[${bin}], 1u);` : state.add(`${BINS_AT}u + ${bin}`, "1u"));
  if (wide) k.declare(`var<workgroup> bins: array<atomic<u32>, ${BINS}>;`);
  const body = [
    `let threshold = ${state.load(THRESHOLD)};`,
    ...(wide
      ? [`for (var b = lane; b < ${BINS}u; b += ${lanes}u) { atomicStore(&bins[b], 0u); }`, "workgroupBarrier();"]
      : []),
    `for (var i = group * ${lanes}u + lane; i < ${k.param(size)}; i += ${k.param(workgroups * lanes)}) {`,
    `  let bits = ${magnitude(`${k.param(x.offset)} + i`)};`,
    above > 30
      ? `  ${count(`(bits >> ${shift}u)`)}`
      : `  if ((bits >> ${above}u) == (threshold >> ${above}u)) { ${count(`((bits >> ${shift}u) & ${2 ** bits - 1}u)`)} }`,
    "}",
    ...(wide
      ? [
          "workgroupBarrier();",
          `for (var b = lane; b < ${BINS}u; b += ${lanes}u) {`,
          "  let c = atomicLoad(&bins[b]);",
          `  if (c > 0u) { ${state.add(`${BINS_AT}u + b`, "c")} }`,
          "}",
        ]
      : []),
  ];
  return k.finish({ workgroupSize: lanes, workgroups, body: indent(body) });
};

/** One workgroup: adds up runs of `each` values in parallel, then one invocation goes over the sums. */
const summed = (k: Builder, lanes: number, each: string, value: (i: string) => string): string[] => {
  k.declare(`var<workgroup> sums: array<u32, ${lanes}>;`);
  return [
    "var sum = 0u;",
    `for (var i = lane * ${each}; i < (lane + 1u) * ${each}; i++) { sum += ${value("i")}; }`,
    "sums[lane] = sum;",
    "workgroupBarrier();",
  ];
};

/** Finds the digit at which the wanted count is reached, from the top; clears the bins. */
const selectKernel = (shift: number, wide: boolean): Kernel => {
  const k = builder("topk-select");
  const state = k.buffer(scratch(0), "u32", "write");
  const lanes = wide ? 256 : 1;
  const each = BINS / lanes;
  const bin = (i: string) => `${BINS_AT + BINS - 1}u - (${i})`; // largest digit first
  const body = [
    ...summed(k, lanes, `${each}u`, (i) => state.load(bin(i))),
    "if (lane == 0u) {",
    `  var wanted = ${state.load(WANTED)};`,
    "  var run = 0u;",
    `  while (run < ${lanes - 1}u && sums[run] < wanted) { wanted -= sums[run]; run++; }`,
    `  var i = run * ${each}u;`,
    `  loop {`,
    `    let c = ${state.load(bin("i"))};`,
    `    if (c >= wanted || i == ${BINS - 1}u) { break; }`,
    "    wanted -= c;",
    "    i++;",
    "  }",
    `  ${state.store(WANTED, "wanted")}`,
    `  ${state.store(THRESHOLD, `${state.load(THRESHOLD)} | ((${BINS - 1}u - i) << ${k.param(shift)})`)}`,
    "}",
    "storageBarrier();",
    "workgroupBarrier();",
    `for (var b = lane; b < ${BINS}u; b += ${lanes}u) { ${state.store(`${BINS_AT}u + b`, "0u")} }`,
  ];
  return k.finish({ workgroupSize: lanes, workgroups: 1, body: indent(body) });
};

/** Elements exactly at the threshold, by chunk. */
const tieKernel = (x: View, dtype: DType, ties: View): Kernel => {
  const [size, chunks] = [x, ties].map(({ shape }) => sizeOf(shape));
  const k = builder("topk-ties");
  const magnitude = magnitudes(k, x, dtype);
  const state = k.buffer(scratch(0), "u32", "read");
  const out = k.buffer(ties.buffer, "u32", "write");
  const body = [
    "let chunk = group * 64u + lane;",
    `if (chunk >= ${k.param(chunks)}) { return; }`,
    `let threshold = ${state.load(THRESHOLD)};`,
    "var ties = 0u;",
    `for (var i = chunk * ${CHUNK}u; i < min(chunk * ${CHUNK}u + ${CHUNK}u, ${k.param(size)}); i++) {`,
    `  if (${magnitude(`${k.param(x.offset)} + i`)} == threshold) { ties++; }`,
    "}",
    out.store(`${k.param(ties.offset)} + chunk`, "ties"),
  ];
  return k.finish({ workgroupSize: 64, workgroups: Math.ceil(chunks / 64), body: indent(body) });
};

/** Ties before each chunk: a running sum in place, window by window. */
const scanKernel = (ties: View, wide: boolean): Kernel => {
  const chunks = sizeOf(ties.shape);
  const k = builder("topk-scan");
  const state = k.buffer(scratch(0), "u32", "write");
  const counts = k.buffer(ties.buffer, "u32", "write");
  const lanes = wide ? 256 : 1;
  const each = k.param(Math.ceil(chunks / lanes));
  const [total, offset] = [k.param(chunks), k.param(ties.offset)];
  const value = (i: string) => `select(0u, ${counts.load(`${offset} + ${i}`)}, ${i} < ${total})`;
  const body = [
    `var before = ${state.load(COUNTED)};`,
    "storageBarrier();",
    ...summed(k, lanes, each, value),
    "for (var j = 0u; j < lane; j++) { before += sums[j]; }",
    `if (lane == ${lanes - 1}u) { ${state.store(COUNTED, "before + sums[lane]")} }`,
    `for (var i = lane * ${each}; i < min((lane + 1u) * ${each}, ${total}); i++) {`,
    `  let ties = ${counts.load(`${offset} + i`)};`,
    `  ${counts.store(`${offset} + i`, "before")}`,
    "  before += ties;",
    "}",
  ];
  return k.finish({ workgroupSize: lanes, workgroups: 1, body: indent(body) });
};

const markKernel = (x: View, dtype: DType, ties: View, output: View): Kernel => {
  const size = sizeOf(x.shape);
  const k = builder("topk-mark");
  const magnitude = magnitudes(k, x, dtype);
  const state = k.buffer(scratch(0), "u32", "read");
  const counts = k.buffer(ties.buffer, "u32", "read");
  const out = k.buffer(output.buffer, "bool", "write");
  const offset = k.param(x.offset);
  const body = [
    "let i = group * 64u + lane;",
    `if (i >= ${k.param(size)}) { return; }`,
    `let threshold = ${state.load(THRESHOLD)};`,
    `let bits = ${magnitude(`${offset} + i`)};`,
    "var marked = bits > threshold;",
    "if (bits == threshold && bits != 0u) {",
    `  var rank = ${counts.load(`${k.param(ties.offset)} + i / ${CHUNK}u`)};`,
    `  for (var j = i / ${CHUNK}u * ${CHUNK}u; j < i; j++) {`,
    `    if (${magnitude(`${offset} + j`)} == threshold) { rank++; }`,
    "  }",
    `  marked = rank < ${state.load(WANTED)};`,
    "}",
    out.store(`${k.param(output.offset)} + i`, "marked"),
  ];
  return k.finish({ workgroupSize: 64, workgroups: Math.ceil(size / 64), body: indent(body) });
};

/**
 * Marks the k largest magnitudes: the k-th one is found exactly, digit by digit, with three histograms of its bits; ties go
 * to the lower index. Linear in the size; no sort. Each pass goes over the tensor window by window.
 */
export const topkMaskKernels = (step: CallStep, { wide, windows, scratch: ask }: Lowering): Kernel[] => {
  const [[x], [dtype]] = [step.inputs, step.dtypes];
  const size = sizeOf(step.output.shape);
  if (size === 0) return [];
  const chunks = Math.ceil(size / CHUNK);
  ask(0, STATE);
  ask(1, chunks);
  const state = { buffer: scratch(0), shape: [STATE], strides: [1], offset: 0 };
  const ties = { buffer: scratch(1), shape: [chunks], strides: [1], offset: 0 };
  if (!windows.fits([writes(state)])) windows.refuse("topkMask", [writes(state)]);
  const scanned = rowParts("topkMask", chunks, [{ view: ties, along: 1, isWritten: true }], windows);
  const over = [
    { view: x, along: CHUNK, dtype },
    { view: ties, along: 1, isWritten: true },
    { view: step.output, along: CHUNK, isWritten: true },
  ];
  const parts = rowParts("topkMask", chunks, over, windows).map(({ views }) => views);
  return [
    clearKernel(step.attrs.k as number),
    ...PASSES.flatMap(([shift, bits]) => [
      ...parts.map(([from]) => histogramKernel(from, dtype, shift, bits, wide)),
      selectKernel(shift, wide),
    ]),
    ...parts.map(([from, counts]) => tieKernel(from, dtype, counts)),
    ...scanned.map(({ views: [counts] }) => scanKernel(counts, wide)),
    ...parts.map(([from, counts, to]) => markKernel(from, dtype, counts, to)),
  ];
};
