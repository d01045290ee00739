import { type DType, sizeOf } from "../../../core/index.js";
import type { CallStep, MapStep, View } from "../../plan/steps.js";
import { builder, type Kernel, scratch } from "../wgsl/module.js";
import { indent } from "../wgsl/walk.js";
import { rowParts, stretchOf } from "../windows/rows.js";
import type { Lowering } from "./lowering.js";
import { mapKernels } from "./map.js";
import { listKernels } from "./scatter-list.js";
import { based, type Part, rowAt } from "./scatter-part.js";

const SORTERS = 128;
const DIGITS = 16;

/**
 * Sorts (row, position) pairs by row, stably, in one workgroup: a radix sort by four bits a pass. Every invocation owns
 * one run of consecutive elements, so that equal rows keep the order of their positions. Rows outside become `rows`.
 * `work` is then rows, positions, and room for both again: [4, n].
 */
const sortKernel = (part: Part): Kernel => {
  const { ids, rows, work: words } = part;
  const k = builder("scatterAdd-sort");
  const row = rowAt(k, part, "i");
  const work = based(k, words, "write");
  const count = k.param(sizeOf(ids.shape));
  k.declare(`var<workgroup> counts: array<u32, ${DIGITS * SORTERS}>;`); // [digit][sorter]
  k.declare(`var<workgroup> digit_totals: array<u32, ${DIGITS}>;`);
  const bits = Math.ceil(Math.log2(rows + 1));
  const passes = 2 * Math.ceil(bits / 8); // an even number, so that the result lies where it began
  const body = [
    `let run = (${count} + ${SORTERS - 1}u) / ${SORTERS}u;`,
    `let begin = min(lane * run, ${count});`,
    `let end = min(begin + run, ${count});`,
    "for (var i = begin; i < end; i++) {",
    `  ${work.store("i", row)}`,
    `  ${work.store(`${count} + i`, "i")}`,
    "}",
    `for (var turn = 0u; turn < ${k.param(passes)}; turn++) {`,
    `  let here = (turn & 1u) * 2u * ${count};`,
    `  let there = 2u * ${count} - here;`,
    `  for (var d = 0u; d < ${DIGITS}u; d++) { counts[d * ${SORTERS}u + lane] = 0u; }`,
    "  for (var i = begin; i < end; i++) {",
    `    let digit = (${work.load("here + i")} >> (turn * 4u)) & 15u;`,
    `    counts[digit * ${SORTERS}u + lane]++;`,
    "  }",
    "  workgroupBarrier();",
    `  if (lane < ${DIGITS}u) {`,
    "    var sum = 0u;",
    `    for (var j = 0u; j < ${SORTERS}u; j++) {`,
    `      let c = counts[lane * ${SORTERS}u + j];`,
    `      counts[lane * ${SORTERS}u + j] = sum;`,
    "      sum += c;",
    "    }",
    "    digit_totals[lane] = sum;",
    "  }",
    "  workgroupBarrier();",
    "  var before = 0u;",
    `  for (var d = 0u; d < ${DIGITS}u; d++) {`,
    `    counts[d * ${SORTERS}u + lane] += before;`,
    "    before += digit_totals[d];",
    "  }",
    "  for (var i = begin; i < end; i++) {",
    `    let key = ${work.load("here + i")};`,
    `    let slot = ((key >> (turn * 4u)) & 15u) * ${SORTERS}u + lane;`,
    "    let place = counts[slot];",
    "    counts[slot] = place + 1u;",
    `    ${work.store("there + place", "key")}`,
    `    ${work.store(`there + ${count} + place`, work.load(`here + ${count} + i`))}`,
    "  }",
    "  storageBarrier();",
    "  workgroupBarrier();",
    "}",
  ];
  return k.finish({ workgroupSize: SORTERS, workgroups: 1, body: indent(body) });
};

/** Terms that are added up before they join a total: long sums keep their digits. */
const BLOCK = 32;

/**
 * Adds up sorted positions: the invocation of (row, column) at the row's first position goes along. Where positions are
 * cut, `pending` holds the sums of unfinished blocks, then how many terms each has had: twice the result's size.
 */
const sumKernel = (
  { ids, updates, dtype, output, rows, work, adds }: Part,
  pending?: readonly [sums: View, terms: View],
): Kernel => {
  const n = sizeOf(ids.shape);
  const width = sizeOf(output.shape) / rows;
  const k = builder("scatterAdd-sum");
  const sorted = based(k, work, "read");
  const source = k.buffer(updates.buffer, dtype, "read");
  const out = k.buffer(output.buffer, "f32", "write");
  const [count, widthText] = [k.param(n), k.param(width)];
  const at = `${k.param(output.offset)} + row * ${widthText} + column`;
  const term = source.load(`${k.param(updates.offset)} + ${sorted.load(`${count} + i`)} * ${widthText} + column`);
  const head = [
    "let item = group * 64u + lane;",
    `let column = item % ${widthText};`,
    `let first = item / ${widthText};`,
    `if (first >= ${count}) { return; }`,
    `let row = ${sorted.load("first")};`,
    `if (row >= ${k.param(rows)}) { return; }`,
    `if (first > 0u) { if (${sorted.load("first - 1u")} == row) { return; } }`,
  ];
  const finish = (lines: readonly string[]) =>
    k.finish({ workgroupSize: 64, workgroups: Math.ceil((n * width) / 64), body: indent([...head, ...lines]) });
  if (pending === undefined)
    return finish([
      "var total = 0.0;",
      "var i = first;",
      "loop {",
      `  let stop = min(i + ${BLOCK}u, ${count});`,
      "  var part = 0.0;",
      "  for (; i < stop; i++) {",
      `    if (${sorted.load("i")} != row) { break; }`,
      `    part += ${term};`,
      "  }",
      "  total += part;",
      `  if (i >= ${count}) { break; }`,
      `  if (${sorted.load("i")} != row) { break; }`,
      "}",
      out.store(at, adds ? `${out.load(at)} + total` : "total"),
    ]);
  const [parts, terms] = [k.buffer(pending[0].buffer, "f32", "write"), k.buffer(pending[1].buffer, "u32", "write")];
  const place = `${k.param(pending[0].offset)} + row * ${widthText} + column`;
  const termPlace = `${k.param(pending[1].offset)} + row * ${widthText} + column`;
  return finish([
    `var total = ${out.load(at)};`,
    `var part = ${parts.load(place)};`,
    `var had = ${terms.load(termPlace)};`,
    `for (var i = first; i < ${count}; i++) {`,
    `  if (${sorted.load("i")} != row) { break; }`,
    `  if (had == ${BLOCK}u) {`,
    "    total += part;",
    "    part = 0.0;",
    "    had = 0u;",
    "  }",
    `  part += ${term};`,
    "  had++;",
    "}",
    out.store(at, "total"),
    parts.store(place, "part"),
    terms.store(termPlace, "had"),
  ]);
};

