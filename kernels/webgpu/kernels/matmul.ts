import { sizeOf } from "../../../core/index.js";
import type { MatmulStep, ReduceStep, View } from "../../plan/steps.js";
import { type Kernel, scratch } from "../wgsl/module.js";
import { viewIn } from "../windows/box.js";
import { type MatmulPart, matmulParts, placedMatmul, touchedByMatmul } from "../windows/matmul.js";
import { reads, type Touched, writes } from "../windows/windows.js";
import { declareFinish, epilogueMap, epilogueOfZero } from "./epilogue.js";
import type { Lowering } from "./lowering.js";
import { mapKernels } from "./map.js";
import { registerKernel } from "./matmul-register.js";
import { matmulText } from "./matmul-text.js";
import { reduceKernels } from "./reduce.js";

const TILE = 64;
const DEPTH = 16;

/** So many tiles keep a GPU busy. */
const BUSY = 128;
/** Most parts: as many as a reduction adds up one after the other. */
const PARTS = 32;

/**
 * The parts that a sum over the inner axis is made of, in order. Whether a workgroup adds them all, or each has one, the bits are the
 * same; and they are no function of how many rows there are: a row must not depend on those beside it.
 */
const innerCut = ({ a, output }: MatmulStep): { readonly parts: number; readonly length: number } => {
  const n = output.shape[output.shape.length - 1];
  const inner = a.shape[a.shape.length - 1];
  const cuts = Math.max(1, Math.min(PARTS, Math.floor((2 * BUSY) / Math.ceil(n / TILE)), Math.floor(inner / 128)));
  const length = Math.ceil(inner / cuts / DEPTH) * DEPTH;
  return { parts: Math.ceil(inner / length), length };
};

const tilesOf = ({ shape }: View): number => {
  const [m, n] = shape.slice(-2);
  return Math.ceil(m / TILE) * Math.ceil(n / TILE) * sizeOf(shape.slice(0, -2));
};

/**
 * For GPUs: a workgroup of 256 computes a 64 × 64 tile from 64 × 16 and 16 × 64 blocks in workgroup memory, 4 × 4 elements an
 * invocation. With several `parts` of the inner axis, each of `length`: [parts, ...] products. Sums of `together` terms at a time
 * are added up.
 */
const tiledKernel = (
  { step, continues }: MatmulPart,
  parts = 1,
  length = step.a.shape[step.a.shape.length - 1],
  together = length,
): Kernel => {
  const { k, sizes, m, n, bases, a, b, outRow, rowsOfA, rowsOfB } = matmulText(step);
  const [down, across] = [Math.ceil(sizes.m / TILE), Math.ceil(sizes.n / TILE)];
  const tiles = down * across * sizes.batch;
  const [downText, acrossText, batchText] = [k.param(down), k.param(across), k.param(sizes.batch)];
  const [innerText, lengthText] = [k.param(sizes.inner), k.param(length)];
  const out = k.buffer(step.output.buffer, "f32", "write");
  k.declare(`var<workgroup> tileA: array<f32, ${DEPTH * (TILE + 1)}>;`); // [inner][row], padded against bank conflicts
  k.declare(`var<workgroup> tileB: array<f32, ${DEPTH * (TILE + 1)}>;`); // [inner][column]
  const finishes = step.epilogue !== undefined;
  const adds = together < length;
  if (finishes) declareFinish(k, step.epilogue);
  const partSize = k.param(sizeOf(step.output.shape));
  const stride = TILE + 1;
  // Neighbouring invocations load neighbours in memory.
  const fill = (rowMajor: boolean) => (rowMajor ? ["e / 16u", "e % 16u"] : ["e % 64u", "e / 64u"]);
  const [aOuter, aInner] = fill(rowsOfA);
  const [bInner, bOuter] = rowsOfB ? ["e / 64u", "e % 64u"] : ["e % 16u", "e / 16u"];
  const four = [0, 1, 2, 3];
  /** For every element inside: a line about its address, its sum, and its place in the product. */
  const atEach = (line: (at: string, sum: string, e: string) => string) =>
    four.flatMap((i) => [
      `if (row + y + ${16 * i}u < ${m}) {`,
      `  let at = partAt + ${outRow(`row + y + ${16 * i}u`)} + column + x;`,
      `  let e = (batch * ${m} + row + y + ${16 * i}u) * ${n} + column + x;`,
      ...four.map((j) => {
        const [at, sum, e] = [`at + ${16 * j}u`, `c${i}.${"xyzw"[j]}`, `e + ${16 * j}u`];
        return `  if (column + x + ${16 * j}u < ${n}) { ${line(at, sum, e)} }`;
      }),
      "}",
    ]);
  const lines = [
    `if (group >= ${k.param(tiles * parts)}) { return; }`,
    `let column = group % ${acrossText} * ${TILE}u;`,
    `let rest = group / ${acrossText};`,
    `let row = rest % ${downText} * ${TILE}u;`,
    `let slab = rest / ${downText};`,
    `let batch = slab % ${batchText};`,
    `let partAt = slab / ${batchText} * ${partSize};`,
    `let begin = slab / ${batchText} * ${lengthText};`,
    `let end = min(begin + ${lengthText}, ${innerText});`,
    ...bases,
    "let x = lane % 16u;",
    "let y = lane / 16u;",
    ...four.map((i) => `var c${i} = vec4<f32>();`),
    ...(adds ? four.map((i) => `var total${i} = vec4<f32>();`) : []),
    ...(continues ? atEach((at, sum) => `${sum} = ${out.load(at)};`) : []),
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
    ...(adds
      ? [
          `  if ((block + ${DEPTH}u - begin) % ${k.param(together)} == 0u || block + ${DEPTH}u >= end) {`,
          ...four.map((i) => `    total${i} += c${i}; c${i} = vec4<f32>();`),
          "  }",
        ]
      : []),
    "}",
    ...(adds ? four.map((i) => `c${i} = total${i};`) : []),
    ...atEach((at, sum, e) => out.store(at, finishes ? `finish(${sum}, ${e})` : sum)),
  ];
  const body = lines.map((line) => `  ${line}`).join("\n");
  return k.finish({ workgroupSize: 256, workgroups: tiles * parts, body });
};

