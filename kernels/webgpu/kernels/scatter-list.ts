import { sizeOf } from "../../../core/index.js";
import { builder, type Kernel, scratch } from "../wgsl/module.js";
import { indent } from "../wgsl/walk.js";
import type { RowSumming } from "./lowering.js";
import { based, type Part, rowAt } from "./scatter-part.js";

/**
 * For adapters that run on the CPU: a list of positions for each row, made by one invocation from the last position to the
 * first; then one invocation a (row, column) goes along its list. Scratch 0: the first position of each row; `work`: the next one.
 */
const listKernels = (part: Part): Kernel[] => {
  const { ids, updates, dtype, output, rows, work, continues, adds } = part;
  const [n, size] = [ids, output].map(({ shape }) => sizeOf(shape));
  const k = builder("scatterAdd-list");
  const row = rowAt(k, part, "i");
  const heads = k.buffer(scratch(0), "u32", "write");
  const next = based(k, work, "write");
  const [count, limit] = [k.param(n), k.param(rows)];
  const listing = [
    `for (var r = 0u; r < ${limit}; r++) { ${heads.store("r", count)} }`,
    `for (var left = ${count}; left > 0u; left--) {`,
    "  let i = left - 1u;",
    `  let row = ${row};`,
    `  if (row < ${limit}) {`,
    `    ${next.store("i", heads.load("row"))}`,
    `    ${heads.store("row", "i")}`,
    "  }",
    "}",
  ];
  const s = builder("scatterAdd-walk");
  const [firsts, others] = [s.buffer(scratch(0), "u32", "read"), based(s, work, "read")];
  const source = s.buffer(updates.buffer, dtype, "read");
  const out = s.buffer(output.buffer, "f32", "write");
  const width = s.param(size / rows);
  const end = s.param(n);
  const at = `${s.param(output.offset)} + item`;
  const adding = [
    "let item = group * 64u + lane;",
    `if (item >= ${s.param(size)}) { return; }`,
    ...(adds ? [`if (${firsts.load(`item / ${width}`)} >= ${end}) { return; }`] : []),
    "var total = 0.0;",
    ...(continues ? [`total = ${out.load(at)};`] : []),
    `for (var i = ${firsts.load(`item / ${width}`)}; i < ${end}; i = ${others.load("i")}) {`,
    `  total += ${source.load(`${s.param(updates.offset)} + i * ${width} + item % ${width}`)};`,
    "}",
    out.store(at, adds ? `${out.load(at)} + total` : "total"),
  ];
  return [
    k.finish({ workgroupSize: 1, workgroups: 1, body: indent(listing) }),
    s.finish({ workgroupSize: 64, workgroups: Math.ceil(size / 64), body: indent(adding) }),
  ];
};

export const listedSums: RowSumming = {
  ...{ each: 1, room: 1, addsToZeros: false },
  kernels: (parts, _, lowering) => {
    lowering.scratch(0, parts[0].rows);
    return parts.flatMap(listKernels);
  },
};
