import * as t from "../../core/index.js";
import { roundToHalf } from "../../core/storage/half.js";

/**
 * Programs over NaN, infinities and zeros, and what they mean in IEEE arithmetic: every op is written twice, as a tensor op
 * and as one on JavaScript's numbers, rounded to f32.
 */

export const [INF, NAN] = [Number.POSITIVE_INFINITY, Number.NaN];
/** The outermost numbers that every op and driver takes: WGSL promises a quotient for 2^-126 ≤ |divisor| ≤ 2^126. */
export const [HUGE, TINY] = [2 ** 126, 2 ** -126];
export const SPECIAL = [0, -0, 1, -1, 2, -0.5, 88, HUGE, -HUGE, TINY, INF, -INF, NAN];

export interface PointwiseCase {
  readonly op: (...x: t.Tensor[]) => t.Tensor;
  readonly define: (...x: number[]) => number;
}

const unary = (op: (x: t.TensorLike) => t.Tensor, define: (x: number) => number): PointwiseCase => ({
  op: (x) => op(x),
  define,
});
const binary = (
  op: (x: t.TensorLike, y: t.TensorLike) => t.Tensor,
  define: (x: number, y: number) => number,
): PointwiseCase => ({ op: (x, y) => op(x, y), define });

/** f32 → f32, rounded by no driver otherwise. */
export const EXACT_UNARY: Readonly<Record<string, PointwiseCase>> = {
  neg: unary(t.neg, (x) => -x),
  abs: unary(t.abs, Math.abs),
  sign: unary(t.sign, Math.sign),
  floor: unary(t.floor, Math.floor),
  "cast to bool": { op: (x) => t.cast(t.cast(x, "bool"), "f32"), define: (x) => (x !== 0 ? 1 : 0) },
  "cast to i32": {
    op: (x) => t.cast(t.cast(x, "i32"), "f32"),
    define: (x) => (Number.isNaN(x) ? 0 : Math.trunc(Math.min(Math.max(x, -(2 ** 31)), 2 ** 31 - 1))),
  },
  "cast to u32": {
    op: (x) => t.cast(t.cast(x, "u32"), "f32"),
    define: (x) => (Number.isNaN(x) ? 0 : Math.trunc(Math.min(Math.max(x, 0), 2 ** 32 - 1))),
  },
  "cast to bf16": { op: (x) => t.cast(t.cast(x, "bf16"), "f32"), define: (x) => roundToHalf(x, "bf16") },
  "cast to f16": { op: (x) => t.cast(t.cast(x, "f16"), "f32"), define: (x) => roundToHalf(x, "f16") },
};

export const ROUNDED_UNARY: Readonly<Record<string, PointwiseCase>> = {
  exp: unary(t.exp, Math.exp),
  log: unary(t.log, Math.log),
  sqrt: unary(t.sqrt, Math.sqrt),
  rsqrt: unary(t.rsqrt, (x) => 1 / Math.sqrt(x)),
  sin: unary(t.sin, Math.sin),
  cos: unary(t.cos, Math.cos),
  tanh: unary(t.tanh, Math.tanh),
  erf: unary(t.erf, t.erfOf),
  sigmoid: unary(t.sigmoid, (x) => 1 / (1 + Math.exp(-x))),
  softplus: unary(t.softplus, (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))),
};

export const BINARY: Readonly<Record<string, PointwiseCase>> = {
  add: binary(t.add, (x, y) => x + y),
  sub: binary(t.sub, (x, y) => x - y),
  mul: binary(t.mul, (x, y) => x * y),
  div: binary(t.div, (x, y) => x / y),
  maximum: binary(t.maximum, Math.max),
  minimum: binary(t.minimum, Math.min),
};

/** f32, f32 → bool. */
export const COMPARE: Readonly<Record<string, PointwiseCase>> = {
  less: binary(t.less, (x, y) => Number(x < y)),
  lessEqual: binary(t.lessEqual, (x, y) => Number(x <= y)),
  equal: binary(t.equal, (x, y) => Number(x === y)),
};

/** bool… → bool. */
export const LOGIC: Readonly<Record<string, PointwiseCase>> = {
  and: binary(t.and, (x, y) => x & y),
  or: binary(t.or, (x, y) => x | y),
  not: unary(t.not, (x) => 1 - x),
};

/** A value of a program: how it is made of the program's inputs, and its numbers. */
export interface Value {
  readonly make: t.Tensor;
  readonly numbers: readonly number[];
  /** Known to the driver's compiler or the caller, not computed: its zeros keep their sign. */
  readonly isGiven: boolean;
}

/** One op on values. */
export const apply = ({ op, define }: PointwiseCase, ...args: readonly Value[]): Value => ({
  make: op(...args.map(({ make }) => make)),
  numbers: args[0].numbers.map((_, i) => Math.fround(define(...args.map(({ numbers }) => numbers[i])))),
  isGiven: false,
});

/** The same number everywhere, known while the program is built. */
export const constant = (value: number, like: Value): Value => ({
  make: t.full(like.make.shape, value),
  numbers: like.numbers.map(() => Math.fround(value)),
  isGiven: true,
});

const choose: PointwiseCase = {
  op: (c, x, y) => t.where(c, x, y),
  define: (c, x, y) => (c ? x : y),
};
export const where = (c: Value, x: Value, y: Value): Value => apply(choose, c, x, y);

/** Of a number's size only what no rounding changes: 0 if small, ±1, ±∞ if large, NaN. The limits are nobody's value. */
const coarse = (x: Value): Value => {
  const size = apply(EXACT_UNARY.abs, x);
  const isBelow = (limit: number) => apply(COMPARE.less, size, constant(limit, x));
  const big = apply(BINARY.mul, x, constant(HUGE, x));
  return where(isBelow(0.00123), constant(0, x), where(isBelow(110003), apply(EXACT_UNARY.sign, x), big));
};

const isShort = (x: number): boolean => !Number.isFinite(x) || (Math.abs(x) <= 1024 && Number.isInteger(1024 * x));

/**
 * A value that later ops may compare and cut without a last digit's deciding: `x`, if its numbers have few digits and its
 * making is exact; else a coarse picture of it.
 */
export const settled = (x: Value, isExact: boolean): Value => (isExact && x.numbers.every(isShort) ? x : coarse(x));
