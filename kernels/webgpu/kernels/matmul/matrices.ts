import type { MatrixShape } from "../../adapter/features.js";
import type { Kernel } from "../../wgsl/module.js";
import { indent, indented, upTo } from "../../wgsl/walk.js";
import type { MatmulPart } from "../../windows/matmul.js";
import { declareFinish } from "../epilogue.js";
import type { Sums } from "./cut.js";
import { groupLines } from "./groups.js";
import { canTurn, loads, overBlocks } from "./loads.js";
import { type MatrixTile, PAD } from "./matrix-tiles.js";
import { type MatmulText, matmulText, type Side } from "./text.js";
import type { Units } from "./units.js";

/**
 * How one operand lies in workgroup memory, as f16 whatever it is stored as, and how a matrix of it is loaded from there: fours along
 * the inner axis if they can be turned so, which is how the units take them.
 */
const stagedHalves = (side: Side, rows: number, depth: number, lanes: number, { k }: MatrixShape) => {
  const along = side.along || canTurn({ rows, depth, lanes });
  const [lines, fours] = along ? [rows, depth / 4 + PAD] : [depth, rows / 4 + PAD];
  const array = `halves_${side.name}`;
  const order = (side.name === "a") === along ? "row_major" : "col_major";
  const slot = (line: string, four: string) => `${line} * ${fours}u + ${four}`;
  return {
    declaration: `var<workgroup> ${array}: array<vec4<f16>, ${lines * fours}>;`,
    loads: loads({ ...side, rows, depth, lanes, end: "end", to: { array, type: "f16", along, slot } }),
    /** The matrix whose first row is `row`, of inner elements from step·k on. */
    matrix: (type: string, row: string, step: number) => {
      const at = along ? `(${row}) * ${fours}u + ${(step * k) / 4}u` : `${step * k * fours}u + (${row}) / 4u`;
      return `subgroupMatrixLoad<${type}, ${order}>(&${array}, ${at}, ${fours}u)`;
    },
  };
};

/** The matrices of a workgroup's tile. */
interface HeldMatrices {
  readonly tile: MatrixTile;
  readonly shape: MatrixShape;
  /** Invocations of the workgroup. */
  readonly lanes: number;
  /** Lines that put matrix `t` of each subgroup, i·wide + j, into workgroup memory: `sums`, the subgroups' one after the other. */
  readonly put: (t: string) => readonly string[];
}
/** Lines that take what was summed up elsewhere than into the product, which is not written. */
export type MatrixTaking = (text: MatmulText, held: HeldMatrices) => readonly string[];

/**
 * The product on matrix units: operands as f16, rounded to nearest even as they are brought into workgroup memory; f32 sums, in
 * steps of one matrix in the order of the inner axis whatever the tile; those of several parts are added up where the product lies. Matrices have no elements that a kernel could touch, so
 * that sums pass through workgroup memory where something becomes of them.
 */
