/** Values of random graphs: what is known of their numbers, and how operations carry it along. */
import * as t from "../core/index.js";
import { EPS } from "./close.js";
import { hash } from "./generators.js";

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
export const FUNCTION = 16 * EPS;
const LARGEST = 64;

export const sizeAlong = (shape: t.Shape, axes: readonly number[]) => t.sizeOf(axes.map((axis) => shape[axis]));
const isExact = (bound: number, grain: number): boolean => bound * 2 ** grain <= 2 ** 24;

/** A value from exact operands, exact as long as 24 bits hold it. */
export const value = (x: t.Tensor, bound: number, error: number, grain: number): Value => {
  if (x.dtype !== "f32") return { x, bound, error: 0, grain: 0 };
  const exact = error === 0 && isExact(bound, grain);
  const kept = { x, bound, error: exact ? 0 : error + EPS * bound, grain: exact ? grain : 0 };
  if (bound <= LARGEST) return kept;
  const halvings = Math.ceil(Math.log2(bound / 4));
  return value(t.mul(x, 2 ** -halvings), bound * 2 ** -halvings, kept.error * 2 ** -halvings, grain + halvings);
};

/** Exact numbers rounded to 16 bits: exact still, and as coarse at least. */
export const stored = (x: t.Tensor, bound: number, grain: number): Value | undefined =>
  isExact(bound * 1.01, grain) ? { x, bound: bound * 1.01, error: 0, grain } : undefined;

/** A value of a function that rounds: `error` from its operands, `steps` roundings of its own. */
export const rounded = (x: t.Tensor, bound: number, error: number, roundings = 1): Value =>
  value(x, bound, error + roundings * EPS * bound, 0);

export const integer = (x: t.Tensor, bound: number): Value => ({
  x,
  bound: Math.min(bound, 2 ** 32),
  error: 0,
  grain: 0,
});

/** The same numbers, and perhaps zeros, under another shape: flattened, cut or padded. */
export const fit = (v: Value, shape: t.Shape): Value => {
  if (t.sameShape(v.x.shape, shape)) return v;
  const [have, need] = [t.sizeOf(v.x.shape), t.sizeOf(shape)];
  const flat = t.reshape(v.x, [have]);
  const cut = have >= need ? t.slice(flat, [0], [need]) : t.pad(flat, [[0, need - have]]);
  return { ...v, x: t.reshape(cut, shape) };
};

/** A second operand that broadcasts with the first: itself if it does, else fitted to the last axes. */
export const partner = (a: Value, b: Value, seed: number): Value =>
  t.broadcastShapes(a.x.shape, b.x.shape) !== undefined && t.sizeOf(a.x.shape) * t.sizeOf(b.x.shape) <= 4096
    ? b
    : fit(b, a.x.shape.map((n, i) => (hash(seed, i) % 3 === 0 ? 1 : n)).slice(seed % 2));

/** How one instruction makes a value from a, b, c of one dtype and any other; undefined where they do not suit it. */
export type Make = (a: Value, b: Value, c: Value, seed: number, any: Value) => Value | undefined;

export const smooth = (
  f: (x: t.Tensor) => t.Tensor,
  bound: (b: number) => number,
  slope: (b: number) => number,
): Make => {
  return ({ x, bound: b, error }) => {
    const out = bound(b);
    return value(f(x), out, slope(b) * error + FUNCTION * out, 0);
  };
};
export const exactly =
  (f: (x: t.Tensor) => t.Tensor): Make =>
  ({ x, bound, error }) =>
    error === 0 ? value(f(x), Math.ceil(bound), 0, 0) : undefined;
export const both =
  (
    f: (x: t.Tensor, y: t.Tensor) => t.Tensor,
    rule: (a: Value, b: Value) => { bound: number; error: number; grain: number },
  ): Make =>
  (a, other, _, seed) => {
    const b = partner(a, other, seed);
    const { bound, error, grain } = rule(a, b);
    return value(f(a.x, b.x), bound, error, grain);
  };
export const compared =
  (f: (x: t.Tensor, y: t.Tensor) => t.Tensor): Make =>
  (a, other, _, seed) => {
    const b = partner(a, other, seed);
    return a.error === 0 && b.error === 0 ? integer(f(a.x, b.x), 1) : undefined;
  };
export const linear = (a: Value, b: Value) => ({
  bound: a.bound + b.bound,
  error: a.error + b.error,
  grain: Math.max(a.grain, b.grain),
});
export const either = (a: Value, b: Value) => ({ ...linear(a, b), bound: Math.max(a.bound, b.bound) });
export const product = (a: Value, b: Value) => ({
  bound: a.bound * b.bound,
  error: a.bound * b.error + b.bound * a.error + a.error * b.error,
  grain: a.grain + b.grain,
});
/** A sum of n terms like `one`, in any order: n - 1 roundings of partial sums, none if all are exact. */
export const added = (x: t.Tensor, n: number, one: { bound: number; error: number; grain: number }): Value => {
  const bound = Math.max(n, 1) * one.bound;
  const exact = one.error === 0 && isExact(bound, one.grain);
  return exact ? value(x, bound, 0, one.grain) : value(x, bound, n * (one.error + EPS * (bound + one.bound)), 0);
};

/** A literal in a's dtype on either side: what the planner may simplify. */
const LITERALS = [0, 0, 1, 0, 2, -1, 0.5];
export const withLiteral =
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
export const indexAlong = ({ x }: Value, seed: number, dtype: "f32" | "i32" | "u32"): t.Tensor | undefined => {
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
