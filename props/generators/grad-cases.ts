/** Every differentiable function with points to differentiate it at. */
import fc from "fast-check";
import * as t from "../../core/index.js";
import {
  axisOrder,
  booleans,
  broadcastable,
  distinct,
  eighths,
  integers,
  positives,
  reshaped,
  seeds,
  shapes,
  someAxes,
} from "./generators.js";

/** A differentiable function of f32 tensors with a point. */
export interface Case {
  readonly f: (...x: t.Tensor[]) => t.Tensor;
  readonly args: readonly t.Tensor[];
}

const sinTimes = t.fused("sinTimes", ([x, y, z], { by }: { by: number }) => t.mul(t.sin(t.mul(x, by)), t.mul(y, z)));

const unary = (f: (x: t.Tensor) => t.Tensor, point = (shape: t.Shape, seed: number) => eighths(shape, seed)) =>
  fc.tuple(shapes(), seeds()).map(([shape, seed]): Case => ({ f, args: [point(shape, seed)] }));

/** Both operands, their broadcasts, and one tensor in both places. */
const binary = (f: (x: t.Tensor, y: t.Tensor) => t.Tensor, second = (s: t.Shape, seed: number) => eighths(s, seed)) =>
  fc
    .tuple(broadcastable(), seeds(), fc.boolean())
    .map(
      ([[a, b], seed, twice]): Case =>
        twice ? { f: (x) => f(x, x), args: [second(a, seed)] } : { f, args: [eighths(a, seed), second(b, seed + 1)] },
    );

const shaped = (make: (shape: number[], seed: number) => Case, options = {}) =>
  fc.tuple(shapes(options), seeds()).map(([shape, seed]) => make(shape, seed));

const sizes = (...ranges: readonly (readonly [number, number])[]) =>
  fc.tuple(seeds(), ...ranges.map(([min, max]) => fc.integer({ min, max })));

