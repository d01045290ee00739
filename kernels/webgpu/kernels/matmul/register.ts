import type { Kernel } from "../../wgsl/module.js";
import { indent } from "../../wgsl/walk.js";
import type { MatmulPart } from "../../windows/matmul.js";
import type { Lowering } from "../lowering.js";
import { matmulText } from "./text.js";

/** Rows and groups of four columns that one invocation of the register kernel computes. */
const [ROWS, QUADS] = [8, 2];
/** From so many rows on, twice as many an invocation are worth the driver's time to compile them. */
const TALL_FROM = 256;
/** Invocations of its workgroup: lavapipe's vector. */
const LANES = 8;
/** Inner elements that are multiplied before sums are kept again; divides LANES. */
const DEPTH = 4;

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
const powerAbove = (x: number): number => 2 ** Math.ceil(Math.log2(x));

/**
 * For adapters that run on the CPU: no barrier, no shared memory; each invocation keeps a tile in registers and walks the
 * inner axis. The lanes of a workgroup lie beside each other, so that elements of a are one load for all of them (a driver
 * that sees so keeps them in scalar registers); narrow products put them below each other. Where they are one subgroup, each loads
 * one of eight such elements and hands it round: a load costs lavapipe more than that. There, several inner elements are multiplied
 * in a turn of the loop: it masks and stores what a loop changes, sum by sum. Rows and columns past the edge repeat the last
 * one and are not stored; inner elements past it are zeros.
 */
export const registerKernel = ({ step, continues }: MatmulPart, { subgroup }: Lowering): Kernel => {
  const { k, sizes, m, n, bases, a, b, outRow } = matmulText(step);
  const columns = 4 * QUADS;
  const lanesAcross = Math.min(LANES, powerAbove(Math.ceil(sizes.n / columns)));
  const shares = subgroup === LANES && lanesAcross === LANES;
  const rows = shares && sizes.m >= TALL_FROM ? 2 * ROWS : Math.min(ROWS, powerAbove(sizes.m));
  const down = Math.ceil(sizes.m / (rows * (LANES / lanesAcross)));
  const across = Math.ceil(sizes.n / (columns * lanesAcross));
  const groups = down * across * sizes.batch;
  const [downText, acrossText, inner] = [down, across, sizes.inner].map((x) => k.param(x));
  const out = k.buffer(step.output.buffer, "f32", "write");
  const quads = upTo(QUADS);
  const isWhole = sizes.inner % DEPTH === 0;
  const canQuads = step.a.buffer !== step.b.buffer && (!b.along || (shares && isWhole));
  const fours = canQuads ? b.quads?.() : undefined;
  const inQuads = fours !== undefined && !b.along;
  /** Columns of a quad lie beside each other, and so do the same quads of all lanes. */
  const columnOf = (j: number) => `column + ${(j >> 2) * 4 * lanesAcross + (j & 3)}u`;
  const rowOf = (i: string) => a.outer(`min(row + ${i}, ${m} - 1u)`);
  const [laneRow, laneColumn] =
    lanesAcross === LANES
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
  const loadsOfB = (at: (s: string) => string, inside: (value: string, zero: string, s: string) => string) =>
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
    const at = (s: string) => (isWhole ? s : `min(${s}, ${inner} - 1u)`);
    const inside = (value: string, zero: string, s: string) =>
      isWhole ? value : `select(${zero}, ${value}, ${s} < ${inner})`;
    // A load of all lanes has neighbours in memory: DEPTH elements of a few rows, or as many rows of one.
    const [high, deep] = a.along ? [LANES / DEPTH, DEPTH] : [LANES, 1];
    const [lane_row, lane_inner] = a.along ? [`lane / ${DEPTH}u`, `lane % ${DEPTH}u`] : ["lane", "0u"];
    const some = upTo(Math.ceil(rows / high)).flatMap((i) => upTo(DEPTH / deep).map((u) => ({ i, u })));
    const elementOfA = (row: number, u: number) => {
      const from = `some${Math.floor(row / high)}_${Math.floor(u / deep)}`;
      return `subgroupBroadcast(${from}, ${(row % high) * deep + (u % deep)}u)`;
    };
    return [
      ...upTo(Math.ceil(rows / high)).map((i) => `let m${i} = ${rowOf(`${i * high}u + ${lane_row}`)};`),
      `for (var s = 0u; s < ${inner}; s += ${DEPTH}u) {`,
      ...some.map(({ i, u }) => {
        const along = `s + ${u}u + ${lane_inner}`;
        return `  let some${i}_${u} = ${inside(a.load(`m${i} + ${a.unit(`(${at(along)})`)}`), "0.0", along)};`;
      }),
      ...loadsOfB(at, inside),
      ...upTo(rows).flatMap((i) => [
        ...upTo(DEPTH).map((u) => `  let a${i}_${u} = vec4<f32>(${elementOfA(i, u)});`),
        ...quads.map((q) => {
          const sum = upTo(DEPTH).reduce((sum, u) => `fma(a${i}_${u}, b${q}_${u}, ${sum})`, `c${i}_${q}`);
          return `  c${i}_${q} = ${sum};`;
        }),
      ]),
      "}",
    ];
  };
  if (shares) k.enable("subgroups");
  /** For every element inside: a line about its address and its sum. */
  const atEach = (line: (at: string, value: string) => string) =>
    upTo(rows).flatMap((i) => [
      `if (row + ${i}u < ${m}) {`,
      `  let at = ${outRow(`row + ${i}u`)};`,
      ...upTo(columns).map((j) => {
        const value = `c${i}_${j >> 2}.${"xyzw"[j & 3]}`;
        return `  if (${columnOf(j)} < ${n}) { ${line(`at + ${columnOf(j)}`, value)} }`;
      }),
      "}",
    ]);
  const lines = [
    `let tile = min(group, ${k.param(groups)} - 1u);`, // no early return: it would mask all that follows
    // Down first: neighbours read the same columns of b.
    `let beside = tile / ${downText};`,
    `let row = (tile % ${downText} * ${LANES / lanesAcross}u + ${laneRow}) * ${rows}u;`,
    `let column = beside % ${acrossText} * ${lanesAcross * columns}u + ${laneColumn} * 4u;`,
    `let batch = beside / ${acrossText};`,
    ...bases,
    ...upTo(columns)
      .filter((j) => !inQuads || j % 4 === 0)
      .map((j) => `let n${j} = ${b.unit(`min(${columnOf(j)}, ${n} - ${inQuads ? 4 : 1}u)`)};`),
    ...upTo(rows).flatMap((i) => quads.map((q) => `var c${i}_${q} = vec4<f32>();`)),
    ...(continues ? atEach((at, value) => `${value} = ${out.load(at)};`) : []),
    ...(shares ? inBlocks() : oneByOne()),
    ...atEach((at, value) => out.store(at, value)),
  ];
  return k.finish({ workgroupSize: LANES, workgroups: groups, body: indent(lines) });
};
