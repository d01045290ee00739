import type { Kernel } from "../../wgsl/module.js";
import { indent, upTo } from "../../wgsl/walk.js";
import type { MatmulPart } from "../../windows/matmul.js";
import { declareFinish } from "../epilogue.js";
import type { Sums } from "./cut.js";
import { matmulText, type Side } from "./text.js";

/** Up to so many rows each invocation has all of: more are a tile's. */
export const FEW = 8;

/** Invocations of a workgroup. */
const LANES = 64;

/** Numbers of a that an invocation has on their way to it, for all rows, and most of b. */
const [HELD, MOST] = [64, 32];

const powerAbove = (x: number): number => 2 ** Math.ceil(Math.log2(x));

/** Reads of `count` inner elements of a row (or column of b) from k on: lines that begin them all, and each number as text. */
const reads = ({ along, quads, load, ofInner }: Side, name: string, row: string, count: number) => {
  const fours = along && count % 4 === 0 ? quads?.() : undefined;
  const at = (i: number) => `${row} + ${ofInner(`(k + ${i}u)`)}`;
  if (fours === undefined)
    return {
      lines: upTo(count).map((i) => `let ${name}_${i} = ${load(at(i))};`),
      number: (i: number) => `${name}_${i}`,
    };
  return {
    lines: upTo(count / 4).map((i) => `let ${name}_${i} = ${fours.load(at(4 * i))};`),
    number: (i: number) => `${name}_${i >> 2}.${"xyzw"[i & 3]}`,
  };
};

/**
 * A product of few rows, as when tokens are made one by one, takes as long as b is read once. No block of it passes through
 * workgroup memory: an invocation reads a column of its own, many numbers before it uses the first, for all rows. Parts of the inner
 * axis are side by side in a workgroup, and are added up in order there. The bits are the tiled kernel's.
 */
export const fewKernel = ({ step, continues }: MatmulPart, { parts, length, together }: Sums): Kernel => {
  const { k, sizes, m, n, bases, sides, outRow } = matmulText(step);
  const [sideA, sideB] = sides;
  const rows = powerAbove(sizes.m);
  const deep = Math.min(MOST, HELD / rows);
  const inside = Math.ceil(length / together);
  const columns = LANES / powerAbove(inside);
  const across = Math.ceil(sizes.n / columns);
  const groups = across * sizes.batch * parts;
  const [acrossText, batchText, lengthText, togetherText] = [across, sizes.batch, length, together].map((x) =>
    k.param(x),
  );
  const out = k.buffer(step.output.buffer, "f32", "write");
  if (step.epilogue !== undefined) declareFinish(k, step.epilogue);
  k.declare(`var<workgroup> sums: array<f32, ${LANES * rows}>;`);
  /** Adds `count` products to every sum. */
  const added = (count: number): string[] => {
    const ofA = upTo(rows).map((r) => reads(sideA, `a${r}`, `row${r}`, count));
    const ofB = reads(sideB, "b", "column0", count);
    return [
      ...[ofB, ...ofA].flatMap(({ lines }) => lines),
      ...upTo(count).flatMap((i) => ofA.map(({ number }, r) => `c${r} = fma(${number(i)}, ${ofB.number(i)}, c${r});`)),
    ];
  };
  const before = (r: number): string => out.load(`${outRow(`min(${r}u, ${m} - 1u)`)} + min(column, ${n} - 1u)`);
  const lines = [
    `if (group >= ${k.param(groups)}) { return; }`,
    `let slab = group / ${acrossText};`,
    `let first = group % ${acrossText} * ${columns}u;`,
    `let batch = slab % ${batchText};`,
    `let partAt = slab / ${batchText} * ${k.param(sizes.batch * sizes.m * sizes.n)};`,
    ...bases,
    `let column = first + lane % ${columns}u;`,
    `let start = slab / ${batchText} * ${lengthText};`,
    `let stop = min(start + ${lengthText}, ${k.param(sizes.inner)});`,
    `let begin = min(start + lane / ${columns}u * ${togetherText}, stop);`,
    `let end = min(begin + ${togetherText}, stop);`,
    `let column0 = ${sideB.ofRow(`min(column, ${n} - 1u)`)};`,
    ...upTo(rows).map((r) => `let row${r} = ${sideA.ofRow(`min(${r}u, ${m} - 1u)`)};`),
    ...upTo(rows).map((r) => `var c${r} = ${continues ? before(r) : "0.0"};`),
    "var k = begin;",
    `for (; k + ${deep}u <= end; k += ${deep}u) {`,
    indent(added(deep)),
    "}",
    "for (; k < end; k++) {",
    indent(added(1)),
    "}",
    ...upTo(rows).map((r) => `sums[${r * LANES}u + lane] = c${r};`),
    "workgroupBarrier();",
    `for (var t = lane; t < ${m} * ${columns}u; t += ${LANES}u) {`,
    `  let r = t / ${columns}u;`,
    `  let c = t % ${columns}u;`,
    `  if (first + c >= ${n}) { continue; }`,
    `  let at = r * ${LANES}u + c;`,
    "  var sum = sums[at];",
    `  for (var p = 1u; p < ${k.param(inside)}; p++) { sum += sums[at + p * ${columns}u]; }`,
    `  let e = (batch * ${m} + r) * ${n} + first + c;`,
    `  ${out.store(`partAt + ${outRow("r")} + first + c`, step.epilogue === undefined ? "sum" : "finish(sum, e)")}`,
    "}",
  ];
  return k.finish({ workgroupSize: LANES, workgroups: groups, body: indent(lines) });
};
