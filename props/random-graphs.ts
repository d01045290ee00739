/**
 * Random graphs whose f32 error is bounded as they are built. A draw is a list of small integers, read as instructions over
 * a pool of values; any integers make a graph, so that fast-check shrinks them freely.
 */
import fc from "fast-check";
import * as t from "../core/index.js";
import { EPS } from "./close.js";
import { axisOrder, booleans, eighths, hash, integers, reshaped, seeds, shapes, someAxes } from "./generators.js";

/** A node with what is known of its numbers. */
export interface Value {
  readonly x: t.Tensor;
  /** No number is larger in magnitude. */
  readonly bound: number;
  /** A 32-bit device comes at least this near, whatever its order of summation. 0: the numbers are exact. */
  readonly error: number;
  /** Exact f32: the numbers are multiples of 2^-grain. */
  readonly grain: number;
}

/** Roundings that a device may spend on a transcendental function, on top of the error of its operand. */
const FUNCTION = 16 * EPS;
const LARGEST = 64;

const sizeAlong = (shape: t.Shape, axes: readonly number[]) => t.sizeOf(axes.map((axis) => shape[axis]));
const isExact = (bound: number, grain: number): boolean => bound * 2 ** grain <= 2 ** 24;

/** A value from exact operands, exact as long as 24 bits hold it. */
const value = (x: t.Tensor, bound: number, error: number, grain: number): Value => {
  if (x.dtype !== "f32") return { x, bound, error: 0, grain: 0 };
  const exact = error === 0 && isExact(bound, grain);
  const kept = { x, bound, error: exact ? 0 : error + EPS * bound, grain: exact ? grain : 0 };
  if (bound <= LARGEST) return kept;
  const halvings = Math.ceil(Math.log2(bound / 4));
  return value(t.mul(x, 2 ** -halvings), bound * 2 ** -halvings, kept.error * 2 ** -halvings, grain + halvings);
};

/** A value of a function that rounds: `error` from its operands, `steps` roundings of its own. */
const rounded = (x: t.Tensor, bound: number, error: number, roundings = 1): Value =>
  value(x, bound, error + roundings * EPS * bound, 0);

const integer = (x: t.Tensor, bound: number): Value => ({ x, bound: Math.min(bound, 2 ** 32), error: 0, grain: 0 });

/** The same numbers, and perhaps zeros, under another shape: flattened, cut or padded. */
const fit = (v: Value, shape: t.Shape): Value => {
  if (t.sameShape(v.x.shape, shape)) return v;
  const [have, need] = [t.sizeOf(v.x.shape), t.sizeOf(shape)];
  const flat = t.reshape(v.x, [have]);
  const cut = have >= need ? t.slice(flat, [0], [need]) : t.pad(flat, [[0, need - have]]);
  return { ...v, x: t.reshape(cut, shape) };
};

/** A second operand that broadcasts with the first: itself if it does, else fitted to the last axes. */
const partner = (a: Value, b: Value, seed: number): Value =>
  t.broadcastShapes(a.x.shape, b.x.shape) !== undefined && t.sizeOf(a.x.shape) * t.sizeOf(b.x.shape) <= 4096
    ? b
    : fit(b, a.x.shape.map((n, i) => (hash(seed, i) % 3 === 0 ? 1 : n)).slice(seed % 2));

type Picks = readonly number[];
/** How one instruction makes a value from a, b, c of one dtype and any other; undefined where they do not suit it. */
type Make = (a: Value, b: Value, c: Value, seed: number, any: Value) => Value | undefined;

const smooth = (f: (x: t.Tensor) => t.Tensor, bound: (b: number) => number, slope: (b: number) => number): Make => {
  return ({ x, bound: b, error }) => {
    const out = bound(b);
    return value(f(x), out, slope(b) * error + FUNCTION * out, 0);
  };
};
const exactly =
  (f: (x: t.Tensor) => t.Tensor): Make =>
  ({ x, bound, error }) =>
    error === 0 ? value(f(x), Math.ceil(bound), 0, 0) : undefined;
const both =
  (
    f: (x: t.Tensor, y: t.Tensor) => t.Tensor,
    rule: (a: Value, b: Value) => { bound: number; error: number; grain: number },
  ): Make =>
  (a, other, _, seed) => {
    const b = partner(a, other, seed);
    const { bound, error, grain } = rule(a, b);
    return value(f(a.x, b.x), bound, error, grain);
  };
const compared =
  (f: (x: t.Tensor, y: t.Tensor) => t.Tensor): Make =>
  (a, other, _, seed) => {
    const b = partner(a, other, seed);
    return a.error === 0 && b.error === 0 ? integer(f(a.x, b.x), 1) : undefined;
  };
