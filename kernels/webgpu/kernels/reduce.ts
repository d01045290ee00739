import { type DType, type ReduceName, sizeOf, stridesOf } from "../../../core/index.js";
import { collapse } from "../../plan/access/collapse.js";
import { isContiguous } from "../../plan/access/strided.js";
import type { ReduceStep, View } from "../../plan/steps.js";
import { emitBody } from "../wgsl/emit.js";
import { type Builder, builder, type Kernel, scratch } from "../wgsl/module.js";
import { indent, plus, walk } from "../wgsl/walk.js";
import { type Chunking, type ReducePart, reduceParts } from "../windows/reduce.js";
import type { Lowering } from "./lowering.js";
import { mapKernels } from "./map.js";

/** Terms that one invocation adds up in a row: more than that loses digits, and leaves the other invocations idle. */
const BLOCK = 32;

const start = (k: Builder, reduce: ReduceName, dtype: DType): string =>
  reduce === "max" ? `-${k.helper("infinity")}()` : `${dtype}(0)`;

const combine = (k: Builder, reduce: ReduceName, x: string, y: string): string =>
  reduce === "max" ? `${k.helper("max_nan")}(${x}, ${y})` : `${x} + ${y}`;

/** Splits collapsed axes where the kept ones end. */
const splitAt = (shape: readonly number[], kept: number): number => {
  let axis = 0;
  for (let size = 1; size < kept; axis++) size *= shape[axis];
  return axis;
};

/**
 * Chunks short enough to keep the device busy, and that no sum loses digits. No function of how many results there are: one must
 * not depend on those beside it.
 */
const chunkingOf = (reduced: number, rows: boolean, wide: boolean): Chunking => {
  const lanes = wide && rows && reduced >= 128 ? (reduced >= 1024 ? 256 : 64) : 1;
  const most = lanes > 1 ? lanes * 16 : wide && reduced > 128 ? 64 : BLOCK * BLOCK;
  const length = Math.min(reduced, most);
  return { chunks: Math.ceil(reduced / length), length, lanes };
};

/** What one kernel adds up, of one part of a reduction. */
const reduceKernel = ({ step, chunking, first, chunks, target, terms }: ReducePart): Kernel => {
  const kept = sizeOf(step.kept);
  const { lanes, length } = chunking;
  const k = builder(`reduce-${step.reduce}`);
  const iotas = step.body.flatMap((it) => (it.op === "iota" ? [it.strides] : []));
  const [targetStep, ...targetStrides] = target.strides;
  const isDense = isContiguous(target);
  const stored = isDense ? [] : [[...targetStrides, ...step.reduced.map(() => 0)]];
  const space = collapse(
    {
      shape: [...step.kept, ...step.reduced],
      strides: [...step.inputs.map((view) => view.strides), ...iotas, ...stored],
    },
    [step.kept.length],
  );
  const axis = splitAt(space.shape, kept);
  const walked = (from: number, to: number, flat: string, prefix: string) =>
    walk(
      k,
      space.shape.slice(from, to),
      space.strides.map((s) => s.slice(from, to)),
      flat,
      prefix,
    );
  const outer = walked(0, axis, "row", "c");
  const inner = walked(axis, space.shape.length, "r", "d");
  let seen = 0;
  const values = emitBody(k, step.body, (position) => {
    const it = step.body[position];
    if (it.op === "iota") {
      const at = step.inputs.length + seen++;
      return `${it.dtype}(${plus(outer.offsets[at], inner.offsets[at])})`;
    }
    if (it.op !== "load") return "";
    return k
      .buffer(step.inputs[it.input].buffer, it.dtype, "read")
      .load(plus(`base${it.input}`, inner.offsets[it.input]));
  });
  const bases = step.inputs.map((view, i) => `let base${i} = ${plus(k.param(view.offset), outer.offsets[i])};`);
  const evaluated = [...inner.lines, ...values];
  const out = k.buffer(target.buffer, step.dtype, "write");
  const items = kept * chunks;
  const [keptText, offset] = [k.param(kept), k.param(target.offset)];
  const identity = start(k, step.reduce, step.dtype);
  const term = combine(k, step.reduce, "part", `v${step.value}`);
  const joined = combine(k, step.reduce, "total", "part");
  const indented = (lines: readonly string[], spaces: number) => lines.map((line) => " ".repeat(spaces) + line);
  const head = [
    lanes === 1 ? `let item = group * 64u + lane;` : "let item = group;",
    `if (item >= ${k.param(items)}) { return; }`,
    `let row = item % ${keptText};`,
    ...outer.lines,
    ...bases,
  ];
  const finish = (lines: readonly string[]): Kernel => {
    const workgroups = lanes === 1 ? Math.ceil(items / 64) : items;
    return k.finish({ workgroupSize: Math.max(lanes, 64), workgroups, body: indent([...head, ...lines]) });
  };
  if (terms !== undefined) {
    const begin = first * length;
    const [from, to, place] = [k.param(terms.from), k.param(terms.to), k.param(terms.from - begin)];
    const sum = (i: string) => `${offset} + ${i} * ${keptText} + row`;
    const resumed = (name: string, i: string) => `if (${place} > 0u) { ${name} = ${out.load(sum(i))}; }`;
    if (lanes === 1)
      return finish([
        `var total = ${identity};`,
        `var part = ${identity};`,
        resumed("total", "0u"),
        resumed("part", "1u"),
        `for (var r = ${from}; r < ${to}; r++) {`,
        `  if ((r - ${from} + ${place}) % ${BLOCK}u == 0u && r - ${from} + ${place} > 0u) {`,
        `    total = ${joined};`,
        `    part = ${identity};`,
        "  }",
        ...indented([...evaluated, `part = ${term};`], 2),
        "}",
        out.store(sum("0u"), "total"),
        out.store(sum("1u"), "part"),
      ]);
    return finish([
      `var part = ${identity};`,
      resumed("part", "lane"),
      `for (var r = ${from} + (lane + ${lanes}u - ${place} % ${lanes}u) % ${lanes}u; r < ${to}; r += ${lanes}u) {`,
      ...indented([...evaluated, `part = ${term};`], 2),
      "}",
      out.store(sum("lane"), "part"),
    ]);
  }
  const lengthText = k.param(length);
  const stride = stored.length === 0 ? undefined : outer.offsets[space.strides.length - 1];
  const address = stride === undefined ? "item" : plus(`item / ${keptText} * ${k.param(targetStep)}`, stride);
  const store = out.store(`${offset} + ${address}`, "total");
  const limits = [
    `let begin = (${k.param(first)} + item / ${keptText}) * ${lengthText};`,
    `let end = min(begin + ${lengthText}, ${k.param(sizeOf(step.reduced))});`,
    `var total = ${identity};`,
  ];
  if (lanes === 1)
    return finish([
      ...limits,
      `for (var block = begin; block < end; block += ${BLOCK}u) {`,
      `  let stop = min(block + ${BLOCK}u, end);`,
      `  var part = ${identity};`,
      "  for (var r = block; r < stop; r++) {",
      ...indented([...evaluated, `part = ${term};`], 4),
      "  }",
      `  total = ${joined};`,
      "}",
      store,
    ]);
  k.declare(`var<workgroup> shared_parts: array<${step.dtype}, ${lanes}>;`);
  return finish([
    ...limits,
    `var part = ${identity};`,
    `for (var r = begin + lane; r < end; r += ${lanes}u) {`,
    ...indented([...evaluated, `part = ${term};`], 2),
    "}",
    "shared_parts[lane] = part;",
    ...tree(k, step.reduce, lanes),
    "total = shared_parts[0];",
    `if (lane == 0u) { ${store} }`,
  ]);
};

