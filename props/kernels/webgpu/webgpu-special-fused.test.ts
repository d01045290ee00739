/** NaN and infinities in the data of all other kernels, and what no kernel's text may hold: see webgpu-special.test.ts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  attention,
  constantData,
  crossEntropy,
  div,
  gather,
  logSumExp,
  matmul,
  max,
  mean,
  mul,
  rmsnorm,
  scatterAdd,
  softmax,
  sum,
  type Tensor,
  tensor,
  tokenScores,
  topkMask,
} from "../../../core/index.js";
import type { Instruction } from "../../../kernels/plan/steps.js";
import { emitBody } from "../../../kernels/webgpu/wgsl/emit.js";
import { HELPERS } from "../../../kernels/webgpu/wgsl/helpers.js";
import { builder } from "../../../kernels/webgpu/wgsl/module.js";
import { agrees, EPS, withGradient } from "../../close.js";
import { eighths, hash, integers, seeds } from "../../generators/generators.js";
import { INF, NAN } from "../../generators/special-programs.js";
import { webgpuLaw } from "./webgpu-variants.js";

const RARE = [INF, -INF, NAN, 0, -0];

/** Eighths, with a special value here and there: one kind a row, some rows without, some rows of nothing else. */
const sprinkled = (shape: readonly number[], seed: number): Tensor => {
  const width = shape[shape.length - 1];
  const numbers = Float32Array.from(constantData(eighths(shape, seed)).data, (x, i) => {
    const row = Math.floor(i / width);
    const [kind, density] = [hash(seed + 1, row) % RARE.length, hash(seed + 2, row) % 4];
    const isSpecial = density === 3 || (density > 0 && hash(seed + 3, i) % (density === 1 ? 2 : width) === 0);
    return isSpecial ? RARE[kind] : x;
  });
  return tensor(numbers, shape);
};

/** Of numbers; NaN agrees with NaN only, an infinity with itself. */
const TOLERANCE = { rel: 2e-6, abs: 4e-6 };

webgpuLaw(
  "rows with special values: reductions, softmax, norms, losses and their gradients are the reference's",
  fc.record({ rows: fc.integer({ min: 1, max: 12 }), width: fc.constantFrom(1, 2, 3, 40, 600), seed: seeds() }),
  async ({ rows, width, seed }, device) => {
    const x = sprinkled([rows, width], seed);
    const [w, ct] = [sprinkled([width], seed + 4), eighths([rows, width], seed + 5)];
    const [target, rowCt] = [integers([rows], seed, 0, width - 1), eighths([rows], seed + 6)];
    const reductions = (a: Tensor) => [sum(a, 1), max(a, 1), mean(a, 1), sum(a, 0), max(a, 0)];
    await agrees(reductions, [x], device, TOLERANCE);
    await agrees(
      withGradient((a) => softmax(a)),
      [ct, x],
      device,
      TOLERANCE,
    );
    await agrees((a: Tensor) => logSumExp(a), [x], device, TOLERANCE);
    const norms = (a: Tensor, b: Tensor) => [rmsnorm(a, b, 1e-5), rmsnorm(a, b, 0)];
    await agrees(norms, [x, w], device, TOLERANCE);
    const norm = withGradient((a, b) => rmsnorm(a, b, 1e-5));
    // Where x is 0 but for an eighth, terms of up to 8·√3·2·2 cancel.
    await agrees(norm, [ct, x, w], device, { rel: 2e-6, abs: 4 * 64 * EPS });
    const loss = (g: Tensor, a: Tensor, ids: Tensor) => withGradient((b) => crossEntropy(b, ids))(g, a);
    await agrees(loss, [rowCt, x, target], device, TOLERANCE);
    const scores = (g: Tensor, a: Tensor, ids: Tensor) => withGradient((b) => tokenScores(b, ids))(g, a);
    await agrees(scores, [eighths([rows, 3], seed + 7), x, target], device, TOLERANCE);
  },
);