const linear = (a: Value, b: Value) => ({
  bound: a.bound + b.bound,
  error: a.error + b.error,
  grain: Math.max(a.grain, b.grain),
});
const either = (a: Value, b: Value) => ({ ...linear(a, b), bound: Math.max(a.bound, b.bound) });
const product = (a: Value, b: Value) => ({
  bound: a.bound * b.bound,
  error: a.bound * b.error + b.bound * a.error + a.error * b.error,
  grain: a.grain + b.grain,
});
/** A sum of n terms like `one`, in any order: n - 1 roundings of partial sums, none if all are exact. */
const added = (x: t.Tensor, n: number, one: { bound: number; error: number; grain: number }): Value => {
  const bound = Math.max(n, 1) * one.bound;
  const exact = one.error === 0 && isExact(bound, one.grain);
  return exact ? value(x, bound, 0, one.grain) : value(x, bound, n * (one.error + EPS * (bound + one.bound)), 0);
};

/** A literal in a's dtype on either side: what the planner may simplify. */
const LITERALS = [0, 0, 1, 0, 2, -1, 0.5];
const withLiteral =
  (
    f: (x: t.TensorLike, y: t.TensorLike) => t.Tensor,
    rule: (a: Value, b: Value) => { bound: number; error: number; grain: number },
  ): Make =>
  (a, _b, _c, seed) => {
    const number = LITERALS[(seed >> 1) % LITERALS.length];
    const { bound, error, grain } = rule(a, value(t.scalar(number), Math.abs(number), 0, 1));
    return value(seed % 2 === 0 ? f(a.x, number) : f(number, a.x), bound, error, grain);
  };
/** Index along one axis of a's shape, whole or in part. */
const indexAlong = ({ x }: Value, seed: number, dtype: "f32" | "i32" | "u32"): t.Tensor | undefined => {
  if (x.shape.length === 0) return undefined;
  const axis = seed % x.shape.length;
  const longer = x.shape.map((n) => n + 2);
  const starts = x.shape.map((_, i) => hash(seed, i) % 3);
  const index = t.iota(longer, axis, dtype);
  return t.slice(
    index,
    starts,
    x.shape.map((n, i) => n + starts[i]),
  );
};

