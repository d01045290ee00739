import { sizeOf } from "../../../core/index.js";
import { collapse } from "../../plan/collapse.js";
import type { MatmulStep, ReduceStep, View } from "../../plan/steps.js";
import { type Builder, builder, type Kernel, scratch, vector } from "../wgsl/module.js";
import { indent, plus, walk } from "../wgsl/walk.js";
import type { Lowering } from "./lowering.js";
import { mapKernels } from "./map.js";
import { reduceKernels } from "./reduce.js";

/** Address of an element in two parts to be added: from the index before last, with the base, and from the last index. */
interface Addressed {
  readonly outer: (index: string) => string;
  readonly unit: (index: string) => string;
  readonly load: (address: string) => string;
}

/** What both variants need. a is addressed by (row, inner), b by (inner, column). */
interface MatmulText {
  readonly k: Builder;
  readonly sizes: { readonly m: number; readonly n: number; readonly inner: number; readonly batch: number };
  readonly m: string;
  readonly n: string;
  /** Lines that define baseA and baseB from `batch`. */
  readonly bases: readonly string[];
  readonly a: Addressed;
  readonly b: Addressed;
  /** Whether neighbouring k (of a), or neighbouring columns (of b), are neighbours in memory. */
  readonly rowsOfA: boolean;
  readonly rowsOfB: boolean;
}

const matmulText = (step: MatmulStep): MatmulText => {
  const k = builder("matmul");
  const { a, b } = step;
  const rank = a.shape.length;
  const [m, inner] = a.shape.slice(-2);
  const n = b.shape[rank - 1];
  const lead = a.shape.slice(0, -2);
  const space = collapse({ shape: lead, strides: [a.strides.slice(0, -2), b.strides.slice(0, -2)] });
  const { lines, offsets } = walk(k, space.shape, space.strides, "batch", "axis");
  const addressed = (view: View, base: string) => {
    const access = k.buffer(view.buffer, "f32", "read");
    const [outer, unit] = view.strides
      .slice(-2)
      .map((stride) => (index: string) => (stride === 1 ? index : `${index} * ${k.param(stride)}`));
    return { outer: (row: string) => plus(base, outer(row)), unit, load: access.load };
  };
  return {
    k,
    sizes: { m, n, inner, batch: sizeOf(lead) },
    m: k.param(m),
    n: k.param(n),
    bases: [
      ...lines,
      `let baseA = ${plus(k.param(a.offset), offsets[0])};`,
      `let baseB = ${plus(k.param(b.offset), offsets[1])};`,
    ],
    a: addressed(a, "baseA"),
    b: addressed(b, "baseB"),
    rowsOfA: a.strides[rank - 1] === 1,
    rowsOfB: b.strides[rank - 1] === 1,
  };
};

/** Rows and groups of four columns that one invocation of the register kernel computes. */
const REGISTER_TILE = { rows: 8, quads: 2 };
/** Invocations of its workgroup: lavapipe's vector. */
const LANES = 8;

const powerAbove = (x: number): number => 2 ** Math.ceil(Math.log2(x));

/** Can rows of b be read four elements at a time? */
const readsQuads = ({ a, b }: MatmulStep): boolean =>
  b.strides[b.strides.length - 1] === 1 &&
  [b.offset, b.shape[b.shape.length - 1], ...b.strides.slice(0, -1)].every((x) => x % 4 === 0) &&
  a.buffer !== b.buffer;

/**
 * For adapters that run on the CPU: no barrier, no shared memory; each invocation keeps a tile in registers and walks the
 * inner axis. The lanes of a workgroup lie beside each other, so that elements of a are one load for all of them (a driver
 * that sees so keeps them in scalar registers); narrow products put them below each other. The inner axis is not unrolled:
 * that doubled the time on lavapipe. Rows and columns past the edge repeat the last one and are not stored.
 */
