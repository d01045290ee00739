import * as t from "../core/index.js";
import { EPS } from "./close.js";
import { integers, someAxes } from "./generators.js";
import {
  added,
  both,
  compared,
  either,
  exactly,
  FUNCTION,
  fit,
  indexAlong,
  integer,
  linear,
  type Make,
  partner,
  product,
  rounded,
  sizeAlong,
  smooth,
  type Value,
  value,
  withLiteral,
} from "./random-values.js";

/** Instructions on f32. */
export const floats: Readonly<Record<string, Make>> = {
  neg: (a) => ({ ...a, x: t.neg(a.x) }),
  abs: (a) => ({ ...a, x: t.abs(a.x) }),
  sign: exactly(t.sign),
  floor: exactly(t.floor),
  exp: (a) => {
    const shrink = a.bound <= 4 ? 0 : Math.ceil(Math.log2(a.bound / 4));
    return smooth(
      (x) => t.exp(t.mul(x, 2 ** -shrink)),
      () => 55,
      () => 55,
    )(a, a, a, 0, a);
  },
  tanh: smooth(
    t.tanh,
    () => 1,
    () => 1,
  ),
  erf: smooth(
    t.erf,
    () => 1,
    () => 2,
  ),
  sigmoid: smooth(
    t.sigmoid,
    () => 1,
    () => 1,
  ),
  softplus: smooth(
    t.softplus,
    (b) => b + 1,
    () => 1,
  ),
  sin: smooth(
    t.sin,
    () => 1,
    () => 1,
  ),
  cos: smooth(
    t.cos,
    () => 1,
    () => 1,
  ),
  // 1 + x² keeps away from where these are steep.
  sqrt: smooth(
    (x) => t.sqrt(t.add(1, t.mul(x, x))),
    (b) => b + 1,
    () => 1,
  ),
  rsqrt: smooth(
    (x) => t.rsqrt(t.add(1, t.mul(x, x))),
    () => 1,
    (b) => b,
  ),
  log: smooth(
    (x) => t.log(t.add(1, t.mul(x, x))),
    (b) => b + 1,
    (b) => 2 * b,
  ),
  div: (a, other, _, seed) => {
    const b = partner(a, other, seed);
    return rounded(t.div(a.x, t.add(1, t.mul(b.x, b.x))), a.bound, a.error + a.bound * b.error * b.bound, 8);
  },
  add: both(t.add, linear),
  sub: both(t.sub, linear),
  mul: both(t.mul, product),
  addLiteral: withLiteral(t.add, linear),
  subLiteral: withLiteral(t.sub, linear),
  mulLiteral: withLiteral(t.mul, product),
  divLiteral: (a, _b, _c, seed) => rounded(t.div(a.x, 1 + (seed % 3)), a.bound, a.error),
  index: (a, _b, _c, seed) => {
    const x = indexAlong(a, seed, "f32");
    return x && value(x, Math.max(...a.x.shape) + 2, 0, 0);
  },
  uniform: (a, _b, _c, seed) => value(t.uniform(t.key(seed), a.x.shape), 1, 0, 24),
  maximum: both(t.maximum, either),
  minimum: both(t.minimum, either),
  less: compared(t.less),
  lessEqual: compared(t.lessEqual),
  equal: compared(t.equal),
  sum: (a, _b, _c, seed) => {
    const axes = someAxes(a.x.shape.length, seed);
    return added(t.sum(a.x, axes, seed % 2 === 0), sizeAlong(a.x.shape, axes), a);
  },
  mean: (a, _b, _c, seed) => {
    const axes = someAxes(a.x.shape.length, seed);
    const n = sizeAlong(a.x.shape, axes);
    return n === 0 ? undefined : rounded(t.mean(a.x, axes), a.bound, a.error, n + 1);
  },
  max: (a, _b, _c, seed) => {
    const axes = someAxes(a.x.shape.length, seed).filter((axis) => a.x.shape[axis] > 0);
    return { ...a, x: t.max(a.x, axes, seed % 2 === 0) };
  },
  matmul: (a, b, _, seed) => {
    if (a.x.shape.length < 2) return undefined;
    const [k] = a.x.shape.slice(-1);
    const n = seed % 4;
    const lead = [[], [1], a.x.shape.slice(0, -2)][seed % 3];
    const right = seed % 5 === 0 ? t.transpose(fit(b, [...lead, n, k]).x) : fit(b, [...lead, k, n]).x;
    return added(t.matmul(a.x, right), k, product(a, b));
  },
  gather: (a, b, _, seed) =>
    a.x.shape.length > 0
      ? { ...a, x: t.gather(a.x, integers(b.x.shape.slice(0, 2), seed, -1, a.x.shape[0])) }
      : undefined,
  scatterAdd: (a, _b, _c, seed) => {
    const ids = integers(a.x.shape.slice(0, seed % 3), seed, -1, 3);
    return added(t.scatterAdd(ids, a.x, 3), t.sizeOf(ids.shape), a);
  },
  topkMask: (a, _b, _c, seed) => (a.error === 0 ? integer(t.topkMask(a.x, seed % 5), 1) : undefined),
  toI32: (a) => (a.error === 0 ? integer(t.cast(a.x, "i32"), a.bound) : undefined),
  toU32: (a) => (a.error === 0 ? integer(t.cast(a.x, "u32"), a.bound) : undefined),
  toBool: (a) => (a.error === 0 ? integer(t.cast(a.x, "bool"), 1) : undefined),
  stopGradient: (a) => ({ ...a, x: t.stopGradient(a.x) }),
  checkpoint: (a, b) => {
    const y = fit(b, a.x.shape);
    const [{ bound, error, grain }] = [product(a, y)];
    return value(t.checkpoint((p: t.Tensor, q: t.Tensor) => t.mul(p, q))(a.x, y.x), bound, error, grain);
  },
  softmax: (a) => (hasRow(a) ? rounded(t.softmax(a.x), 1, a.error, 32 + a.x.shape[a.x.shape.length - 1]) : undefined),
  logSumExp: (a) => {
    if (!hasRow(a)) return undefined;
    const n = a.x.shape[a.x.shape.length - 1];
    return rounded(t.logSumExp(a.x), a.bound + Math.log(n), a.error, 32 + n);
  },
  rmsnorm: (a, b) => {
    if (!hasRow(a)) return undefined;
    const n = a.x.shape[a.x.shape.length - 1];
    const w = fit(b, [n]);
    // |x|/√(1 + mean x²) ≤ √n, and its slope ≤ 2√n.
    const root = Math.sqrt(n);
    return rounded(t.rmsnorm(a.x, w.x, 1), root * w.bound, 2 * root * (a.error * w.bound + w.error), 16 + n);
  },
  swiglu: (a, b) => {
    const up = fit(b, a.x.shape);
    const gate = { bound: a.bound, error: 2 * a.error + 2 * FUNCTION * a.bound, grain: 0, x: a.x };
    const { bound, error } = product(gate, up);
    return rounded(t.swiglu(a.x, up.x), bound, error);
  },
  crossEntropy: (a, _b, _c, seed) => {
    if (a.x.shape.length !== 2 || !hasRow(a)) return undefined;
    const [N, V] = a.x.shape;
    const out = t.crossEntropy(a.x, integers([N], seed, 0, V - 1));
    return rounded(out, 2 * a.bound + Math.log(V), 2 * a.error, 32 + V);
  },
  attention: (a, b, c, seed) => {
    const [B, T, G, H, D, S] = [
      1 + (seed % 2),
      1 + (seed % 3),
      1 + (seed % 2),
      2 * (1 + (seed % 2)),
      2 + (seed % 3),
      3,
    ];
    const [q, k, v] = [fit(a, [B, T, H, D]), fit(b, [B, S, G, D]), fit(c, [B, S, G, D])];
    const out = t.attention(q.x, k.x, v.x, integers([B, T], seed, 0, S - 1), 0.25);
    const dot = product(q, k);
    const score = 0.25 * D * (dot.error + (D + 2) * EPS * dot.bound);
    return rounded(out, v.bound, v.error + 2 * v.bound * score, 64 + 2 * S);
  },
  rope: (a, b, c, seed) => {
    const [B, T, H, D] = [1 + (seed % 2), 1 + (seed % 3), 1 + (seed % 2), 2 * (1 + (seed % 3))];
    const [cosine, sine] = [fit(b, [B, T, D / 2]), fit(c, [B, T, D / 2])];
    const [x, y] = [product(a, cosine), product(a, sine)];
    return rounded(t.rope(fit(a, [B, T, H, D]).x, cosine.x, sine.x), x.bound + y.bound, x.error + y.error, 3);
  },
};

const hasRow = ({ x }: Value): boolean => x.shape.length > 0 && x.shape[x.shape.length - 1] > 0;
