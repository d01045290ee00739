import { type DType, type ReduceName, sizeOf, stridesOf } from "../../../core/index.js";
import { collapse } from "../../plan/collapse.js";
import type { ReduceStep, View } from "../../plan/steps.js";
import { emitBody } from "../wgsl/emit.js";
import { type Builder, builder, type Kernel, scratch } from "../wgsl/module.js";
import { indent, plus, walk } from "../wgsl/walk.js";
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

/** How a reduction of `kept` × `reduced` is cut: chunks of `length`, one partial result each. */
interface Cut {
  readonly chunks: number;
  readonly length: number;
  /** Invocations that share one chunk: 1, or a workgroup. */
  readonly lanes: number;
}

/** Enough chunks to keep the device busy, no chunk so long that its sum loses digits. */
const cutOf = (kept: number, reduced: number, rows: boolean, wide: boolean): Cut => {
  const lanes = wide && rows && reduced >= 128 ? (reduced >= 1024 ? 256 : 64) : 1;
  const busy = wide ? 2 ** 15 : 64; // invocations wanted
  const longest = lanes > 1 ? lanes * 64 : BLOCK * BLOCK;
  const shortest = lanes > 1 ? lanes * 16 : wide ? 64 : 256;
  const wanted = Math.max(Math.ceil(busy / (kept * lanes)), Math.ceil(reduced / longest));
  const length = Math.min(reduced, Math.max(shortest, Math.ceil(reduced / wanted)), longest);
  return { chunks: Math.ceil(reduced / length), length, lanes };
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
    return mapKernels({ kind: "map", shape: step.kept, inputs: [], body: [zero], outputs });
  }
  const k = builder(`reduce-${step.reduce}`);
  const iotas = step.body.flatMap((it) => (it.op === "iota" ? [it.strides] : []));
  const space = collapse(
    { shape: [...step.kept, ...step.reduced], strides: [...step.inputs.map((view) => view.strides), ...iotas] },
    [step.kept.length],
  );
  const axis = splitAt(space.shape, kept);
  const rank = space.shape.length;
  const rows = step.inputs.some((_, i) => rank > axis && space.strides[i][rank - 1] === 1);
  const cut = cutOf(kept, reduced, rows, lowering.wide);
  const { lanes, chunks } = cut;

  const outer = walk(
    k,
    space.shape.slice(0, axis),
    space.strides.map((s) => s.slice(0, axis)),
    "row",
    "c",
  );
  const inner = walk(
    k,
    space.shape.slice(axis),
    space.strides.map((s) => s.slice(axis)),
    "r",
    "d",
  );
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

  const partial: View = { buffer: scratch(level), shape: [chunks, ...step.kept], strides: [], offset: 0 };
  const target = chunks === 1 ? step.output : partial;
  const store = k.buffer(target.buffer, step.dtype, "write").store(`${k.param(target.offset)} + item`, "total");

  const items = kept * chunks;
  const [keptText, lengthText] = [k.param(kept), k.param(cut.length)];
  const head = [
    lanes === 1 ? `let item = group * 64u + lane;` : "let item = group;",
    `if (item >= ${k.param(items)}) { return; }`,
    `let row = item % ${keptText};`,
    `let begin = item / ${keptText} * ${lengthText};`,
    `let end = min(begin + ${lengthText}, ${k.param(reduced)});`,
    ...outer.lines,
    ...bases,
    `var total = ${start(k, step.reduce, step.dtype)};`,
  ];
  const term = combine(k, step.reduce, "part", `v${step.value}`);
  const joined = combine(k, step.reduce, "total", "part");
  const loop =
    lanes === 1
      ? [
          `for (var block = begin; block < end; block += ${BLOCK}u) {`,
          `  let stop = min(block + ${BLOCK}u, end);`,
          `  var part = ${start(k, step.reduce, step.dtype)};`,
          "  for (var r = block; r < stop; r++) {",
          ...[...inner.lines, ...values, `part = ${term};`].map((line) => `    ${line}`),
          "  }",
          `  total = ${joined};`,
          "}",
          store,
        ]
      : [
          `var part = ${start(k, step.reduce, step.dtype)};`,
          `for (var r = begin + lane; r < end; r += ${lanes}u) {`,
          ...[...inner.lines, ...values, `part = ${term};`].map((line) => `  ${line}`),
          "}",
          "shared_parts[lane] = part;",
          ...tree(k, step.reduce, lanes),
          "total = shared_parts[0];",
          `if (lane == 0u) { ${store} }`,
        ];
  if (lanes > 1) k.declare(`var<workgroup> shared_parts: array<${step.dtype}, ${lanes}>;`);
  const workgroups = lanes === 1 ? Math.ceil(items / 64) : items;
  const kernel = k.finish({ workgroupSize: Math.max(lanes, 64), workgroups, body: indent([...head, ...loop]) });
  if (chunks === 1) return [kernel];
  lowering.scratch(level, items);
  const again: ReduceStep = {
    ...step,
    reduced: [chunks],
    inputs: [{ ...partial, shape: [...step.kept, chunks], strides: [...stridesOf(step.kept), kept] }],
    body: [{ op: "load", input: 0, dtype: step.dtype }],
    value: 0,
  };
  return [kernel, ...reduceKernels(again, lowering, level + 1)];
};

/** Halving steps in workgroup memory: the same order at every run. */
const tree = (k: Builder, reduce: ReduceName, lanes: number): string[] => [
  `for (var half = ${lanes / 2}u; half > 0u; half = half >> 1u) {`,
  "  workgroupBarrier();",
  `  if (lane < half) { shared_parts[lane] = ${combine(k, reduce, "shared_parts[lane]", "shared_parts[lane + half]")}; }`,
  "}",
  "workgroupBarrier();",
];