/** Instructions on f32. */
const floats: Readonly<Record<string, Make>> = {
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

/** Instructions on i32 and u32: wrapping arithmetic, exact on every device. */
const wrapping =
  (f: (x: t.Tensor, y: t.Tensor) => t.Tensor): Make =>
  (a, other, _, seed) =>
    integer(f(a.x, partner(a, other, seed).x), 2 ** 32);
const whole: Readonly<Record<string, Make>> = {
  neg: ({ x }) => integer(t.neg(x), 2 ** 32),
  index: (a, _b, _c, seed) => {
    const x = indexAlong(a, seed, a.x.dtype === "i32" ? "i32" : "u32");
    return x && integer(x, Math.max(...a.x.shape) + 2);
  },
  bits: (a, _b, _c, seed) => integer(t.cast(t.bits(t.key(seed), a.x.shape), a.x.dtype), 2 ** 32),
  add: wrapping(t.add),
  sub: wrapping(t.sub),
  mul: wrapping(t.mul),
  maximum: wrapping(t.maximum),
  minimum: wrapping(t.minimum),
  less: compared(t.less),
  lessEqual: compared(t.lessEqual),
  equal: compared(t.equal),
  sum: ({ x }, _b, _c, seed) => integer(t.sum(x, someAxes(x.shape.length, seed), seed % 2 === 0), 2 ** 32),
  toF32: ({ x, bound }) => value(t.cast(x, "f32"), bound, 0, 0),
  toOther: ({ x }) => integer(t.cast(x, x.dtype === "i32" ? "u32" : "i32"), 2 ** 32),
  toBool: ({ x }) => integer(t.cast(x, "bool"), 1),
  gather: (a, b, _, seed) =>
    a.x.shape.length > 0
      ? { ...a, x: t.gather(a.x, integers(b.x.shape.slice(0, 2), seed, -1, a.x.shape[0])) }
      : undefined,
};

const logic: Readonly<Record<string, Make>> = {
  and: (a, other, _, seed) => integer(t.and(a.x, partner(a, other, seed).x), 1),
  or: (a, other, _, seed) => integer(t.or(a.x, partner(a, other, seed).x), 1),
  not: ({ x }) => integer(t.not(x), 1),
  bernoulli: ({ x }, _b, _c, seed) => integer(t.bernoulli(t.key(seed), 0.5, x.shape), 1),
  equal: compared(t.equal),
  toF32: ({ x }) => value(t.cast(x, "f32"), 1, 0, 0),
  toI32: ({ x }) => integer(t.cast(x, "i32"), 1),
};

/** Instructions on anything. */
const views: Readonly<Record<string, Make>> = {
  reshape: (a, _b, _c, seed) => ({ ...a, x: t.reshape(a.x, reshaped(a.x.shape, seed)) }),
  flatten: (a) => ({ ...a, x: t.reshape(a.x, [-1]) }),
  permute: (a, _b, _c, seed) => ({ ...a, x: t.permute(a.x, axisOrder(a.x.shape.length, seed)) }),
  broadcastTo: (a, _b, _c, seed) =>
    a.x.shape.length > 3
      ? undefined
      : {
          ...a,
          x: t.broadcastTo(a.x, [1 + (seed % 3), ...a.x.shape.map((n, i) => (n === 1 ? 1 + (hash(seed, i) % 3) : n))]),
        },
  slice: (a, _b, _c, seed) => ({
    ...a,
    x: t.slice(
      a.x,
      a.x.shape.map((n, i) => hash(seed, i) % (1 + (n >> 1))),
      a.x.shape.map((n, i) => n - (hash(seed, i + 9) % (1 + (Math.max(0, n - 1) >> 1)))),
    ),
  }),
  pad: (a, _b, _c, seed) =>
    t.sizeOf(a.x.shape) > 128
      ? undefined
      : {
          ...a,
          x: t.pad(
            a.x,
            a.x.shape.map((_, i) => [hash(seed, i) % 3, hash(seed, i + 9) % 2] as const),
          ),
        },
  concat: (a, b, _, seed) => {
    if (a.x.shape.length === 0) return undefined;
    const axis = seed % a.x.shape.length;
    const other = fit(
      b,
      a.x.shape.map((n, i) => (i === axis ? seed % 3 : n)),
    );
    return { ...a, ...either(a, other), x: t.concat(seed % 2 === 0 ? [a.x, other.x] : [other.x, a.x, a.x], axis) };
  },
  where: (a, b, _, seed, any) => {
    const condition = any.x.dtype === "bool" ? any.x : booleans(any.x.shape, seed);
    const [mask, other] = [partner(a, integer(condition, 1), seed), partner(a, b, seed + 1)];
    const shape = t.broadcastShapes(mask.x.shape, other.x.shape);
    if (shape === undefined || t.broadcastShapes(shape, a.x.shape) === undefined) return undefined;
    return { ...a, ...either(a, other), x: t.where(mask.x, a.x, other.x) };
  },
};

const makers: Readonly<Record<t.DType, readonly Make[]>> = {
  f32: [...Object.values(floats), ...Object.values(views)],
  i32: [...Object.values(whole), ...Object.values(views)],
  u32: [...Object.values(whole), ...Object.values(views)],
  bool: [...Object.values(logic), ...Object.values(views)],
};

/** A function of its leaves, drawn; calling it twice builds equal graphs. */
export interface RandomGraph {
  readonly leaves: readonly Value[];
  readonly build: (leaves: readonly t.Tensor[]) => Value[];
}

const leafOf = ([shape, dtype, seed]: readonly [number[], t.DType, number]): Value => {
  if (dtype === "f32") return value(eighths(shape, seed), 2, 0, 3);
  if (dtype === "bool") return integer(booleans(shape, seed), 1);
  return integer(integers(shape, seed, dtype === "i32" ? -3 : 0, 5, dtype), 5);
};

const MOST_ELEMENTS = 600;

const grow = (pool: Value[], [kind, i, j, k, seed]: Picks): void => {
  const a = pool[pool.length - 1 - (i % pool.length)];
  // Operands share a's dtype; `where` may take any condition.
  const alike = pool.filter(({ x }) => x.dtype === a.x.dtype);
  const table = makers[a.x.dtype];
  const [b, c, any] = [alike[j % alike.length], alike[k % alike.length], pool[k % pool.length]];
  const make = (which: number) => table[which % table.length](a, b, c, seed, any);
  const made = make(kind) ?? make(kind + 1);
  if (made !== undefined && t.sizeOf(made.x.shape) <= MOST_ELEMENTS) pool.push(made);
};

/** Graphs of up to `most` instructions, with several outputs. */
export const randomGraphs = (most = 12): fc.Arbitrary<RandomGraph> =>
  fc
    .tuple(
      fc.array(fc.tuple(shapes(), fc.constantFrom<t.DType>("f32", "f32", "f32", "i32", "u32", "bool"), seeds()), {
        minLength: 1,
        maxLength: 4,
      }),
      fc.array(fc.tuple(fc.nat(99), fc.nat(20), fc.nat(20), fc.nat(20), fc.nat(999)), {
        minLength: 1,
        maxLength: most,
      }),
      fc.array(fc.nat(most), { minLength: 1, maxLength: 4 }),
    )
    .map(([drawn, steps, outputs]) => {
      const given = drawn.map(leafOf);
      const build = (stand: readonly t.Tensor[]): Value[] => {
        const pool = given.map((leaf, i) => ({ ...leaf, x: stand[i] }));
        for (const step of steps) grow(pool, step);
        // The last value, and some others.
        return [pool[pool.length - 1], ...outputs.map((i) => pool[i % pool.length])];
      };
      const show = () => {
        const leaves = given.map(({ x }) => x);
        const numbers = leaves.map((x) => `${t.typeOf(x)} = ${Array.from(t.constantData(x).data)}`);
        return `\n${[...numbers, t.printGraph(build(leaves).map(({ x }) => x))].join("\n")}\n`;
      };
      return { leaves: given, build, [fc.toStringMethod]: show };
    });
