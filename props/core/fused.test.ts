/** Fused ops and their gradients equal their expansions as the reference computes them, on every device. */
import fc from "fast-check";
import * as t from "../../core/index.js";
import { assertClose, EPS, reference, run } from "../close.js";
import { eighths, hash, integers, positives, seeds } from "../generators/generators.js";
import { law } from "../law.js";

interface Case {
  readonly f: (...x: t.Tensor[]) => t.Tensor;
  /** f32 tensors, all differentiated. */
  readonly args: readonly t.Tensor[];
  /** Other inputs, as data. */
  readonly fixed?: readonly t.Tensor[];
  /** How near a device comes: relative to the largest number of each result. */
  readonly forward: number;
  readonly gradient: number;
  /** Size of the terms that the value, and its gradients, are differences of: results may cancel, terms round. */
  readonly terms?: number;
  readonly slopes?: number;
}

const sizes = (...choices: readonly (readonly number[])[]) =>
  fc.tuple(seeds(), ...choices.map((options) => fc.constantFrom(...options)));

/** Numbers of the size given, all magnitudes below it, in rows that differ. */
const scaled = (shape: t.Shape, seed: number, most: number): t.Tensor =>
  t.tensor(
    Float64Array.from({ length: t.sizeOf(shape) }, (_, i) => {
      const h = hash(seed, i);
      return Math.fround((((h % 4097) - 2048) / 2048) * most * (h % 5 === 0 ? 1 : 0.125));
    }),
    shape,
  );

/** Rows of one and of many, short, odd, long. */
const rows = [[1], [3], [2, 3], [1, 1, 5]] as const;
const widths = [1, 2, 3, 4, 7, 64, 130, 1000, 1537];
const shapeFrom = (which: number, width: number): number[] => [...rows[which % rows.length], width];

/**
 * A sum of n terms rounds at most n times; kernels sum in lanes and trees, so that √n is generous on average and n is the
 * worst case. Exponentials of logits L carry the rounding of L itself, L·EPS.
 */
const sums = (n: number): number => (16 + 2 * Math.sqrt(n)) * EPS;