webgpuLaw(
  "products, sums by row and largest numbers with special values are the reference's",
  fc.record({
    m: fc.integer({ min: 1, max: 70 }),
    inner: fc.constantFrom(0, 1, 2, 20),
    n: fc.integer({ min: 1, max: 70 }),
    seed: seeds(),
  }),
  async ({ m, inner, n, seed }, device) => {
    const [a, b] = [sprinkled([m, inner], seed), sprinkled([inner, n], seed + 5)];
    const products = (x: Tensor, y: Tensor) => [matmul(x, y), mul(matmul(x, y), 0), div(matmul(x, y), 0)];
    await agrees(products, [a, b], device, TOLERANCE);
    const [updates, ids] = [sprinkled([m, n], seed + 6), integers([m], seed, -1, 5)];
    await agrees((i: Tensor, u: Tensor) => [scatterAdd(i, u, 5), gather(u, i)], [ids, updates], device, TOLERANCE);
    await agrees((x: Tensor) => topkMask(x, m >> 1), [sprinkled([m], seed + 7)], device, {});
  },
  6,
);

webgpuLaw(
  "attention over special values and its gradient are their expansions",
  fc.record({
    time: fc.integer({ min: 1, max: 6 }),
    slots: fc.integer({ min: 1, max: 9 }),
    depth: fc.constantFrom(2, 4, 6),
    seed: seeds(),
  }),
  async ({ time, slots, depth, seed }, device) => {
    const [q, ct] = [sprinkled([1, time, 2, depth], seed), eighths([1, time, 2, depth], seed + 4)];
    const [k, v] = [8, 12].map((at) => sprinkled([1, slots, 1, depth], seed + at));
    const position = integers([1, time], seed, slots - 1, slots); // all is seen: what is not scores more than -∞
    const f = (g: Tensor, a: Tensor, b: Tensor, c: Tensor, p: Tensor) =>
      withGradient((x, y, z) => attention(x, y, z, p, 0.5))(g, a, b, c);
    await agrees(f, [ct, q, k, v, position], device, TOLERANCE);
  },
);

/** Of every `let` in a text, the leaves that its value is visibly made of; a hidden value is a leaf of its own. */
const leavesIn = (lines: readonly string[]): Map<string, Set<string>> => {
  const made = new Map<string, Set<string>>();
  for (const line of lines) {
    const [, name, text] = /^let (\w+) = (.*);$/.exec(line) as unknown as [string, string, string];
    const parts = text.includes("^ P2") ? [] : (text.match(/\bv\d+_?\b/g) ?? []);
    made.set(name, new Set(parts.length === 0 ? [name] : parts.flatMap((part) => [...(made.get(part) ?? [])])));
  }
  return made;
};

test("no arithmetic of a kernel's expression has a known operand, or two that are visibly made of one value", () => {
  const operations = ["add", "sub", "mul", "div", "neg", "maximum", "exp"] as const;
  const bodies = fc.array(fc.record({ op: fc.nat({ max: 9 }), x: fc.nat(), y: fc.nat() }), { maxLength: 30 });
  fc.assert(
    fc.property(bodies, (drawn) => {
      const body: Instruction[] = [{ op: "load", input: 0, dtype: "f32" }];
      for (const { op, x, y } of drawn) {
        const args = [x % body.length, y % body.length];
        if (op < operations.length) body.push({ op: operations[op], args, dtype: "f32", from: "f32" });
        else if (op === 7) body.push({ op: "load", input: body.length, dtype: "f32" });
        else body.push({ op: "constant", value: (x % 5) / 2 - 1, dtype: "f32" });
      }
      const lines = emitBody(builder("law"), body, (position) => `load(${position}u)`);
      const made = leavesIn(lines);
      for (const line of lines) {
        assert.doesNotMatch(line, /= f32\(|\d\.\d/, "a literal");
        const [, x, , y] = /= (\w+) ([-+*/]) (\w+);$/.exec(line) ?? [];
        const isSquareOfLeaf = x === y && line.includes("*") && made.get(x)?.has(x);
        if (y === undefined || isSquareOfLeaf) continue;
        const shared = [...(made.get(x) ?? [])].filter((leaf) => made.get(y)?.has(leaf));
        assert.deepEqual(shared, [], `${line} in\n${lines.join("\n")}`);
      }
    }),
    { numRuns: 300 },
  );
});

test("functions of kernels choose by select: what a branch depends on, a driver may make a constant", () => {
  for (const [name, code] of Object.entries(HELPERS)) assert.doesNotMatch(code, /\b(if|switch|while|for)\b/, name);
});