/** Where tiles are few (weight gradients), each part of the inner axis is a product of its own, and they are added afterwards. */
const tiledKernels = (step: MatmulStep, lowering: Lowering): Kernel[] => {
  const { parts, length } = innerCut(step);
  const { windows } = lowering;
  const bare: MatmulStep = { ...step, epilogue: undefined };
  const inner = step.a.shape[step.a.shape.length - 1];
  if ((parts === 1 || tilesOf(step.output) >= BUSY) && windows.fits(touchedByMatmul(step)))
    return [tiledKernel({ step: placedMatmul(step, windows), continues: false }, 1, inner, length)];
  if (parts === 1) {
    const { product, finish } = finishedLater(step, 0, lowering);
    return [...matmulParts(product, windows).map((part) => tiledKernel(part)), ...finish];
  }
  const size = sizeOf(step.output.shape);
  lowering.scratch(0, parts * size);
  const { product, finish } = finishedLater(step, parts * size, lowering);
  const sums: MatmulStep = { ...bare, output: { ...step.output, buffer: scratch(0), offset: 0 } };
  const whole: Touched = { ...writes(sums.output), count: parts * size };
  const products = windows.fits([reads(step.a, step.dtypes[0]), reads(step.b, step.dtypes[1]), whole])
    ? [tiledKernel({ step: placedMatmul(sums, windows), continues: false }, parts, length)]
    : innerParts(sums, parts, length).flatMap((part) => matmulParts(part, windows).map((one) => tiledKernel(one)));
  const total: ReduceStep = {
    kind: "reduce",
    reduce: "sum",
    dtype: "f32",
    kept: [size],
    reduced: [parts],
    inputs: [{ buffer: scratch(0), shape: [size, parts], strides: [1, size], offset: 0 }],
    body: [{ op: "load", input: 0, dtype: "f32" }],
    value: 0,
    output: { ...product.output, shape: [size], strides: [1] },
  };
  return [...products, ...reduceKernels(total, lowering, 1), ...finish];
};

/**
 * A product that takes several kernels, without what becomes of it, and the kernels of that. It may lie over what it is read
 * with, so that the product itself must not: it lies in scratch memory, `from` so many words on.
 */
const finishedLater = (
  step: MatmulStep,
  from: number,
  lowering: Lowering,
): { readonly product: MatmulStep; readonly finish: readonly Kernel[] } => {
  const { epilogue, output, ...bare } = step;
  if (epilogue === undefined) return { product: step, finish: [] };
  const size = sizeOf(output.shape);
  lowering.scratch(0, from + size);
  const place: View = { ...output, buffer: scratch(0), offset: from };
  return { product: { ...bare, output: place }, finish: mapKernels(epilogueMap(epilogue, place, output), lowering) };
};

/** A product cut along its inner axis: [parts, ...] products one after the other in the output's buffer. */
const innerParts = (step: MatmulStep, parts: number, length: number): MatmulStep[] => {
  const { a, b, output } = step;
  const rank = a.shape.length;
  return Array.from({ length: parts }, (_, part) => {
    const start = part * length;
    const among = (view: View, axis: number): View => {
      const starts = view.shape.map((_, i) => (i === axis ? start : 0));
      const sizes = view.shape.map((n, i) => (i === axis ? Math.min(length, n - start) : n));
      return viewIn(view, { starts, sizes });
    };
    const offset = output.offset + part * sizeOf(output.shape);
    return { ...step, a: among(a, rank - 1), b: among(b, rank - 2), output: { ...output, offset } };
  });
};

/** out[…batch, M, N] = a × b, any strides. Tolerance: K roundings of Σ|a||b|, as for any sum in order. */
export const matmulKernels = (step: MatmulStep, lowering: Lowering): Kernel[] => {
  const size = sizeOf(step.output.shape);
  if (size === 0) return [];
  if (step.a.shape[step.a.shape.length - 1] === 0) {
    const load = { op: "load", input: 0, dtype: "f32" } as const;
    const itself = { shape: step.output.shape, inputs: [], body: [load], value: 0 };
    return mapKernels(epilogueOfZero(step.epilogue ?? itself, step.output), lowering);
  }
  if (lowering.wide) return tiledKernels(step, lowering);
  return matmulParts(step, lowering.windows).map((part) => registerKernel(part, lowering));
};