const registerKernel = (step: MatmulStep): Kernel => {
  const { k, sizes, m, n, bases, a, b } = matmulText(step);
  const rows = Math.min(REGISTER_TILE.rows, powerAbove(sizes.m));
  const columns = 4 * REGISTER_TILE.quads;
  const lanesAcross = Math.min(LANES, powerAbove(Math.ceil(sizes.n / columns)));
  const down = Math.ceil(sizes.m / (rows * (LANES / lanesAcross)));
  const across = Math.ceil(sizes.n / (columns * lanesAcross));
  const groups = down * across * sizes.batch;
  const [downText, acrossText] = [k.param(down), k.param(across)];
  const out = k.buffer(step.output.buffer, "f32", "write");
  const offset = k.param(step.output.offset);
  const upTo = (count: number) => Array.from({ length: count }, (_, i) => i);
  const quads = upTo(REGISTER_TILE.quads);
  const inQuads = readsQuads(step);
  const quadOfB = (q: number) => {
    if (inQuads) return k.buffer(step.b.buffer, "f32", "quads").load(`down_b + n${4 * q}`);
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
    `for (var s = 0u; s < ${k.param(sizes.inner)}; s++) {`,
    `  let along_a = ${a.unit("s")};`,
    `  let down_b = ${b.outer("s")};`,
    ...quads.map((q) => `  let b${q} = ${quadOfB(q)};`),
    ...upTo(rows).flatMap((i) => [
      `  let a${i} = vec4<f32>(${a.load(`m${i} + along_a`)});`,
      ...quads.map((q) => `  c${i}_${q} = fma(a${i}, b${q}, c${i}_${q});`),
    ]),
    "}",
    ...upTo(rows).flatMap((i) => [
      `if (row + ${i}u < ${m}) {`,
      `  let at = ${offset} + (batch * ${m} + row + ${i}u) * ${n} + column;`,
      ...upTo(columns).map((j) => {
        const value = `c${i}_${j >> 2}.${"xyzw"[j & 3]}`;
        return `  if (column + ${j}u < ${n}) { ${out.store(`at + ${j}u`, value)} }`;
      }),
      "}",
    ]),
  ];
  return k.finish({ workgroupSize: LANES, workgroups: groups, body: indent(lines) });
};

const TILE = 64;
const DEPTH = 16;

/**
 * For GPUs: a workgroup of 256 computes a 64 × 64 tile from 64 × 16 and 16 × 64 blocks in workgroup memory, 4 × 4 elements an
 * invocation. Few tiles and a long inner axis (weight gradients): the inner axis is cut, the parts are added afterwards.
 */
