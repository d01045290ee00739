import type { Builder } from "../../wgsl/module.js";
import { indented, upTo } from "../../wgsl/walk.js";
import type { Units } from "../matmul/units.js";
import type { Block, Vectors } from "./block.js";
import type { Measures } from "./tile.js";

/** Fours of a head vector that workgroup memory holds at a time: two matrices. */
const depthOf = ({ shape }: Units): number => shape.k / 2;
/** Fours of padding a line of workgroup memory, so that neighbouring lines lie in other banks. */
const PAD = 2;
/** Columns whose vectors lie in workgroup memory together while results are summed. */
const CHUNK = 16;
/** Words that all share: bounds, and the largest of what is rounded. */
const NOTES = 10;

/** How `down` × `across` matrices are shared out: each subgroup has tall × wide of them, `beside` subgroups in a row of them. */
interface Share {
  readonly tall: number;
  readonly wide: number;
  readonly beside: number;
}

const shareOf = (down: number, across: number, subgroups: number): Share | undefined =>
  upTo(down)
    .map((i) => ({ tall: i + 1, wide: (down * across) / subgroups / (i + 1) }))
    .filter(({ tall, wide }) => [wide, down / tall, across / wide].every(Number.isInteger))
    .map(({ tall, wide }) => ({ tall, wide, beside: across / wide }))
    .sort((a, b) => a.tall + a.wide - b.tall - b.wide)[0];

/** How the matrices of a tile are shared out among subgroups: those of scores, and of results; undefined if they cannot be. */
const sharesOf = ({ rows, columns, lanes, width }: Measures, { shape, lanes: size }: Units) => {
  const { m, n, k } = shape;
  const [scores, results] = [columns / n, (4 * width) / n].map((across) => shareOf(rows / m, across, lanes / size));
  const isWhole = [lanes / size, rows / m, columns / n, (4 * width) / n, k / 4, CHUNK / k].every(Number.isInteger);
  return isWhole && scores !== undefined && results !== undefined ? { scores, results } : undefined;
};

/** Can the tile be worked on by matrix units? */
export const suits = (measures: Measures, units: Units): boolean => sharesOf(measures, units) !== undefined;

/** What lies where in workgroup memory: lengths of its arrays, and of their lines. */
const layoutOf = ({ down, across, rows, columns, lanes, width }: Measures, units: Units) => {
  const { m, n } = units.shape;
  const [area, subgroups] = [m * n, lanes / units.lanes];
  const [pitch, vectorPitch, scorePitch, weightPitch] = [
    depthOf(units) + PAD,
    width + PAD,
    columns + 4 * PAD,
    columns + 4 * PAD,
  ];
  return {
    ...{ area, subgroups, pitch, vectorPitch, scorePitch, weightPitch },
    stage: Math.max((rows + columns) * pitch, CHUNK * vectorPitch),
    scores: Math.max(rows * scorePitch, subgroups * area),
    halves: rows * weightPitch,
    weights: Math.max(across * (down + 1), columns),
  };
};

/** Bytes of workgroup memory that kernels with such tiles take, with their notes of rows or columns. */
export const bytesOf = (measures: Measures, units: Units): number => {
  const { stage, scores, halves, weights } = layoutOf(measures, units);
  const notes = 3 * Math.max(measures.rows, measures.columns) + NOTES;
  return 8 * stage + 4 * scores + 2 * halves + 16 * weights + 4 * notes;
};

/**
 * As `block`, on matrix units: vectors and weights are rounded to f16, sums are f32. Matrices have no elements that a kernel could
 * touch: scores pass through workgroup memory to the invocations that need them, and sums where they are stored.
 */
