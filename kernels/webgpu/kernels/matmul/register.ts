import type { Builder, Kernel } from "../../wgsl/module.js";
import { indent, upTo } from "../../wgsl/walk.js";
import type { MatmulPart } from "../../windows/matmul.js";
import type { Lowering } from "../lowering.js";
import { type At, DEPTH, handedRound, type Inside } from "./handed.js";
import { isWholeQuads, matmulText } from "./text.js";

/** Rows and groups of four columns that one invocation of the register kernel computes. */
const [ROWS, QUADS] = [8, 2];
/**
 * Invocations of a workgroup, a driver's vector, and from how many rows on twice as many an invocation are worth the time to compile
 * them: those of lavapipe; and of SwiftShader, where a load costs most and compiling little.
 */
const EIGHT = { lanes: 8, tallFrom: 256 };
const FOUR = { lanes: 4, tallFrom: 128 };

/** What of a product does not matter. */
export interface Ending {
  /** Lines that define `end` of rows `row` … of batch element `batch`, so many of them and none past `limit`. */
  readonly lines: (k: Builder, rows: number, limit: string) => readonly string[];
  /** Columns from `end` on, which may become anything; or inner elements from there on, which are not read. */
  readonly of: "columns" | "inner";
}

const powerAbove = (x: number): number => 2 ** Math.ceil(Math.log2(x));

/**
 * For adapters that run on the CPU: no barrier, no shared memory; each invocation keeps a tile in registers and walks the
 * inner axis. The lanes of a workgroup lie beside each other, so that elements of a are one load for all of them (a driver
 * that sees so keeps them in scalar registers); narrow products put them below each other. Where they are one subgroup, each loads
 * its share of such elements and hands it round: a load costs drivers more than that. There, several inner elements are multiplied
 * in a turn of the loop: they mask and store what a loop changes, sum by sum. Rows and columns past the edge repeat the last
 * one and are not stored; inner elements past it are zeros.
 */