const cases: Readonly<Record<string, fc.Arbitrary<Case>>> = {
  softmax: sizes([0, 1, 2, 3], widths, [1, 8, 80]).map(([seed, which, D, most]) => ({
    f: (x) => t.softmax(x),
    args: [scaled(shapeFrom(which, D), seed, most)],
    forward: sums(D) + 2 * most * EPS,
    gradient: 4 * (sums(D) + 2 * most * EPS),
    slopes: 1, // y·(ct - Σ y·ct), |ct| ≤ 1
  })),
  logSumExp: sizes([0, 1, 2, 3], widths, [1, 8, 80]).map(([seed, which, D, most]) => ({
    f: (x) => t.logSumExp(x),
    args: [scaled(shapeFrom(which, D), seed, most)],
    forward: sums(D),
    terms: most,
    gradient: 4 * (sums(D) + 2 * most * EPS),
  })),
  rmsnorm: sizes([0, 1, 2, 3], widths, [0.01, 1, 80], [1e-6, 1e-5]).map(([seed, which, D, most, eps]) => {
    const x = scaled(shapeFrom(which, D), seed, most);
    const { data } = t.constantData(x);
    const row = (r: number) => Array.from(data.slice(r * D, (r + 1) * D)).reduce((sum, n) => sum + n * n, 0) / D;
    const leastSquare = Math.min(...Array.from({ length: data.length / D }, (_, r) => row(r)));
    return {
      f: (y, w) => t.rmsnorm(y, w, eps),
      args: [x, positives([D], seed + 1)],
      forward: sums(D),
      gradient: 4 * sums(D),
      slopes: 2.5 / Math.sqrt(leastSquare + eps), // w·ct/rms less its part along x
    };
  }),
  swiglu: sizes([0, 1, 2, 3], widths, [1, 8, 80]).map(([seed, which, D, most]) => ({
    f: t.swiglu,
    args: [scaled(shapeFrom(which, D), seed, most), scaled(shapeFrom(which, D), seed + 1, 2)],
    forward: 16 * EPS,
    gradient: 32 * EPS,
    slopes: 2, // up·σ·(1 + gate·(1 - σ)) passes through zero
  })),
  rope: sizes([1, 2], [1, 3, 17], [1, 3], [1, 2, 3, 32]).map(([seed, B, T, H, half]) => ({
    f: t.rope,
    args: [scaled([B, T, H, 2 * half], seed, 4), scaled([B, T, half], seed + 1, 1), scaled([B, T, half], seed + 2, 1)],
    forward: 8 * EPS,
    gradient: sums(2 * H),
    terms: 4,
    slopes: 4,
  })),
  attention: fc
    .tuple(
      sizes([1, 2], [1, 2, 5, 33], [1, 2], [1, 2, 3], [1, 3, 4, 16], [0, 1, 40], [1, 12]),
      fc.constantFrom("causal", "offset", "random", "first", "all"),
    )
    .map(([[seed, B, T, G, group, D, more, most], pattern]) => {
      const [S, H] = [T + more, G * group];
      const places: Readonly<Record<typeof pattern, (row: number) => number>> = {
        causal: (row) => row % T,
        offset: (row) => (row % T) + more,
        random: (row) => hash(seed, row) % S,
        first: () => 0,
        all: () => S - 1,
      };
      const position = t.tensor(
        Int32Array.from({ length: B * T }, (_, row) => places[pattern](row)),
        [B, T],
      );
      // Scores reach most²·D·scale; the softmax of scores L carries L·EPS.
      const scale = 1 / Math.sqrt(D);
      const tolerance = sums(S) + 4 * most * most * Math.sqrt(D) * EPS;
      return {
        f: (q, k, v, at) => t.attention(q, k, v, at, scale),
        args: [
          scaled([B, T, H, D], seed, most),
          scaled([B, S, G, D], seed + 1, most),
          scaled([B, S, G, D], seed + 2, 2),
        ],
        fixed: [position],
        forward: tolerance,
        terms: 2, // a weighted mean of values may cancel
        gradient: 8 * tolerance + sums(B * T * group),
        slopes: 2 * most, // weights·(ct·v - its mean)·k
      };
    }),
  writeRows: sizes([1, 3], [1, 2, 7, 33], [1, 2, 5], [1, 3, 8], [-2, 0, 3, 40]).map(([seed, B, S, T, width, most]) => ({
    f: t.writeRows,
    args: [scaled([B, S, 1, width], seed, 4), scaled([B, T, 1, width], seed + 1, 4)],
    fixed: [integers([B], seed + 2, Math.min(most, 0), Math.max(most, 0))],
    forward: 0,
    gradient: 0,
  })),
  crossEntropy: sizes([1, 2, 5, 67], [1, 2, 3, 5, 64, 293, 1537], [1, 8, 80]).map(([seed, N, V, most]) => ({
    f: t.crossEntropy,
    args: [scaled([N, V], seed, most)],
    fixed: [integers([N], seed + 1, 0, V - 1)],
    // log-sum-exp minus a logit: both as large as `most`, the difference may be small.
    forward: sums(V) + 4 * most * EPS,
    terms: most,
    slopes: 1, // softmax less the one-hot target
    gradient: 4 * (sums(V) + 2 * most * EPS),
  })),
  tokenScores: sizes([1, 2, 5, 67], [1, 2, 3, 5, 64, 293, 1537], [1, 8, 80]).map(([seed, N, V, most]) => ({
    f: t.tokenScores,
    args: [scaled([N, V], seed, most)],
    fixed: [integers([N], seed + 1, 0, V - 1)],
    // The entropy is the difference of log Σ and a mean, which are at most log V + 2 · most.
    forward: 2 * sums(V) + 8 * most * EPS,
    terms: 2 * most + Math.log(V),
    slopes: 1,
    gradient: 4 * (sums(V) + 2 * most * EPS),
  })),
};

const cotangentFor = (shape: t.Shape, seed: number): t.Tensor => eighths(shape, seed, 1);

for (const [name, draw] of Object.entries(cases))
  law(
    `${name} and its gradient equal the expansion`,
    fc.tuple(draw, seeds()),
    async ([{ f, args, fixed = [], forward, gradient, terms = 1e-3, slopes = 1e-3 }, seed], device) => {
      const ct = cotangentFor(f(...args, ...fixed).shape, seed);
      const both = (x: t.Tensor[], others: t.Tensor[], cotangent: t.Tensor) => {
        const [value, back] = t.vjp((y: t.Tensor[]) => f(...y, ...others), x);
        return [value, ...t.leaves(back(cotangent))];
      };
      const given: [t.Tensor[], t.Tensor[], t.Tensor] = [[...args], [...fixed], ct];
      const [got, want] = [await run(both, given, device), await run(both, given, reference)];
      want.forEach((data, i) => {
        const [rel, size] = i === 0 ? [forward, terms] : [gradient, slopes];
        assertClose(got[i], data, { rel, abs: rel * size }, i === 0 ? name : `gradient ${i}`);
      });
    },
    { effort: 0.7, on: ["cpu", "webgpu"] },
  );