const tiledKernels = (step: MatmulStep, lowering: Lowering): Kernel[] => {
  const { k, sizes, m, n, bases, a, b, rowsOfA, rowsOfB } = matmulText(step);
  const [down, across] = [Math.ceil(sizes.m / TILE), Math.ceil(sizes.n / TILE)];
  const tiles = down * across * sizes.batch;
  const cuts = Math.max(1, Math.min(Math.floor(256 / tiles), Math.floor(sizes.inner / 128)));
  const length = Math.ceil(sizes.inner / cuts / DEPTH) * DEPTH;
  const parts = Math.ceil(sizes.inner / length);
  const size = sizes.batch * sizes.m * sizes.n;
  const [downText, acrossText, batchText] = [k.param(down), k.param(across), k.param(sizes.batch)];
  const [innerText, lengthText] = [k.param(sizes.inner), k.param(length)];
  const target = parts === 1 ? step.output : vector(scratch(0), parts * size);
  const out = k.buffer(target.buffer, "f32", "write");
  const offset = k.param(target.offset);
  k.declare(`var<workgroup> tileA: array<f32, ${DEPTH * (TILE + 1)}>;`); // [inner][row], padded against bank conflicts
  k.declare(`var<workgroup> tileB: array<f32, ${DEPTH * (TILE + 1)}>;`); // [inner][column]
  const stride = TILE + 1;
  // Neighbouring invocations load neighbours in memory.
  const fill = (rowMajor: boolean) => (rowMajor ? ["e / 16u", "e % 16u"] : ["e % 64u", "e / 64u"]);
  const [aOuter, aInner] = fill(rowsOfA);
  const [bInner, bOuter] = rowsOfB ? ["e / 64u", "e % 64u"] : ["e % 16u", "e / 16u"];
  const four = [0, 1, 2, 3];
  const lines = [
    `if (group >= ${k.param(tiles * parts)}) { return; }`,
    `let column = group % ${acrossText} * ${TILE}u;`,
    `let rest = group / ${acrossText};`,
    `let row = rest % ${downText} * ${TILE}u;`,
    `let slab = rest / ${downText};`,
    `let batch = slab % ${batchText};`,
    `let begin = slab / ${batchText} * ${lengthText};`,
    `let end = min(begin + ${lengthText}, ${innerText});`,
    ...bases,
    "let x = lane % 16u;",
    "let y = lane / 16u;",
    ...four.map((i) => `var c${i} = vec4<f32>();`),
    `for (var block = begin; block < end; block += ${DEPTH}u) {`,
    "  for (var e = lane; e < 1024u; e += 256u) {",
    `    let am = row + ${aOuter};`,
    `    let as_ = block + ${aInner};`,
    `    let bn = column + ${bOuter};`,
    `    let bs = block + ${bInner};`,
    "    var va = 0.0;",
    "    var vb = 0.0;",
    `    if (am < ${m} && as_ < end) { va = ${a.load(`${a.outer("am")} + ${a.unit("as_")}`)}; }`,
    `    if (bn < ${n} && bs < end) { vb = ${b.load(`${b.outer("bs")} + ${b.unit("bn")}`)}; }`,
    `    tileA[(${aInner}) * ${stride}u + ${aOuter}] = va;`,
    `    tileB[(${bInner}) * ${stride}u + ${bOuter}] = vb;`,
    "  }",
    "  workgroupBarrier();",
    `  for (var s = 0u; s < ${DEPTH}u; s++) {`,
    `    let b = vec4<f32>(${four.map((j) => `tileB[s * ${stride}u + x + ${16 * j}u]`).join(", ")});`,
    ...four.map((i) => `    c${i} += tileA[s * ${stride}u + y + ${16 * i}u] * b;`),
    "  }",
    "  workgroupBarrier();",
    "}",
    ...four.flatMap((i) => [
      `let r${i} = row + y + ${16 * i}u;`,
      `if (r${i} < ${m}) {`,
      `  let at = ${offset} + (slab * ${m} + r${i}) * ${n} + column + x;`,
      ...four.map(
        (j) => `  if (column + x + ${16 * j}u < ${n}) { ${out.store(`at + ${16 * j}u`, `c${i}.${"xyzw"[j]}`)} }`,
      ),
      "}",
    ]),
  ];
  const body = lines.map((line) => `  ${line}`).join("\n");
  const kernel = k.finish({ workgroupSize: 256, workgroups: tiles * parts, body });
  if (parts === 1) return [kernel];
  lowering.scratch(0, parts * size);
  const total: ReduceStep = {
    kind: "reduce",
    reduce: "sum",
    dtype: "f32",
    kept: [size],
    reduced: [parts],
    inputs: [{ buffer: scratch(0), shape: [size, parts], strides: [1, size], offset: 0 }],
    body: [{ op: "load", input: 0, dtype: "f32" }],
    value: 0,
    output: { ...step.output, shape: [size], strides: [1] },
  };
  return [kernel, ...reduceKernels(total, lowering, 1)];
};

/** out[…batch, M, N] = a × b, any strides. Tolerance: K roundings of Σ|a||b|, as for any sum in order. */
export const matmulKernels = (step: MatmulStep, lowering: Lowering): Kernel[] => {
  const size = sizeOf(step.output.shape);
  if (size === 0) return [];
  if (step.a.shape[step.a.shape.length - 1] === 0) {
    const zero = { op: "constant", value: 0, dtype: "f32" } as const;
    const outputs = [{ value: 0, view: step.output, dtype: "f32" as const }];
    return mapKernels({ kind: "map", shape: step.output.shape, inputs: [], body: [zero], outputs });
  }
  return lowering.wide ? tiledKernels(step, lowering) : [registerKernel(step)];
};