export const matrixKernel = (
  { step, continues }: MatmulPart,
  units: Units,
  tile: MatrixTile,
  { parts, length, together }: Sums,
  taking?: MatrixTaking,
): Kernel => {
  const { shape } = units;
  const { rows, columns, depth, down, across, tall, wide } = tile;
  const text = matmulText(step);
  const { k, m, n, outRow } = text;
  const subgroups = down * across;
  const lanes = units.lanes * subgroups;
  const area = shape.m * shape.n;
  const groups = groupLines(text, { rows, columns, parts, length });
  const out = k.buffer(step.output.buffer, "f32", "write");
  for (const extension of ["f16", "subgroups", "chromium_experimental_subgroup_matrix"] as const) k.enable(extension);
  const stagedA = stagedHalves(text.sides[0], rows, depth, lanes, shape);
  const stagedB = stagedHalves(text.sides[1], columns, depth, lanes, shape);
  for (const { declaration } of [stagedA, stagedB]) k.declare(declaration);
  const [loadsA, loadsB] = [stagedA.loads, stagedB.loads];
  k.declare(`var<workgroup> sums: array<f32, ${subgroups * area}>;`);
  if (step.epilogue !== undefined) declareFinish(k, step.epilogue);
  const [left, right, result] = [
    `subgroup_matrix_left<f16, ${shape.k}, ${shape.m}>`,
    `subgroup_matrix_right<f16, ${shape.n}, ${shape.k}>`,
    `subgroup_matrix_result<f32, ${shape.n}, ${shape.m}>`,
  ];
  const all = upTo(tall * wide);
  const switched = (t: string, ofMatrix: (t: number) => string) => [
    `switch ${t} {`,
    ...all.map((i) => `  ${i === all.length - 1 ? "default" : `case ${i}u`}: { ${ofMatrix(i)} }`),
    "}",
  ];
  /** For matrix `t` of every subgroup: lines about it, and lines about each of its elements, e, at r, c of the tile. */
  const eachMatrix = (ofMatrix: (t: number) => string, ofElement: readonly string[], first: "matrix" | "element") => {
    const matrix = switched("t", ofMatrix);
    const elements = [
      `for (var e = lane; e < ${subgroups * area}u; e += ${lanes}u) {`,
      `  let s = e / ${area}u;`,
      `  let r = s / ${across}u * ${tall * shape.m}u + t / ${wide}u * ${shape.m}u + e % ${area}u / ${shape.n}u;`,
      `  let c = s % ${across}u * ${wide * shape.n}u + t % ${wide}u * ${shape.n}u + e % ${shape.n}u;`,
      ...indented(ofElement),
      "}",
    ];
    const [one, other] = first === "matrix" ? [matrix, elements] : [elements, matrix];
    return [
      `for (var t = 0u; t < ${all.length}u; t++) {`,
      indent([...one, "workgroupBarrier();", ...other, "workgroupBarrier();"]),
      "}",
    ];
  };
  const adds = together < length;
  const place = `subgroup * ${area}u`;
  const address = `${outRow(`min(row + r, ${m} - 1u)`)} + min(column + c, ${n} - 1u)`;
  const put = (t: number) => `subgroupMatrixStore<row_major>(&sums, ${place}, c${t}, ${shape.n}u);`;
  /** Lines that store sums; with `isFirst` only those of the first part, and later ones added to them. */
  const takeOut = (value: string, isFirst?: string) =>
    eachMatrix(
      put,
      [
        `if (row + r < ${m} && column + c < ${n}) {`,
        `  let at = (batch * ${m} + row + r) * ${n} + column + c;`,
        `  let to = partAt + ${outRow("row + r")} + column + c;`,
        ...(isFirst === undefined
          ? [`  ${out.store("to", value)}`]
          : [
              `  if (${isFirst}) { ${out.store("to", value)} }`,
              `  else { ${out.store("to", `${out.load("to")} + ${value}`)} }`,
            ]),
        "}",
      ],
      "matrix",
    );
  const lines = [
    ...groups.lines,
    `let wm = subgroup / ${across}u * ${tall * shape.m}u;`,
    `let wn = subgroup % ${across}u * ${wide * shape.n}u;`,
    ...all.map((t) => `var c${t}: ${result};`),
    ...(continues
      ? eachMatrix(
          (t) => `c${t} = subgroupMatrixLoad<${result}, row_major>(&sums, ${place}, ${shape.n}u);`,
          [`sums[e] = ${out.load(address)};`],
          "element",
        )
      : []),
    ...[...loadsA.before, ...loadsB.before],
    ...overBlocks(
      [loadsA, loadsB],
      depth,
      upTo(depth / shape.k).flatMap((at) => [
        "  {",
        ...upTo(wide).map((j) => `    let b${j} = ${stagedB.matrix(right, `wn + ${j * shape.n}u`, at)};`),
        ...upTo(tall).map((i) => `    let a${i} = ${stagedA.matrix(left, `wm + ${i * shape.m}u`, at)};`),
        ...all.map((t) => {
          const [i, j] = [Math.floor(t / wide), t % wide];
          return `    c${t} = subgroupMatrixMultiplyAccumulate(a${i}, b${j}, c${t});`;
        }),
        "  }",
      ]),
      adds
        ? [
            `  if ((next - begin) % ${k.param(together)} == 0u || next >= end) {`,
            `    let isFirst = next - begin <= ${k.param(together)};`,
            indent(takeOut("sums[e]", "isFirst"), 4),
            ...all.map((t) => `    c${t} = ${result}();`),
            "  }",
          ]
        : [],
    ),
    ...(taking?.(text, { tile, shape, lanes, put: (t) => switched(t, put) }) ?? []),
    ...(adds || taking !== undefined ? [] : takeOut(step.epilogue === undefined ? "sums[e]" : "finish(sums[e], at)")),
  ];
  const subgroup = units.varies ? units.lanes : "any";
  return k.finish({ workgroupSize: lanes, workgroups: groups.count, body: indent(lines), subgroup });
};
