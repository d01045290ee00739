import { sizeOf } from "../../../core/index.js";
import type { MatmulStep, ReduceStep } from "../../plan/steps.js";
import { type Kernel, scratch, vector } from "../wgsl/module.js";
import { declareFinish, epilogueMap, epilogueOfZero } from "./epilogue.js";
import type { Lowering } from "./lowering.js";
import { mapKernels } from "./map.js";
import { registerKernel } from "./matmul-register.js";
import { matmulText } from "./matmul-text.js";
import { reduceKernels } from "./reduce.js";

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
  const finishes = step.epilogue !== undefined && parts === 1;
  if (finishes) declareFinish(k, step.epilogue);
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
      `  let e = (slab * ${m} + r${i}) * ${n} + column + x;`,
      ...four.map((j) => {
        const sum = `c${i}.${"xyzw"[j]}`;
        const value = finishes ? `finish(${sum}, e + ${16 * j}u)` : sum;
        return `  if (column + x + ${16 * j}u < ${n}) { ${out.store(`${offset} + e + ${16 * j}u`, value)} }`;
      }),
      "}",
    ]),
  ];
  const body = lines.map((line) => `  ${line}`).join("\n");
  const kernel = k.finish({ workgroupSize: 256, workgroups: tiles * parts, body });
  if (parts === 1) return [kernel];
  // What becomes of the sum may lie over what it is read with, so that the sum itself must not.
  const { epilogue } = step;
  const sum = epilogue === undefined ? step.output : vector(scratch(0), size, parts * size);
  lowering.scratch(0, (epilogue === undefined ? parts : parts + 1) * size);
  const total: ReduceStep = {
    kind: "reduce",
    reduce: "sum",
    dtype: "f32",
    kept: [size],
    reduced: [parts],
    inputs: [{ buffer: scratch(0), shape: [size, parts], strides: [1, size], offset: 0 }],
    body: [{ op: "load", input: 0, dtype: "f32" }],
    value: 0,
    output: { ...sum, shape: [size], strides: [1] },
  };
  const last = epilogue === undefined ? [] : mapKernels(epilogueMap(epilogue, sum, step.output));
  return [kernel, ...reduceKernels(total, lowering, 1), ...last];
};

/** out[…batch, M, N] = a × b, any strides. Tolerance: K roundings of Σ|a||b|, as for any sum in order. */
export const matmulKernels = (step: MatmulStep, lowering: Lowering): Kernel[] => {
  const size = sizeOf(step.output.shape);
  if (size === 0) return [];
  if (step.a.shape[step.a.shape.length - 1] === 0) {
    const load = { op: "load", input: 0, dtype: "f32" } as const;
    const itself = { shape: step.output.shape, inputs: [], body: [load], value: 0 };
    return mapKernels(epilogueOfZero(step.epilogue ?? itself, step.output));
  }
  return lowering.wide ? tiledKernels(step, lowering) : [registerKernel(step, lowering)];
};
