import { sizeOf } from "../../../../core/index.js";
import type { Kernel } from "../../wgsl/module.js";
import { indent } from "../../wgsl/walk.js";
import type { MatmulPart } from "../../windows/matmul.js";
import { declareFinish } from "../epilogue.js";
import { resultLines } from "./results.js";
import { staged } from "./staged.js";
import { matmulText } from "./text.js";
import type { Tile } from "./tiles.js";

/** Rows of tiles whose workgroups run one after the other along the columns: what they read stays in the cache. */
const TOGETHER = 8;

/** How a kernel sums over the inner axis: `parts` products [parts, ...] of `length` each, sums of `together` added up in each. */
export interface Sums {
  readonly parts: number;
  readonly length: number;
  readonly together: number;
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/**
 * For GPUs: a workgroup computes a tile of the product from blocks of both operands in workgroup memory, `down` × `across`
 * elements an invocation in registers; while it multiplies one block it loads the next. The sum of an element is made in
 * the order of the inner axis whatever the tile.
 */
export const tiledKernel = ({ step, continues }: MatmulPart, tile: Tile, { parts, length, together }: Sums): Kernel => {
  const { rows, columns, depth, down, across } = tile;
  const { k, sizes, m, n, bases, a, b, outRow } = matmulText(step);
  const [lanesDown, lanesAcross] = [rows / down, columns / across];
  const lanes = lanesDown * lanesAcross;
  const [tilesDown, tilesAcross] = [Math.ceil(sizes.m / rows), Math.ceil(sizes.n / columns)];
  const groups = tilesDown * tilesAcross * sizes.batch * parts;
  const [downText, acrossText, batchText] = [k.param(tilesDown), k.param(tilesAcross), k.param(sizes.batch)];
  const [lengthText, innerText] = [k.param(length), k.param(sizes.inner)];
  const out = k.buffer(step.output.buffer, "f32", "write");
  const room = ((rows + columns) * depth) / 4;
  k.declare(`var<workgroup> tile: array<vec4<f32>, ${room}>;`);
  const finishes = step.epilogue !== undefined;
  if (step.epilogue !== undefined) declareFinish(k, step.epilogue);
  const adds = together < length;
  const shared = { depth, lanes, end: "end" };
  const stagedA = staged({
    ...{ ...shared, name: "a", along: a.along, rows, begin: 0, origin: "row", limit: m },
    ...{ ofRow: a.outer, ofInner: a.unit, load: a.load, quads: a.quads?.() },
    ...{ lane: "y", spread: lanesDown, each: down },
  });
  const stagedB = staged({
    ...{ ...shared, name: "b", along: b.along, rows: columns, begin: (rows * depth) / 4, origin: "column", limit: n },
    ...{ ofRow: b.unit, ofInner: b.outer, load: b.load, quads: b.quads?.() },
    ...{ lane: "x", spread: lanesAcross, each: across },
  });
  const quads = upTo(across / 4);
  const each = <T>(line: (i: number, q: number) => T): T[] => upTo(down).flatMap((i) => quads.map((q) => line(i, q)));
  const fourOf = (text: (j: number) => string) => `vec4<f32>(${upTo(4).map(text).join(", ")})`;
  /** What lies in the product's memory already; at the edge any of it. */
  const before = (i: number, q: number): string => {
    const r = `min(row + ${stagedA.rowOf("y", `${i}u`)}, ${m} - 1u)`;
    const c = (j: number) => `min(column + ${stagedB.rowOf("x", `${4 * q + j}u`)}, ${n} - 1u)`;
    return fourOf((j) => out.load(`${outRow(r)} + ${c(j)}`));
  };
  const lines = [
    `if (group >= ${k.param(groups)}) { return; }`,
    `let tiles = ${downText} * ${acrossText};`,
    "let slab = group / tiles;",
    `let band = group % tiles / (${TOGETHER}u * ${acrossText});`,
    `let within = group % tiles % (${TOGETHER}u * ${acrossText});`,
    `let high = min(${downText} - band * ${TOGETHER}u, ${TOGETHER}u);`,
    `let row = (band * ${TOGETHER}u + within % high) * ${rows}u;`,
    `let column = within / high * ${columns}u;`,
    `let batch = slab % ${batchText};`,
    `let partAt = slab / ${batchText} * ${k.param(sizeOf(step.output.shape))};`,
    `let begin = slab / ${batchText} * ${lengthText};`,
    `let end = min(begin + ${lengthText}, ${innerText});`,
    ...bases,
    `let x = lane % ${lanesAcross}u;`,
    `let y = lane / ${lanesAcross}u;`,
    ...each((i, q) => `var c${i}_${q} = ${continues ? before(i, q) : "vec4<f32>()"};`),
    ...(adds ? each((i, q) => `var total${i}_${q} = vec4<f32>();`) : []),
    ...[...stagedA.before, ...stagedB.before],
    `{ ${[...stagedA.load("begin"), ...stagedB.load("begin")].join("\n    ")} }`,
    `for (var block = begin; block < end; block += ${depth}u) {`,
    indent([...stagedA.store("block"), ...stagedB.store("block")]),
    "  workgroupBarrier();",
    `  let next = block + ${depth}u;`,
    indent([...stagedA.load("next"), ...stagedB.load("next")]),
    `  for (var s = 0u; s < ${depth / 4}u; s++) {`,
    indent([...stagedA.read, ...stagedB.read], 4),
    ...upTo(4).flatMap((inner) => [
      ...quads.map((q) => `    let q${q}_${inner} = ${fourOf((j) => stagedB.number(4 * q + j, inner))};`),
      ...each((i, q) => `    c${i}_${q} = fma(vec4<f32>(${stagedA.number(i, inner)}), q${q}_${inner}, c${i}_${q});`),
    ]),
    "  }",
    "  workgroupBarrier();",
    ...(adds
      ? [
          `  if ((next - begin) % ${k.param(together)} == 0u || next >= end) {`,
          ...each((i, q) => `    total${i}_${q} += c${i}_${q}; c${i}_${q} = vec4<f32>();`),
          "  }",
        ]
      : []),
    "}",
    ...resultLines(
      {
        ...{ down, across, lanesDown, lanesAcross, room },
        four: (i, q) => `${adds ? "total" : "c"}${i}_${q}`,
        rowOf: stagedA.rowOf,
        columnsApart: b.along,
      },
      [
        `if (row + r < ${m} && column + c < ${n}) {`,
        `  let e = (batch * ${m} + row + r) * ${n} + column + c;`,
        `  ${out.store(`partAt + ${outRow("row + r")} + column + c`, finishes ? "finish(sum, e)" : "sum")}`,
        "}",
      ],
    ),
  ];
  return k.finish({ workgroupSize: lanes, workgroups: groups, body: indent(lines) });
};