export const registerKernel = (
  { step, continues }: MatmulPart,
  { subgroup }: Pick<Lowering, "subgroup">,
  ending?: Ending,
): Kernel => {
  const { k, sizes, m, n, bases, a, b, outRow } = matmulText(step);
  const { lanes, tallFrom } = subgroup === FOUR.lanes ? FOUR : EIGHT;
  const columns = 4 * QUADS;
  const lanesAcross = Math.min(lanes, powerAbove(Math.ceil(sizes.n / columns)));
  const shares = subgroup === lanes && lanesAcross === lanes;
  const rows = shares && sizes.m >= tallFrom ? 2 * ROWS : Math.min(ROWS, powerAbove(sizes.m));
  const down = Math.ceil(sizes.m / (rows * (lanes / lanesAcross)));
  const across = Math.ceil(sizes.n / (columns * lanesAcross));
  const groups = down * across * sizes.batch;
  const [downText, acrossText, innerText] = [down, across, sizes.inner].map((x) => k.param(x));
  const inner = ending === undefined ? innerText : "inner";
  const isInFours = lanes === DEPTH && isWholeQuads(step.output, -1);
  const out = (isInFours ? k.quads : k.buffer)(step.output.buffer, "f32", "write");
  const quads = upTo(QUADS);
  const isWhole = sizes.inner % DEPTH === 0 && ending?.of !== "inner";
  const canQuads = step.a.buffer !== step.b.buffer && (!b.along || (shares && isWhole));
  const fours = canQuads ? b.quads?.() : undefined;
  const isShared = shares && lanes === DEPTH && rows % 4 === 0 && step.a.buffer !== step.b.buffer;
  const foursOfA = isShared ? a.quads?.() : undefined;
  const inQuads = fours !== undefined && !b.along;
  /** Columns of a quad lie beside each other, and so do the same quads of all lanes. */
  const columnOf = (j: number) => `column + ${(j >> 2) * 4 * lanesAcross + (j & 3)}u`;
  const rowOf = (i: string) => a.outer(`min(row + ${i}, ${m} - 1u)`);
  const [laneRow, laneColumn] =
    lanesAcross === lanes
      ? ["0u", "lane"]
      : lanesAcross === 1
        ? ["lane", "0u"]
        : [`lane / ${lanesAcross}u`, `lane % ${lanesAcross}u`];
  const fourOf = (text: (c: number) => string) => `vec4<f32>(${upTo(4).map(text).join(", ")})`;
  const quadOfB = (q: number, from: string) =>
    fours !== undefined && inQuads
      ? fours.load(`${from} + n${4 * q}`)
      : fourOf((c) => b.load(`${from} + n${4 * q + c}`));
  const oneByOne = () => [
    ...upTo(rows).map((i) => `let m${i} = ${rowOf(`${i}u`)};`),
    `for (var s = 0u; s < ${inner}; s++) {`,
    `  let along_a = ${a.unit("s")};`,
    `  let down_b = ${b.outer("s")};`,
    ...quads.map((q) => `  let b${q} = ${quadOfB(q, "down_b")};`),
    ...upTo(rows).flatMap((i) => [
      `  let a${i} = vec4<f32>(${a.load(`m${i} + along_a`)});`,
      ...quads.map((q) => `  c${i}_${q} = fma(a${i}, b${q}, c${i}_${q});`),
    ]),
    "}",
  ];
  /** Of DEPTH inner elements; a column's lie in one line of the cache if they lie beside each other. */
  const loadsOfB = (at: At, inside: Inside) =>
    fours !== undefined && b.along
      ? [
          `  let down = ${b.outer("s")};`,
          ...upTo(columns).map((j) => `  let w${j} = ${fours.load(`down + n${j}`)};`),
          ...upTo(DEPTH).flatMap((u) =>
            quads.map((q) => `  let b${q}_${u} = ${fourOf((c) => `w${4 * q + c}.${"xyzw"[u]}`)};`),
          ),
        ]
      : upTo(DEPTH).flatMap((u) => [
          `  let down${u} = ${b.outer(`(${at(`s + ${u}u`)})`)};`,
          ...quads.map((q) => `  let b${q}_${u} = ${inside(quadOfB(q, `down${u}`), "vec4<f32>()", `s + ${u}u`)};`),
        ]);
  const inBlocks = () => {
    const at: At = (s) => (isWhole ? s : `min(${s}, ${inner} - 1u)`);
    const inside: Inside = (value, zero, s) => (isWhole ? value : `select(${zero}, ${value}, ${s} < ${inner})`);
    const { before, loads, element } = handedRound({ a, rows, lanes, m, fours: foursOfA, at, inside });
    return [
      ...before,
      `for (var s = 0u; s < ${inner}; s += ${DEPTH}u) {`,
      ...loads,
      ...loadsOfB(at, inside),
      ...upTo(rows).flatMap((i) => [
        ...upTo(DEPTH).map((u) => `  let a${i}_${u} = vec4<f32>(${element(i, u)});`),
        ...quads.map((q) => {
          const sum = upTo(DEPTH).reduce((sum, u) => `fma(a${i}_${u}, b${q}_${u}, ${sum})`, `c${i}_${q}`);
          return `  c${i}_${q} = ${sum};`;
        }),
      ]),
      "}",
    ];
  };
  if (shares) k.enable("subgroups");
  /** For every element inside, or four of them: a line about its address and its sum. */
  const atEach = (line: (at: string, value: string) => string) =>
    upTo(rows).flatMap((i) => [
      `if (row + ${i}u < ${m}) {`,
      `  let at = ${outRow(`row + ${i}u`)};`,
      ...upTo(isInFours ? QUADS : columns).map((j) => {
        const column = columnOf(isInFours ? 4 * j : j);
        const value = isInFours ? `c${i}_${j}` : `c${i}_${j >> 2}.${"xyzw"[j & 3]}`;
        return `  if (${column} < ${n}) { ${line(`at + ${column}`, value)} }`;
      }),
      "}",
    ]);
  const lines = [
    `let tile = min(group, ${k.param(groups)} - 1u);`, // no early return: it would mask all that follows
    // Down first: neighbours read the same columns of b.
    `let beside = tile / ${downText};`,
    `let row = (tile % ${downText} * ${lanes / lanesAcross}u + ${laneRow}) * ${rows}u;`,
    `let left = beside % ${acrossText} * ${lanesAcross * columns}u;`,
    `let column = left + ${laneColumn} * 4u;`,
    `let batch = beside / ${acrossText};`,
    ...bases,
    ...(ending?.lines(k, rows, m) ?? []),
    ...(ending === undefined
      ? []
      : [`let inner = ${ending.of === "inner" ? `min(${innerText}, end)` : `select(0u, ${innerText}, left < end)`};`]),
    ...upTo(columns)
      .filter((j) => !inQuads || j % 4 === 0)
      .map((j) => `let n${j} = ${b.unit(`min(${columnOf(j)}, ${n} - ${inQuads ? 4 : 1}u)`)};`),
    ...upTo(rows).flatMap((i) => quads.map((q) => `var c${i}_${q} = vec4<f32>();`)),
    ...(continues ? atEach((at, value) => `${value} = ${out.load(at)};`) : []),
    ...(shares ? inBlocks() : oneByOne()),
    ...atEach((at, value) => out.store(at, value)),
  ];
  return k.finish({ workgroupSize: lanes, workgroups: groups, body: indent(lines) });
};