export const matrixBlock = (k: Builder, measures: Measures, quads: string, units: Units): Block => {
  const { down, across, each, rows, columns, lanes, width } = measures;
  const { area, subgroups, pitch, vectorPitch, scorePitch, weightPitch, ...sizes } = layoutOf(measures, units);
  const { shape } = units;
  const depth = depthOf(units);
  const shares = sharesOf(measures, units);
  if (shares === undefined) throw new TypeError("the tile is not made of matrices");
  for (const extension of ["f16", "subgroups", "chromium_experimental_subgroup_matrix"] as const) k.enable(extension);
  k.declare(`var<workgroup> stage: array<vec4<f16>, ${sizes.stage}>;`);
  k.declare(`var<workgroup> scores: array<f32, ${sizes.scores}>;`);
  k.declare(`var<workgroup> shared_weights: array<f16, ${sizes.halves}>;`);
  k.declare(`var<workgroup> weights: array<vec4<f32>, ${sizes.weights}>;`);
  const [left, right, result] = [
    `subgroup_matrix_left<f16, ${shape.k}, ${shape.m}>`,
    `subgroup_matrix_right<f16, ${shape.n}, ${shape.k}>`,
    `subgroup_matrix_result<f32, ${shape.n}, ${shape.m}>`,
  ];
  const fill = (count: number, per: number, slot: string, vector: string) => [
    `for (var e = lane; e < ${count * per}u; e += ${lanes}u) {`,
    `  let outer = e / ${per}u;`,
    `  let inner = e % ${per}u;`,
    "  var value = vec4<f32>();",
    `  ${vector}`,
    `  stage[${slot}] = vec4<f16>(value);`,
    "}",
  ];
  const placeOf = (j: number) => `x + ${across * j}u`;
  /** The first row, or column, of a subgroup's matrix. */
  const rowOf = ({ tall, beside }: Share, i: number) => `(subgroup / ${beside}u * ${tall}u + ${i}u) * ${shape.m}u`;
  const columnOf = ({ wide, beside }: Share, j: number) => `(subgroup % ${beside}u * ${wide}u + ${j}u) * ${shape.n}u`;
  const products = (
    sum: string,
    { tall, wide }: Share,
    rowMatrix: (i: number) => string,
    columnMatrix: (j: number) => string,
  ): string[] => [
    ...upTo(tall).map((i) => `let a${i} = ${rowMatrix(i)};`),
    ...upTo(wide).flatMap((j) => [
      `let b${j} = ${columnMatrix(j)};`,
      ...upTo(tall).map((i) => {
        const c = `${sum}${i * wide + j}`;
        return `${c} = subgroupMatrixMultiplyAccumulate(a${i}, b${j}, ${c});`;
      }),
    ]),
  ];
  const { scores, results } = shares;
  return {
    eachColumn: (line) => upTo(each).map((j) => line(j, placeOf(j))),
    product: (name, rowVectors: Vectors, columnVectors: Vectors) => [
      // Given a value: drivers do not clear what is declared in a loop again.
      ...upTo(scores.tall * scores.wide).map((t) => `var ${name}_sum${t} = ${result}();`),
      `for (var part = 0u; part < ${quads}; part += ${depth}u) {`,
      "  workgroupBarrier();",
      ...indented(fill(rows, depth, `outer * ${pitch}u + inner`, rowVectors("outer", "part + inner"))),
      ...indented(
        fill(columns, depth, `${rows * pitch}u + outer * ${pitch}u + inner`, columnVectors("outer", "part + inner")),
      ),
      "  workgroupBarrier();",
      `  for (var deep = 0u; deep < ${depth}u; deep += ${shape.k / 4}u) {`,
      ...products(
        `${name}_sum`,
        scores,
        (i) => `subgroupMatrixLoad<${left}, row_major>(&stage, ${rowOf(scores, i)} * ${pitch}u + deep, ${pitch}u)`,
        (j) =>
          `subgroupMatrixLoad<${right}, col_major>(&stage, (${rows}u + ${columnOf(scores, j)}) * ${pitch}u + deep, ${pitch}u)`,
      ).map((line) => `    ${line}`),
      "  }",
      "}",
      ...upTo(scores.tall * scores.wide).map((t) => {
        const [i, j] = [Math.floor(t / scores.wide), t % scores.wide];
        const at = `${rowOf(scores, i)} * ${scorePitch}u + ${columnOf(scores, j)}`;
        return `subgroupMatrixStore<row_major>(&scores, ${at}, ${name}_sum${t}, ${scorePitch}u);`;
      }),
      "workgroupBarrier();",
      ...upTo(each).map((j) => {
        const ofRows = upTo(4).map((i) => `scores[(y + ${down * i}u) * ${scorePitch}u + ${placeOf(j)}]`);
        return `var ${name}${j} = vec4<f32>(${ofRows.join(", ")});`;
      }),
    ],
    share: (name, factor = "1.0") =>
      upTo(each).flatMap((j) => [
        `let shared_${name}${j} = vec4<f16>(${name}${j} * ${factor});`,
        ...upTo(4).map(
          (i) => `shared_weights[(y + ${down * i}u) * ${weightPitch}u + ${placeOf(j)}] = shared_${name}${j}[${i}];`,
        ),
      ]),
    zeroSums: (name) => upTo(results.tall * results.wide).map((t) => `var ${name}_sum${t} = ${result}();`),
    addWeighted: (name, vectors) => [
      `for (var part = 0u; part < ${columns}u; part += ${CHUNK}u) {`,
      "  workgroupBarrier();",
      ...indented(fill(CHUNK, width, `outer * ${vectorPitch}u + inner`, vectors("(part + outer)", "slice + inner"))),
      "  workgroupBarrier();",
      `  for (var deep = 0u; deep < ${CHUNK}u; deep += ${shape.k}u) {`,
      ...products(
        `${name}_sum`,
        results,
        (i) =>
          `subgroupMatrixLoad<${left}, row_major>(&shared_weights, ${rowOf(results, i)} * ${weightPitch}u + part + deep, ${weightPitch}u)`,
        (j) =>
          `subgroupMatrixLoad<${right}, row_major>(&stage, deep * ${vectorPitch}u + ${columnOf(results, j)} / 4u, ${vectorPitch}u)`,
      ).map((line) => `    ${line}`),
      "  }",
      "}",
    ],
    store: (name, place, isRow, put, factor = "1.0") => {
      const all = upTo(results.tall * results.wide);
      const { tall, wide, beside } = results;
      return [
        `for (var t = 0u; t < ${all.length}u; t++) {`,
        "  workgroupBarrier();",
        "  switch t {",
        ...all.map((t) => {
          const line = `subgroupMatrixStore<row_major>(&scores, subgroup * ${area}u, ${name}_sum${t}, ${shape.n}u);`;
          return `    ${t === all.length - 1 ? "default" : `case ${t}u`}: { ${line} }`;
        }),
        "  }",
        "  workgroupBarrier();",
        `  for (var e = lane; e < ${(subgroups * area) / 4}u; e += ${lanes}u) {`,
        `    let s = e / ${area / 4}u;`,
        `    let row = (s / ${beside}u * ${tall}u + t / ${wide}u) * ${shape.m}u + e % ${area / 4}u / ${shape.n / 4}u;`,
        `    let column = (s % ${beside}u * ${wide}u + t % ${wide}u) * ${shape.n}u;`,
        `    let quad = slice + column / 4u + e % ${shape.n / 4}u;`,
        `    if (${isRow("row")} && quad < ${quads}) {`,
        `      let at = ${place("row")};`,
        `      let value = vec4<f32>(${upTo(4).map((i) => `scores[4u * e + ${i}u]`)}) * ${factor};`,
        `      ${put}(at, quad, value);`,
        "    }",
        "  }",
        "}",
      ];
    },
    joined: (value, to, start, join) => [
      `weights[x * ${down + 1}u + y] = ${value};`,
      "workgroupBarrier();",
      `var ${to} = ${start};`,
      `for (var n = 0u; n < ${across}u; n++) { ${to} = ${join(to, `weights[n * ${down + 1}u + y]`)}; }`,
      "workgroupBarrier();",
    ],
  };
};
