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

const powerAbove = (x: number): number => 2 ** Math.ceil(Math.log2(x));

/**
 * For adapters that run on the CPU: no barrier, no shared memory; each invocation keeps a tile in registers and walks the
 * inner axis. The lanes of a workgroup lie beside each other, so that elements of a are one load for all of them (a driver
 * that sees so keeps them in scalar registers); narrow products put them below each other. Where they are one subgroup, each loads
 * one of eight such elements and hands it round: a load costs lavapipe more than that. The inner axis is not unrolled: that
 * doubled the time there. Rows and columns past the edge repeat the last one and are not stored.
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
  const [downText, acrossText] = [k.param(down), k.param(across)];
  const out = k.buffer(step.output.buffer, "f32", "write");
  const upTo = (count: number) => Array.from({ length: count }, (_, i) => i);
  const quads = upTo(QUADS);
  const fours = b.along || step.a.buffer === step.b.buffer ? undefined : b.quads?.();
  const inQuads = fours !== undefined;
  const quadOfB = (q: number) => {
    if (fours !== undefined) return fours.load(`down_b + n${4 * q}`);
    return `vec4<f32>(${upTo(4)
      .map((c) => b.load(`down_b + n${4 * q + c}`))
      .join(", ")})`;
  };
  const [laneRow, laneColumn] =
    lanesAcross === LANES
      ? ["0u", "lane"]
      : lanesAcross === 1
        ? ["lane", "0u"]
        : [`lane / ${lanesAcross}u`, `lane % ${lanesAcross}u`];
  const inner = k.param(sizes.inner);
  const column = (elementOfA: (row: number) => string) => [
    `let down_b = ${b.outer("s")};`,
    ...quads.map((q) => `let b${q} = ${quadOfB(q)};`),
    ...upTo(rows).flatMap((i) => [
      `let a${i} = vec4<f32>(${elementOfA(i)});`,
      ...quads.map((q) => `c${i}_${q} = fma(a${i}, b${q}, c${i}_${q});`),
    ]),
  ];
  const oneByOne = [
    `for (var s = 0u; s < ${inner}; s++) {`,
    `  let along_a = ${a.unit("s")};`,
    ...column((i) => a.load(`m${i} + along_a`)),
    "}",
  ];
  const inEights = [
    `for (var start = 0u; start < ${inner}; start += ${LANES}u) {`,
    `  let along_a = ${a.unit(`min(start + lane, ${inner} - 1u)`)};`,
    ...upTo(rows).map((i) => `  let some${i} = ${a.load(`m${i} + along_a`)};`),
    `  for (var s = start; s < min(start + ${LANES}u, ${inner}); s++) {`,
    ...column((i) => `subgroupShuffle(some${i}, s - start)`),
    "  }",
    "}",
  ];
  if (shares) k.enable("subgroups");
  /** For every element inside: a line about its address and its sum. */
  const atEach = (line: (at: string, value: string) => string) =>
    upTo(rows).flatMap((i) => [
      `if (row + ${i}u < ${m}) {`,
      `  let at = ${outRow(`row + ${i}u`)} + column;`,
      ...upTo(columns).map((j) => {
        const value = `c${i}_${j >> 2}.${"xyzw"[j & 3]}`;
        return `  if (column + ${j}u < ${n}) { ${line(`at + ${j}u`, value)} }`;
      }),
      "}",
    ]);
  const lines = [
    `let tile = min(group, ${k.param(groups)} - 1u);`, // no early return: it would mask all that follows
    // Down first: neighbours read the same columns of b.
    `let beside = tile / ${downText};`,
    `let row = (tile % ${downText} * ${LANES / lanesAcross}u + ${laneRow}) * ${rows}u;`,
    `let column = (beside % ${acrossText} * ${lanesAcross}u + ${laneColumn}) * ${columns}u;`,
    `let batch = beside / ${acrossText};`,
    ...bases,
    ...upTo(rows).map((i) => `let m${i} = ${a.outer(`min(row + ${i}u, ${m} - 1u)`)};`),
    ...upTo(columns)
      .filter((i) => !inQuads || i % 4 === 0)
      .map((i) => `let n${i} = ${b.unit(`min(column + ${i}u, ${n} - ${inQuads ? 4 : 1}u)`)};`),
    ...upTo(rows).flatMap((i) => quads.map((q) => `var c${i}_${q} = vec4<f32>();`)),
    ...(continues ? atEach((at, value) => `${value} = ${out.load(at)};`) : []),
    ...(shares ? inEights : oneByOne),
    ...atEach((at, value) => out.store(at, value)),
  ];
  return k.finish({ workgroupSize: LANES, workgroups: groups, body: indent(lines) });
};
