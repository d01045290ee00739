import { sizeOf } from "../../../core/index.js";
import type { View } from "../../plan/steps.js";
import { builder, type Kernel, scratch } from "../wgsl/module.js";
import { indent } from "../wgsl/walk.js";
import { stretchOf } from "../windows/rows.js";
import { added, filled } from "./fills.js";
import type { RowSumming } from "./lowering.js";
import { mapKernels } from "./map.js";
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

/** For GPUs: positions are sorted by row first, so that one invocation adds the updates of one (row, column) in their order. */
export const sortedSums: RowSumming = {
  ...{ each: 4, room: 0, addsToZeros: true },
  kernels: (parts, whole, lowering) => {
    const [first] = parts;
    if (parts.length === 1) return [sortKernel(first), sumKernel(first)];
    const size = sizeOf(whole.shape);
    const pending = [1, 2].map((i) =>
      stretchOf({ ...first.output, buffer: scratch(i), offset: lowering.scratch(i, size) }, 0, size),
    );
    const [sums, terms] = pending;
    return [
      ...mapKernels(filled(sums, "f32"), lowering),
      ...mapKernels(filled(terms, "u32"), lowering),
      ...parts.flatMap((part) => [sortKernel(part), sumKernel(part, [sums, terms])]),
      ...mapKernels(added(whole, "f32", sums, whole), lowering),
    ];
  },
};