law(
  "gradients of gradients of fused ops agree with the reference",
  fc.tuple(fc.constantFrom(...Object.keys(cases)), seeds()),
  async ([name, seed], device) => {
    const small: Readonly<Record<string, Pick<Case, "f" | "args" | "fixed">>> = {
      softmax: { f: (x) => t.softmax(x), args: [eighths([2, 5], seed)] },
      logSumExp: { f: (x) => t.logSumExp(x), args: [eighths([2, 5], seed)] },
      rmsnorm: {
        f: (x, w) => t.rmsnorm(x, w, 0.5),
        args: [eighths([2, 5], seed), eighths([5], seed + 1)],
      },
      swiglu: { f: t.swiglu, args: [eighths([2, 5], seed), eighths([2, 5], seed + 1)] },
      rope: {
        f: t.rope,
        args: [eighths([1, 2, 1, 4], seed), eighths([1, 2, 2], seed), eighths([1, 2, 2], seed + 1)],
      },
      attention: {
        f: (q, k, v, at, from) => t.attention(q, k, v, at, 0.5, seed % 2 === 0 ? {} : { from, softCap: 0.75 }),
        args: [eighths([1, 3, 2, 2], seed), eighths([1, 4, 1, 2], seed + 1), eighths([1, 4, 1, 2], seed + 2)],
        fixed: [t.tensor([[0, 3, 1]], undefined, "i32"), t.tensor([[0, 2, 3]], undefined, "i32")],
      },
      writeRows: {
        f: t.writeRows,
        args: [eighths([2, 4, 3], seed), eighths([2, 2, 3], seed + 1)],
        fixed: [t.tensor([1, 3], undefined, "i32")],
      },
      crossEntropy: {
        f: t.crossEntropy,
        args: [eighths([2, 5], seed)],
        fixed: [t.tensor([4, 0], undefined, "i32")],
      },
      tokenScores: {
        f: t.tokenScores,
        args: [eighths([2, 5], seed)],
        fixed: [t.tensor([4, 0], undefined, "i32")],
      },
    };
    const { f, args, fixed = [] } = small[name];
    const curvature = (x: t.Tensor[], others: t.Tensor[]) =>
      t.grad((y: t.Tensor[]) => {
        const slopes = t.grad((z: t.Tensor[]) => t.sum(t.square(f(...z, ...others))))(y);
        return slopes.map((s, i) => t.sum(t.mul(s, cotangentFor(s.shape, seed + i)))).reduce((a, b) => t.add(a, b));
      })(x);
    const given: [t.Tensor[], t.Tensor[]] = [[...args], [...fixed]];
    const [got, want] = [await run(curvature, given, device), await run(curvature, given, reference)];
    // A few dozen terms of order one, each rounded a few dozen times.
    want.forEach((data, i) => {
      assertClose(got[i], data, { rel: 2e-5, abs: 2e-5 }, `${name}, by input ${i}`);
    });
  },
  { effort: 0.4, on: ["cpu", "webgpu"] },
);

law(
  "rows written into a table that is given away are those written into a copy, and nothing else moves",
  sizes([1, 3], [2, 9, 64], [1, 2, 5], [1, 3, 8], [-1, 0, 1, 8]),
  async ([seed, B, S, T, width, most], device) => {
    const [table, rows] = [scaled([B, S, width], seed, 4), scaled([B, T, width], seed + 1, 4)];
    const first = integers([B], seed + 2, Math.min(most, 0), Math.max(most, 0));
    const write = (x: t.Tensor, y: t.Tensor, at: t.Tensor) => t.writeRows(x, t.mul(y, 2), at);
    const given = t.compile(write, device, { donate: [0] });
    const out = given(t.upload(table, device), rows, first);
    const [want] = await run((...x: t.Tensor[]) => [write(x[0], x[1], x[2])], [table, rows, first], reference);
    assertClose(Float64Array.from(await t.read(out)), want, { rel: 0, abs: 0 }, "written in place");
    t.dispose(out);
    for (const program of given.programs()) program.free();
  },
  { effort: 0.5, on: ["cpu", "webgpu"] },
);

law(
  "losses of rows that hold infinities and NaN, and their gradients, are the definition's, whatever the row and the target",
  fc.integer({ min: 0, max: 2 }),
  async (column, device) => {
    const kinds = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN, 1];
    const logits = t.tensor(
      Float32Array.from({ length: 64 * 3 }, (_, i) => kinds[Math.floor(i / 3 / 4 ** (i % 3)) % 4]),
      [64, 3],
    );
    const target = t.full([64], column, "i32");
    for (const f of [t.crossEntropy, (x: t.Tensor, ids: t.Tensor) => t.slice(t.tokenScores(x, ids), [0, 0], [64, 1])]) {
      const both = (x: t.Tensor, ids: t.Tensor) => [f(x, ids), t.grad((y: t.Tensor) => t.sum(f(y, ids)))(x)];
      const [got, want] = [await run(both, [logits, target], device), await run(both, [logits, target], reference)];
      want.forEach((data, i) => {
        assertClose(got[i], data, { rel: 1e-6, abs: 1e-6 }, i === 0 ? "losses" : "gradients");
      });
    }
  },
  { effort: 0.1, on: ["cpu", "webgpu"] },
);
