import type { Builder } from "../../wgsl/module.js";
import { indented, upTo } from "../../wgsl/walk.js";
import type { Measures } from "./tile.js";

const times = (value: string, factor?: string): string => (factor === undefined ? value : `${value} * ${factor}`);

/** A line that sets `value`, zeros before, to group `quad` of four numbers of the tile's head vector `index`, if there is such a one. */
export type Vectors = (index: string, quad: string) => string;

/** Text of what workgroups do with tiles. Every piece is called by all invocations together. */
export interface Block {
  /** For each of an invocation's columns: its place in the tile, and the vector with one number a row: `<name>0`, … */
  readonly eachColumn: (line: (j: number, place: string) => string) => string[];
  /** Declares `<name>0` … : products of each row's vector with each column's. Ends with everybody past the last barrier. */
  readonly product: (name: string, rows: Vectors, columns: Vectors) => string[];
  /** Hands the invocation's part of weights to the others, by a factor if one is given; a barrier must follow. */
  readonly share: (name: string, factor?: string) => string[];
  readonly zeroSums: (name: string) => string[];
  /** Adds to sums: columns' vectors by the weights shared. Begins with a barrier. */
  readonly addWeighted: (name: string, columns: Vectors) => string[];
  /** Writes sums, by a factor if one is given, by `put(place, quad, value)`, where `isRow`. */
  readonly store: (
    name: string,
    place: (row: string) => string,
    isRow: (row: string) => string,
    put: string,
    factor?: string,
  ) => string[];
  /** Joins one vector an invocation over those that share its rows: `<to>` = join of all. Two barriers, the second at its end. */
  readonly joined: (value: string, to: string, start: string, join: (x: string, y: string) => string) => string[];
}

/** A block whose sums are in registers. */
export interface FloatBlock extends Block {
  /** Sets each sum of the invocation: a line of its name and of its row's component. */
  readonly eachSum: (name: string, line: (sum: string, component: string) => string) => string[];
  /** Sets each sum to what becomes of it, with the vector `at` that it is of, the group of that, and its row's component. */
  readonly become: (
    name: string,
    at: { readonly place: (row: string) => string; readonly isRow: (row: string) => string },
    value: (sum: string, quad: string, component: string) => string,
  ) => string[];
}

/** `quads`: text, how many groups of four numbers a head vector has. The text sees x, y, `lane` and `slice` (frame.ts). */
export const block = (k: Builder, measures: Measures, quads: string): FloatBlock => {
  const { down, across, each, quads: own, depth } = measures;
  const { rows, columns, lanes, width, chunk, rowPitch, columnPitch, weightPitch } = measures;
  k.declare(`var<workgroup> stage: array<vec4<f32>, ${measures.stage}>;`);
  k.declare(`var<workgroup> weights: array<vec4<f32>, ${measures.weights}>;`);
  const columnStage = depth * rowPitch;
  const fill = (count: number, per: number, to: (outer: string, inner: string) => string, vector: string) => [
    `for (var e = lane; e < ${count * per}u; e += ${lanes}u) {`,
    `  let outer = e / ${per}u;`,
    `  let inner = e % ${per}u;`,
    "  var value = vec4<f32>();",
    `  ${vector}`,
    `  stage[${to("outer", "inner")}] = value;`,
    "}",
  ];
  const placeOf = (j: number) => `x + ${across * j}u`;
  const sums = upTo(own).flatMap((c) => upTo(4).map((i) => ({ c, i })));
  const four = ["x", "y", "z", "w"];
  /** A line about each sum that is a part of a vector, `at`. */
  const eachPlaced = (
    name: string,
    { place, isRow }: { readonly place: (row: string) => string; readonly isRow: (row: string) => string },
    line: (sum: string, quad: string, i: number) => string,
  ): string[] =>
    upTo(4).flatMap((i) => [
      `if (${isRow(`y + ${down * i}u`)}) {`,
      `  let at = ${place(`y + ${down * i}u`)};`,
      ...upTo(own).map((c) => {
        const quad = `slice + x + ${across * c}u`;
        return `  if (${quad} < ${quads}) { ${line(`${name}${i}_${c}`, quad, i)} }`;
      }),
      "}",
    ]);
  return {
    eachColumn: (line) => upTo(each).map((j) => line(j, placeOf(j))),
    product: (name, rowVectors, columnVectors) => [
      ...upTo(each).map((j) => `var ${name}${j} = vec4<f32>();`),
      `for (var part = 0u; part < ${quads}; part += ${depth}u) {`,
      "  workgroupBarrier();",
      ...indented(
        fill(rows, depth, (outer, inner) => `${inner} * ${rowPitch}u + ${outer}`, rowVectors("outer", "part + inner")),
      ),
      ...indented(
        fill(
          columns,
          depth,
          (outer, inner) => `${columnStage}u + ${inner} * ${columnPitch}u + ${outer}`,
          columnVectors("outer", "part + inner"),
        ),
      ),
      "  workgroupBarrier();",
      `  for (var deep = 0u; deep < ${depth}u; deep++) {`,
      ...upTo(4).map((i) => `    let r${i} = stage[deep * ${rowPitch}u + y + ${down * i}u];`),
      ...four.map((c) => `    let r${c} = vec4<f32>(${upTo(4).map((i) => `r${i}.${c}`)});`),
      ...upTo(each).flatMap((j) => [
        `    let c${j} = stage[${columnStage}u + deep * ${columnPitch}u + ${placeOf(j)}];`,
        ...four.map((c) => `    ${name}${j} = fma(r${c}, vec4<f32>(c${j}.${c}), ${name}${j});`),
      ]),
      "  }",
      "}",
    ],
    share: (name, factor) =>
      upTo(each).map((j) => `weights[(${placeOf(j)}) * ${weightPitch}u + y] = ${times(`${name}${j}`, factor)};`),
    zeroSums: (name) => sums.map(({ c, i }) => `var ${name}${i}_${c} = vec4<f32>();`),
    addWeighted: (name, vectors) => [
      `for (var part = 0u; part < ${columns}u; part += ${chunk}u) {`,
      "  workgroupBarrier();",
      ...indented(
        fill(
          chunk,
          width,
          (outer, inner) => `${outer} * ${width}u + ${inner}`,
          vectors("part + outer", "slice + inner"),
        ),
      ),
      "  workgroupBarrier();",
      `  for (var column = 0u; column < ${chunk}u; column++) {`,
      `    let weight = weights[(part + column) * ${weightPitch}u + y];`,
      ...upTo(own).flatMap((c) => [
        `    let v${c} = stage[column * ${width}u + x + ${across * c}u];`,
        ...four.map((at, i) => `    ${name}${i}_${c} = fma(vec4<f32>(weight.${at}), v${c}, ${name}${i}_${c});`),
      ]),
      "  }",
      "}",
    ],
    eachSum: (name, line) => sums.map(({ c, i }) => line(`${name}${i}_${c}`, four[i])),
    store: (name, place, isRow, put, factor) =>
      eachPlaced(name, { place, isRow }, (sum, quad) => `${put}(at, ${quad}, ${times(sum, factor)});`),
    become: (name, at, value) => eachPlaced(name, at, (sum, quad, i) => `${sum} = ${value(sum, quad, four[i])};`),
    joined: (value, to, start, join) => [
      `weights[x * ${weightPitch}u + y] = ${value};`,
      "workgroupBarrier();",
      `var ${to} = ${start};`,
      `for (var n = 0u; n < ${across}u; n++) { ${to} = ${join(to, `weights[n * ${weightPitch}u + y]`)}; }`,
      "workgroupBarrier();",
    ],
  };
};
