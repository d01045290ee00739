import type { Kernel } from "../../wgsl/module.js";
import { indent, upTo } from "../../wgsl/walk.js";
import type { MatmulPart } from "../../windows/matmul.js";
import { declareFinish } from "../epilogue.js";
import type { Sums } from "./cut.js";
import { groupLines } from "./groups.js";
import { loads, overBlocks } from "./loads.js";
import { type Held, resultLines } from "./results.js";
import { type Reads, readsOf } from "./staged.js";
import { type MatmulText, matmulText, type Side } from "./text.js";
import type { Tile } from "./tiles.js";

/** Lines that take what an invocation summed up elsewhere than into the product, which is not written. */
export type Taking = (text: MatmulText, held: Held) => readonly string[];

/**
 * For GPUs: a workgroup computes a tile of the product from blocks of both operands in workgroup memory, `down` × `across`
 * elements an invocation in registers; while it multiplies one block it loads the next. The sum of an element is made in
 * the order of the inner axis whatever the tile.
 */
export const tiledKernel = (
  { step, continues }: MatmulPart,
  tile: Tile,
  { parts, length, together }: Sums,
  taking?: Taking,
): Kernel => {
  const { rows, columns, depth, down, across } = tile;
  const text = matmulText(step);
  const { k, m, n, b, outRow } = text;
  const [lanesDown, lanesAcross] = [rows / down, columns / across];
  const lanes = lanesDown * lanesAcross;
  const groups = groupLines(text, { rows, columns, parts, length });
  const room = ((rows + columns) * depth) / 4;
  k.declare(`var<workgroup> tile: array<vec4<f32>, ${room}>;`);
  const finishes = step.epilogue !== undefined;
  if (step.epilogue !== undefined) declareFinish(k, step.epilogue);
  const adds = together < length;
  const [sideA, sideB] = text.sides;
  const [readsA, readsB] = [
    readsOf({ ...sideA, rows, depth, begin: 0, lane: "y", spread: lanesDown, each: down }),
    readsOf({
      ...sideB,
      rows: columns,
      depth,
      begin: (rows * depth) / 4,
      lane: "x",
      spread: lanesAcross,
      each: across,
    }),
  ];
  const into = ({ slot }: Reads, { along }: Side) => ({ array: "tile", type: "f32" as const, along, slot });
  const loadsA = loads({ ...sideA, rows, depth, lanes, end: "end", to: into(readsA, sideA) });
  const loadsB = loads({ ...sideB, rows: columns, depth, lanes, end: "end", to: into(readsB, sideB) });
  const quads = upTo(across / 4);
  const each = <T>(line: (i: number, q: number) => T): T[] => upTo(down).flatMap((i) => quads.map((q) => line(i, q)));
  const fourOf = (text: (j: number) => string) => `vec4<f32>(${upTo(4).map(text).join(", ")})`;
  const held: Held = {
    ...{ down, across, lanesDown, lanesAcross, room },
    four: (i, q) => `${adds ? "total" : "c"}${i}_${q}`,
    ...{ rowOf: readsA.rowOf, columnOf: readsB.rowOf, columnsApart: b.along },
  };
  const stored = () => k.buffer(step.output.buffer, "f32", "write");
  /** What lies in the product's memory already; at the edge any of it. */
  const before = (i: number, q: number): string => {
    const out = stored();
    const r = `min(row + ${readsA.rowOf("y", `${i}u`)}, ${m} - 1u)`;
    const c = (j: number) => `min(column + ${readsB.rowOf("x", `${4 * q + j}u`)}, ${n} - 1u)`;
    return fourOf((j) => out.load(`${outRow(r)} + ${c(j)}`));
  };
  const lines = [
    ...groups.lines,
    `let x = lane % ${lanesAcross}u;`,
    `let y = lane / ${lanesAcross}u;`,
    ...each((i, q) => `var c${i}_${q} = ${continues ? before(i, q) : "vec4<f32>()"};`),
    ...(adds ? each((i, q) => `var total${i}_${q} = vec4<f32>();`) : []),
    ...[...loadsA.before, ...loadsB.before, ...readsA.before, ...readsB.before],
    ...overBlocks(
      [loadsA, loadsB],
      depth,
      [
        `  for (var s = 0u; s < ${depth / 4}u; s++) {`,
        indent([...readsA.read, ...readsB.read], 4),
        ...upTo(4).flatMap((inner) => [
          ...quads.map((q) => `    let q${q}_${inner} = ${fourOf((j) => readsB.number(4 * q + j, inner))};`),
          ...each((i, q) => `    c${i}_${q} = fma(vec4<f32>(${readsA.number(i, inner)}), q${q}_${inner}, c${i}_${q});`),
        ]),
        "  }",
      ],
      adds
        ? [
            `  if ((next - begin) % ${k.param(together)} == 0u || next >= end) {`,
            ...each((i, q) => `    total${i}_${q} += c${i}_${q}; c${i}_${q} = vec4<f32>();`),
            "  }",
          ]
        : [],
    ),
    ...(taking?.(text, held) ??
      resultLines(held, [
        `if (row + r < ${m} && column + c < ${n}) {`,
        `  let e = (batch * ${m} + row + r) * ${n} + column + c;`,
        `  ${stored().store(`partAt + ${outRow("row + r")} + column + c`, finishes ? "finish(sum, e)" : "sum")}`,
        "}",
      ])),
  ];
  return k.finish({ workgroupSize: lanes, workgroups: groups.count, body: indent(lines) });
};