/**
 * Sums or maxima over the last axes, always in the same order: no atomics. Long reductions go by chunks through scratch
 * memory, chunk results [chunks, kept] being reduced in turn. Invocations side by side take kept indices side by side, so
 * that column reductions read memory in order; rows are shared by a workgroup where that is fast.
 * Tolerance: a term passes at most 72 additions a level, and two levels reach a million terms: the error is at most 144
 * roundings of Σ|x| up to there.
 */
export const reduceKernels = (step: ReduceStep, lowering: Lowering, level = 0): Kernel[] => {
  const kept = sizeOf(step.kept);
  const reduced = sizeOf(step.reduced);
  if (kept === 0) return [];
  if (reduced === 0) {
    const zero = { op: "constant", value: 0, dtype: step.dtype } as const;
    const outputs = [{ value: 0, view: step.output, dtype: step.dtype }];
    return mapKernels({ kind: "map", shape: step.kept, inputs: [], body: [zero], outputs }, lowering);
  }
  const { shape, strides } = collapse({
    shape: step.reduced,
    strides: step.inputs.map((view) => view.strides.slice(step.kept.length)),
  });
  const chunking = chunkingOf(
    reduced,
    strides.some((s) => s[shape.length - 1] === 1),
    lowering.wide,
  );
  const { chunks } = chunking;
  const dense = stridesOf(step.kept);
  const from = chunks > 1 ? lowering.scratch(level, chunks * kept) : 0;
  const partial: View = {
    buffer: scratch(level),
    shape: [chunks, ...step.kept],
    strides: [kept, ...dense],
    offset: from,
  };
  const whole: View = { ...step.output, shape: [1, ...step.kept], strides: [0, ...step.output.strides] };
  const state = { buffer: scratch(level + 1), offset: lowering.scratch(level + 1, 0) };
  const parts = reduceParts(step, chunking, chunks === 1 ? whole : partial, state, lowering.windows);
  for (const { terms, target } of parts) if (terms !== undefined) lowering.scratch(level + 1, sizeOf(target.shape));
  const kernels = parts.map(reduceKernel);
  if (chunks === 1) return kernels;
  const again: ReduceStep = {
    ...step,
    reduced: [chunks],
    inputs: [{ ...partial, shape: [...step.kept, chunks], strides: [...dense, kept] }],
    body: [{ op: "load", input: 0, dtype: step.dtype }],
    value: 0,
  };
  return [...kernels, ...reduceKernels(again, lowering, level + 1)];
};

/** Halving steps in workgroup memory: the same order at every run. */
const tree = (k: Builder, reduce: ReduceName, lanes: number): string[] => [
  `for (var half = ${lanes / 2}u; half > 0u; half = half >> 1u) {`,
  "  workgroupBarrier();",
  `  if (lane < half) { shared_parts[lane] = ${combine(k, reduce, "shared_parts[lane]", "shared_parts[lane + half]")}; }`,
  "}",
  "workgroupBarrier();",
];