/** Every function with a gradient, by its exported name. */
export const cases: Readonly<Record<string, fc.Arbitrary<Case>>> = {
  neg: unary(t.neg),
  abs: unary(t.abs, distinct),
  exp: unary(t.exp),
  log: unary(t.log, positives),
  log1p: unary(t.log1p, positives),
  expm1: unary(t.expm1),
  atan: unary(t.atan),
  sqrt: unary(t.sqrt, positives),
  rsqrt: unary(t.rsqrt, positives),
  sin: unary(t.sin),
  cos: unary(t.cos),
  tanh: unary(t.tanh),
  erf: unary(t.erf),
  sigmoid: unary(t.sigmoid),
  softplus: unary(t.softplus),
  square: unary(t.square),
  silu: unary(t.silu),
  logSigmoid: unary(t.logSigmoid),
  add: binary(t.add),
  sub: binary(t.sub),
  mul: binary(t.mul),
  div: binary(t.div, positives),
  maximum: binary(t.maximum, distinct),
  minimum: binary(t.minimum, distinct),
  lerp: fc.tuple(broadcastable(), seeds()).map(([[a, b], seed]) => ({
    f: (x, y, s) => t.lerp(x, y, s),
    args: [eighths(a, seed), eighths(b, seed + 1), eighths([], seed + 2)],
  })),
  where: fc.tuple(broadcastable(), seeds()).map(([[a, b], seed]) => {
    const condition = booleans(b, seed + 2);
    return { f: (x, y) => t.where(condition, t.square(x), y), args: [eighths(a, seed), eighths(b, seed + 1)] };
  }),
  cast: unary((x) => t.mul(x, t.cast(t.cast(t.floor(x), "i32"), "f32")), distinct),
  sum: shaped((shape, seed) => ({
    f: (x) => t.sum(t.square(x), someAxes(shape.length, seed), seed % 2 === 0),
    args: [eighths(shape, seed)],
  })),
  mean: shaped(
    (shape, seed) => ({
      f: (x) => t.mean(t.square(x), someAxes(shape.length, seed), seed % 2 === 0),
      args: [eighths(shape, seed)],
    }),
    { low: 1 },
  ),
  max: shaped(
    (shape, seed) => ({
      f: (x) => t.square(t.max(x, someAxes(shape.length, seed), seed % 2 === 0)),
      args: [distinct(shape, seed)],
    }),
    { low: 1 },
  ),
  reshape: shaped((shape, seed) => ({
    f: (x) => t.reshape(t.square(x), reshaped(shape, seed)),
    args: [eighths(shape, seed)],
  })),
  permute: shaped((shape, seed) => ({
    f: (x) => t.permute(t.square(x), axisOrder(shape.length, seed)),
    args: [eighths(shape, seed)],
  })),
  transpose: shaped((shape, seed) => ({ f: (x) => t.transpose(t.square(x)), args: [eighths(shape, seed)] }), {
    minRank: 2,
  }),
  broadcastTo: shaped((shape, seed) => ({
    f: (x) => t.broadcastTo(t.square(x), [2, ...shape]),
    args: [
      eighths(
        shape.map((n, i) => ((seed >> i) % 2 === 0 ? 1 : n)),
        seed,
      ),
    ],
  })),
  slice: shaped((shape, seed) => ({
    f: (x) =>
      t.slice(
        t.square(x),
        shape.map((n, i) => ((n + seed + i) % (n + 1)) >> 1),
        shape.map((n, i) => n - (((seed + i) % (n + 1)) >> 1)),
      ),
    args: [eighths(shape, seed)],
  })),
  sliceAxis: shaped(
    (shape, seed) => ({
      f: (x) => t.sliceAxis(t.square(x), -1, 0, shape[shape.length - 1] >> 1),
      args: [eighths(shape, seed)],
    }),
    {
      minRank: 1,
    },
  ),
  pad: shaped((shape, seed) => ({
    f: (x) =>
      t.pad(
        t.square(x),
        shape.map((_, i) => [(seed + i) % 3, (seed >> i) % 3] as const),
      ),
    args: [eighths(shape, seed)],
  })),
  concat: shaped(
    (shape, seed) => {
      const axis = seed % shape.length;
      const other = shape.map((n, i) => (i === axis ? seed % 3 : n));
      return {
        f: (x, y) => t.concat([t.square(x), y, x], axis),
        args: [eighths(shape, seed), eighths(other, seed + 1)],
      };
    },
    { minRank: 1 },
  ),
  stack: shaped((shape, seed) => ({
    f: (x, y) => t.stack([x, t.mul(x, y), y], seed % (shape.length + 1)),
    args: [eighths(shape, seed), eighths(shape, seed + 1)],
  })),
  matmul: sizes([0, 3], [0, 3], [0, 3], [1, 2], [0, 2], [0, 4]).map(([seed, M, K, N, B, C, form]) => {
    const [a, b] = [
      [
        [M, K],
        [K, N],
      ],
      [
        [B, M, K],
        [K, N],
      ],
      [
        [M, K],
        [B, K, N],
      ],
      [
        [B, C, M, K],
        [B, C, K, N],
      ],
      [
        [B, 1, M, K],
        [C, K, N],
      ],
    ][form];
    return { f: (x, y) => t.matmul(x, y), args: [eighths(a, seed), eighths(b, seed + 1)] };
  }),
  gather: sizes([0, 4], [0, 3], [0, 5], [0, 2]).map(([seed, N, D, S, rank]) => {
    // Ids repeat, and some lie outside of the table.
    const ids = integers(rank === 0 ? [] : rank === 1 ? [S] : [S, 2], seed, -1, N);
    return { f: (table) => t.gather(t.square(table), ids), args: [eighths([N, D], seed)] };
  }),
  addRows: sizes([1, 4], [1, 3], [0, 5]).map(([seed, N, D, S]) => {
    const ids = integers([S], seed, -1, N);
    return {
      f: (table, x) => t.square(t.addRows(table, ids, x)),
      args: [eighths([N, D], seed), eighths([S, D], seed + 1)],
    };
  }),
  scatterAdd: sizes([0, 4], [0, 3], [0, 5], [0, 2]).map(([seed, N, D, S, rank]) => {
    const ids = integers(rank === 0 ? [] : rank === 1 ? [S] : [S, 2], seed, -1, N);
    return {
      f: (x) => t.square(t.scatterAdd(ids, x, N)),
      args: [eighths([...ids.shape, ...(seed % 2 === 0 ? [D] : [])], seed)],
    };
  }),
  softmax: shaped((shape, seed) => ({ f: (x) => t.softmax(x), args: [eighths(shape, seed)] }), { minRank: 1, low: 1 }),
  logSumExp: shaped((shape, seed) => ({ f: (x) => t.logSumExp(x), args: [eighths(shape, seed)] }), {
    minRank: 1,
    low: 1,
  }),
  rmsnorm: shaped(
    (shape, seed) => ({
      f: (x, w) => t.rmsnorm(x, w, 0.25),
      args: [eighths(shape, seed), eighths(shape.slice(-1), seed + 1)],
    }),
    { minRank: 1, low: 1 },
  ),
  swiglu: shaped((shape, seed) => ({ f: t.swiglu, args: [eighths(shape, seed), eighths(shape, seed + 1)] })),
  rope: sizes([1, 2], [1, 3], [1, 2], [1, 2]).map(([seed, B, T, H, half]) => ({
    f: t.rope,
    args: [eighths([B, T, H, 2 * half], seed), eighths([B, T, half], seed + 1), eighths([B, T, half], seed + 2)],
  })),
  attention: sizes([1, 2], [1, 3], [1, 2], [1, 2], [1, 3], [0, 2]).map(([seed, B, T, G, group, D, more]) => {
    const S = T + more;
    const position = integers([B, T], seed, 0, S - 1);
    const options = seed % 2 === 0 ? {} : { from: integers([B, T], seed + 3, 0, S - 1), softCap: 1.5 };
    return {
      f: (q, k, v) => t.attention(q, k, v, position, 0.5, options),
      args: [eighths([B, T, G * group, D], seed), eighths([B, S, G, D], seed + 1), eighths([B, S, G, D], seed + 2)],
    };
  }),
  writeRows: sizes([1, 2], [1, 3], [1, 2], [1, 3]).map(([seed, B, S, T, width]) => {
    const at = integers([B], seed, -1, S);
    return {
      f: (x, rows) => t.writeRows(x, rows, at),
      args: [eighths([B, S, width], seed), eighths([B, T, width], seed + 1)],
    };
  }),
  crossEntropy: sizes([1, 3], [1, 5]).map(([seed, N, V]) => {
    const target = integers([N], seed, 0, V - 1);
    return { f: (logits) => t.crossEntropy(logits, target), args: [eighths([N, V], seed)] };
  }),
  tokenScores: sizes([1, 3], [1, 5]).map(([seed, N, V]) => {
    const target = integers([N], seed, 0, V - 1);
    // The others carry no gradient.
    return { f: (logits) => t.sliceAxis(t.tokenScores(logits, target), 1, 0, 1), args: [eighths([N, V], seed)] };
  }),
  headScores: sizes([1, 5], [1, 3], [1, 7], [1, 4], [1, 7]).map(([seed, M, D, V, rows, columns]) => {
    const target = integers([M], seed, 0, V - 1);
    const blocks = { rows, columns, tall: rows, ...(seed % 2 === 0 && { cap: 1.5 }) };
    return {
      f: (h, W) => t.sliceAxis(t.headScores(h, W, target, blocks), 1, 0, 1),
      args: [eighths([M, D], seed), eighths([V, D], seed + 1)],
    };
  }),
  capped: shaped((shape, seed) => ({ f: (x) => t.capped(x, 1.5), args: [eighths(shape, seed)] })),
  checkpoint: shaped((shape, seed) => ({
    f: t.checkpoint((x: t.Tensor, y: t.Tensor) => t.mul(t.sin(x), t.exp(t.mul(x, y)))) as Case["f"],
    args: [eighths(shape, seed, 1), eighths(shape, seed + 1, 1)],
  })),
  fused: shaped((shape, seed) => ({
    f: (x, y) => sinTimes([x, y, x], { by: 3 }),
    args: [eighths(shape, seed), eighths(shape, seed + 1)],
  })),
  scan: shaped(
    (shape, seed) => ({
      f: (x, w) => {
        const step = ([c, n]: readonly [t.Tensor, t.Tensor], row: t.Tensor) => {
          const next = t.sin(t.add(t.mul(c, w), row));
          return [[next, t.add(n, 1)], { y: t.mul(c, row), n: t.mul(n, 2) }] as const;
        };
        const init = [w, t.scalar(1)] as const;
        const [[last, n], ys] = t.scan(step, init, x, { reverse: seed % 2 === 0, every: 1 + (seed % 3) });
        const counts = t.reshape(ys.n, [-1, ...w.shape.map(() => 1)]);
        return t.add(t.mul(ys.y, counts), t.mul(last, n));
      },
      args: [eighths(shape, seed, 1), eighths(shape.slice(1), seed + 1, 1)],
    }),
    { minRank: 1 },
  ),
  vmap: shaped(
    (shape, seed) => ({
      f: (x, y) => t.vmap((row: t.Tensor) => t.mul(t.softmax(row), y))(x),
      args: [eighths(shape, seed), eighths(shape.slice(1), seed + 1)],
    }),
    { minRank: 2, low: 1 },
  ),
  customVjp: shaped((shape, seed) => ({
    f: t.customVjp(
      (x: t.Tensor, y: t.Tensor) => t.mul(t.exp(x), y),
      (x, y) => [t.mul(t.exp(x), y), [t.exp(x), y] as const],
      ([e, y], ct) => [t.mul(ct, t.mul(e, y)), t.mul(ct, e)],
    ),
    args: [eighths(shape, seed), eighths(shape, seed + 1)],
  })),
  jvp: shaped((shape, seed) => ({
    f: (x, dx) => t.jvp((y: t.Tensor) => t.exp(t.sin(y)), [x], [dx])[1],
    args: [eighths(shape, seed), eighths(shape, seed + 1)],
  })),
  hvp: shaped((shape, seed) => ({
    f: (x, dx) => t.hvp((y: t.Tensor) => t.sum(t.sin(t.square(y))), [x], [dx]),
    args: [eighths(shape, seed, 1), eighths(shape, seed + 1)],
  })),
  jacfwd: shaped(
    (shape, seed) => ({ f: t.jacfwd((x: t.Tensor) => t.sin(t.square(x))), args: [eighths(shape, seed, 1)] }),
    {
      rank: 2,
      size: 2,
    },
  ),
  jacrev: shaped(
    (shape, seed) => ({ f: t.jacrev((x: t.Tensor) => t.sin(t.square(x))), args: [eighths(shape, seed, 1)] }),
    {
      rank: 2,
      size: 2,
    },
  ),
  hessian: shaped(
    (shape, seed) => ({ f: t.hessian((x: t.Tensor) => t.sum(t.sin(t.square(x)))), args: [eighths(shape, seed, 1)] }),
    {
      rank: 2,
      size: 2,
    },
  ),
  vjp: shaped((shape, seed) => ({
    f: (x) => t.vjp((y: t.Tensor) => t.exp(t.sin(y)), x)[1](t.square(x))[0],
    args: [eighths(shape, seed)],
  })),
  grad: shaped((shape, seed) => ({
    f: t.grad((x: t.Tensor) => t.sum(t.sin(t.square(x)))),
    args: [eighths(shape, seed)],
  })),
  valueAndGrad: shaped((shape, seed) => ({
    f: (x) => {
      const [value, gradient] = t.valueAndGrad((y: t.Tensor) => t.sum(t.sin(y)))(x);
      return t.mul(value, gradient);
    },
    args: [eighths(shape, seed)],
  })),
};