const filled = (view: View, dtype: DType): MapStep => {
  const zero = { op: "constant", value: 0, dtype } as const;
  return { kind: "map", shape: view.shape, inputs: [], body: [zero], outputs: [{ value: 0, view, dtype }] };
};

/** Sums of rows by id. */
export interface RowSums {
  readonly ids: View;
  readonly updates: View;
  /** How the updates are stored. */
  readonly dtype: DType;
  readonly output: View;
  /** Are they added to what lies in the result? Else it is made anew. */
  readonly adds: boolean;
}

/** Runs of positions that kernels bind at once, with the ids, the updates and room to sort them. */
const positionsOf = (
  { ids, updates, dtype, output }: Omit<RowSums, "adds">,
  { wide, windows, scratch: room }: Lowering,
) => {
  const n = sizeOf(ids.shape);
  const each = wide ? 4 : 1;
  const index = wide ? 0 : 1;
  const work: View = { ...{ buffer: scratch(index), shape: [each * n], strides: [1] }, offset: room(index, each * n) };
  return rowParts(
    "scatterAdd",
    n,
    [
      { view: ids, along: 1 },
      { view: updates, along: sizeOf(output.shape.slice(1)), dtype },
      { view: work, along: each, isWritten: true },
    ],
    windows,
  );
};

/** Can all positions be taken at once? */
export const takesAllAtOnce = (sums: Omit<RowSums, "adds">, lowering: Lowering): boolean =>
  positionsOf(sums, lowering).length <= 1;

/**
 * Zeros, then sums by row: positions are sorted by row first, so that one invocation adds the updates of one (row, column)
 * in the order of their positions. Deterministic without atomics; O(n) for n ids, whatever the number of rows. Result and
 * updates may be larger than a window: each run of rows takes all positions, run by run. Only where all are taken at once can
 * sums be added to what is there.
 */
export const rowSumKernels = (of: RowSums, lowering: Lowering): Kernel[] => {
  const { ids, dtype, output, adds } = of;
  const { wide, windows } = lowering;
  const [size, n] = [sizeOf(output.shape), sizeOf(ids.shape)];
  if (size === 0) return [];
  const width = sizeOf(output.shape.slice(1));
  const isCleared = !adds && (wide || n === 0);
  const clear = isCleared ? mapKernels(filled(stretchOf(output, 0, size), "f32"), lowering) : [];
  if (n === 0) return clear;
  const positions = positionsOf(of, lowering);
  const runs = rowParts("scatterAdd", output.shape[0], [{ view: output, along: width, isWritten: true }], windows);
  const kernels = runs.flatMap(({ from, rows, views: [to] }) => {
    if (!wide) lowering.scratch(0, rows);
    const parts = positions.map(
      ({ from: at, views }): Part => ({
        ...{ first: from, rows, ids: views[0], updates: views[1], dtype },
        ...{ output: to, work: views[2], continues: at > 0, adds },
      }),
    );
    if (!wide) return parts.flatMap(listKernels);
    if (parts.length === 1) return [sortKernel(parts[0]), sumKernel(parts[0])];
    const pending = [1, 2].map((i) =>
      stretchOf({ ...to, buffer: scratch(i), offset: lowering.scratch(i, rows * width) }, 0, rows * width),
    );
    const [sums, terms] = pending;
    const whole = stretchOf(output, from * width, rows * width);
    return [
      ...mapKernels(filled(sums, "f32"), lowering),
      ...mapKernels(filled(terms, "u32"), lowering),
      ...parts.flatMap((part) => [sortKernel(part), sumKernel(part, [sums, terms])]),
      ...mapKernels(added(whole, "f32", sums, whole), lowering),
    ];
  });
  return [...clear, ...kernels];
};

export const scatterAddKernels = ({ inputs: [ids, updates], dtypes, output }: CallStep, lowering: Lowering): Kernel[] =>
  rowSumKernels({ ids, updates, dtype: dtypes[1], output, adds: false }, lowering);

/** What lies in x, stored as `dtype`, plus what lies in f32 y. */
export const added = (x: View, dtype: DType, y: View, to: View): MapStep => ({
  ...{ kind: "map", shape: to.shape, inputs: [x, y] },
  body: [
    { op: "load", input: 0, dtype },
    { op: "load", input: 1, dtype: "f32" },
    { op: "add", args: [0, 1], dtype: "f32", from: "f32" },
  ],
  outputs: [{ value: 2, view: to, dtype: "f32" }],
});
