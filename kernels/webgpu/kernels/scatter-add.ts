import { sizeOf } from "../../../core/index.js";
import type { CallStep } from "../../plan/steps.js";
import { builder, type Kernel, scratch } from "../wgsl/module.js";
import { indent } from "../wgsl/walk.js";
import type { Lowering } from "./lowering.js";

const SORTERS = 128;
const DIGITS = 16;

/**
 * Sorts (row, position) pairs by row, stably, in one workgroup: a radix sort by four bits a pass. Every invocation owns
 * one run of consecutive elements, so that equal rows keep the order of their positions. Rows outside become `rows`.
 * Scratch 0: rows, positions, and both again: [4, n].
 */
const sortKernel = ({ inputs: [ids], output }: CallStep, n: number): Kernel => {
  const rows = output.shape[0];
  const k = builder("scatterAdd-sort");
  const index = k.buffer(ids.buffer, "i32", "read");
  const work = k.buffer(scratch(0), "u32", "write");
  const [count, limit] = [k.param(n), k.param(rows)];
  k.declare(`var<workgroup> counts: array<u32, ${DIGITS * SORTERS}>;`); // [digit][sorter]
  k.declare(`var<workgroup> digit_totals: array<u32, ${DIGITS}>;`);
  const bits = Math.ceil(Math.log2(rows + 1));
  const passes = 2 * Math.ceil(bits / 8); // an even number, so that the result lies where it began
  const body = [
    `let run = (${count} + ${SORTERS - 1}u) / ${SORTERS}u;`,
    `let begin = min(lane * run, ${count});`,
    `let end = min(begin + run, ${count});`,
    "for (var i = begin; i < end; i++) {",
    `  let id = ${index.load(`${k.param(ids.offset)} + i`)};`,
    `  ${work.store("i", `select(${limit}, u32(id), id >= 0 && u32(id) < ${limit})`)}`,
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

/**
 * For adapters that run on the CPU: a list of positions for each row, made by one invocation from the last position to the
 * first; then one invocation a (row, column) goes along its list. Scratch 0: first position of each row, then the next one.
 */
const listKernels = ({ inputs: [ids, updates], dtypes, output }: CallStep, n: number, size: number): Kernel[] => {
  const rows = output.shape[0];
  const k = builder("scatterAdd-list");
  const index = k.buffer(ids.buffer, "i32", "read");
  const work = k.buffer(scratch(0), "u32", "write");
  const [count, limit] = [k.param(n), k.param(rows)];
  const listing = [
    `for (var r = 0u; r < ${limit}; r++) { ${work.store("r", count)} }`,
    `for (var left = ${count}; left > 0u; left--) {`,
    "  let i = left - 1u;",
    `  let id = ${index.load(`${k.param(ids.offset)} + i`)};`,
    `  if (id >= 0 && u32(id) < ${limit}) {`,
    `    ${work.store(`${limit} + i`, work.load("u32(id)"))}`,
    `    ${work.store("u32(id)", "i")}`,
    "  }",
    "}",
  ];
  const s = builder("scatterAdd-walk");
  const lists = s.buffer(scratch(0), "u32", "read");
  const source = s.buffer(updates.buffer, dtypes[1], "read");
  const out = s.buffer(output.buffer, "f32", "write");
  const width = s.param(size / rows);
  const end = s.param(n);
  const adding = [
    "let item = group * 64u + lane;",
    `if (item >= ${s.param(size)}) { return; }`,
    "var total = 0.0;",
    `for (var i = ${lists.load(`item / ${width}`)}; i < ${end}; i = ${lists.load(`${s.param(rows)} + i`)}) {`,
    `  total += ${source.load(`${s.param(updates.offset)} + i * ${width} + item % ${width}`)};`,
    "}",
    out.store(`${s.param(output.offset)} + item`, "total"),
  ];
  return [
    k.finish({ workgroupSize: 1, workgroups: 1, body: indent(listing) }),
    s.finish({ workgroupSize: 64, workgroups: Math.ceil(size / 64), body: indent(adding) }),
  ];
};

/**
 * Zeros, then sums by row: positions are sorted by row first, so that one invocation adds the updates of one (row, column)
 * in the order of their positions. Deterministic without atomics; O(n) for n ids, whatever the number of rows.
 */
export const scatterAddKernels = (step: CallStep, lowering: Lowering): Kernel[] => {
  const {
    inputs: [ids, updates],
    dtypes,
    output,
  } = step;
  const size = sizeOf(output.shape);
  if (size === 0) return [];
  const n = sizeOf(ids.shape);
  const width = sizeOf(output.shape.slice(1));

  const zero = builder("scatterAdd-zero");
  const cleared = zero.buffer(output.buffer, "f32", "write");
  const zeroBody = [
    "let i = group * 64u + lane;",
    `if (i < ${zero.param(size)}) { ${cleared.store(`${zero.param(output.offset)} + i`, "0.0")} }`,
  ];
  const clear = zero.finish({ workgroupSize: 64, workgroups: Math.ceil(size / 64), body: indent(zeroBody) });
  if (n === 0) return [clear];
  if (!lowering.wide) {
    lowering.scratch(0, output.shape[0] + n);
    return listKernels(step, n, size);
  }
  lowering.scratch(0, 4 * n);

  const k = builder("scatterAdd-sum");
  const sorted = k.buffer(scratch(0), "u32", "read");
  const source = k.buffer(updates.buffer, dtypes[1], "read");
  const out = k.buffer(output.buffer, "f32", "write");
  const [count, widthText, rows] = [k.param(n), k.param(width), k.param(output.shape[0])];
  const body = [
    "let item = group * 64u + lane;",
    `let column = item % ${widthText};`,
    `let first = item / ${widthText};`,
    `if (first >= ${count}) { return; }`,
    `let row = ${sorted.load("first")};`,
    `if (row >= ${rows}) { return; }`,
    `if (first > 0u) { if (${sorted.load("first - 1u")} == row) { return; } }`,
    "var total = 0.0;",
    "var i = first;",
    "loop {",
    `  let stop = min(i + 32u, ${count});`,
    "  var part = 0.0;",
    "  for (; i < stop; i++) {",
    `    if (${sorted.load("i")} != row) { break; }`,
    `    part += ${source.load(`${k.param(updates.offset)} + ${sorted.load(`${count} + i`)} * ${widthText} + column`)};`,
    "  }",
    "  total += part;",
    `  if (i >= ${count}) { break; }`,
    `  if (${sorted.load("i")} != row) { break; }`,
    "}",
    out.store(`${k.param(output.offset)} + row * ${widthText} + column`, "total"),
  ];
  const sum = k.finish({ workgroupSize: 64, workgroups: Math.ceil((n * width) / 64), body: indent(body) });
  return [sortKernel(step, n), clear, sum];
};
