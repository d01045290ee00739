/** Draws: functions of a key; the same key gives the same numbers, on every device but for the rounding of logarithms. */
import { checked } from "../core/expects.js";
import {
  abs,
  add,
  bits,
  cast,
  div,
  equal,
  erf,
  isTensor,
  less,
  log,
  log1p,
  maximum,
  mul,
  neg,
  reshape,
  type Shape,
  ShapeError,
  scalar,
  sizeOf,
  sliceAxis,
  split,
  sqrt,
  sub,
  type Tensor,
  typeOf,
  uniform,
  where,
} from "../core/index.js";
import { normalAxis } from "../core/shape.js";
import { clip } from "./element.js";
import { divided } from "./integers.js";
import { argmax } from "./reduce.js";
import { argsort } from "./sort.js";
import { take } from "./take.js";

/** Uniform in (0, 1): never 0, whose logarithm is infinite. */
const open = (key: Tensor, shape: Shape): Tensor => maximum(uniform(key, shape), 2 ** -25);

/** Exponential numbers of mean 1: f32 [...shape]. */
export const exponential = checked(
  "exponential",
  "tensor numbers",
  (key: Tensor, shape: Shape): Tensor => neg(log1p(neg(uniform(key, shape)))),
);

/** Standard Gumbel numbers, -log(-log u): f32 [...shape]. The largest of logits + gumbel is a draw by softmax(logits). */
export const gumbel = checked(
  "gumbel",
  "tensor numbers",
  (key: Tensor, shape: Shape): Tensor => neg(log(neg(log(open(key, shape))))),
);

/**
 * Indices along an axis (the last by default) drawn by softmax(logits): i32, logits' shape without that axis; or `draws` of them
 * on a new first axis. -∞ is never drawn, where another is not. Errors: ShapeError for an axis that logits lack.
 * @example categorical(key(0), log(tensor([0.2, 0.8])), { draws: 10 }) // ten times 0 or 1
 */
export const categorical = checked(
  "categorical",
  "tensor tensor {axis:integer,draws:integer}?",
  (key: Tensor, logits: Tensor, options: { readonly axis?: number; readonly draws?: number } = {}): Tensor => {
    const { axis = -1, draws } = options;
    const at = normalAxis(axis, logits.shape.length, `categorical(key, ${typeOf(logits)})`);
    if (draws === undefined) return argmax(add(logits, gumbel(key, logits.shape)), at);
    return argmax(add(logits, gumbel(key, [draws, ...logits.shape])), at + 1);
  },
);

/** The inverse of erf on (-1, 1): ±∞ at the ends, NaN beyond. Relative error 4e-7.  Giles 2010. f32 [...S] → [...S]. */
export const erfInv = checked("erfInv", "tensor", (given: Tensor): Tensor => {
  const isInside = less(abs(given), 1);
  const x = where(isInside, given, 0);
  const w = neg(log1p(neg(mul(x, x))));
  const polynomial = (at: Tensor, coefficients: readonly number[]): Tensor =>
    coefficients.slice(1).reduce<Tensor>((y, c) => add(mul(y, at), c), scalar(coefficients[0]));
  const near = polynomial(
    sub(w, 2.5),
    [
      2.81022636e-8, 3.43273939e-7, -3.5233877e-6, -4.39150654e-6, 0.00021858087, -0.00125372503, -0.00417768164,
      0.246640727, 1.50140941,
    ],
  );
  const far = polynomial(
    sub(sqrt(maximum(w, 5)), 3),
    [
      -0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773, -0.0076224613, 0.00943887047,
      1.00167406, 2.83297682,
    ],
  );
  const inside = mul(x, where(less(w, 5), near, far));
  const end = where(less(given, 0), Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY);
  return where(isInside, inside, where(equal(abs(given), 1), end, Number.NaN));
});

/**
 * Standard normal numbers between two bounds, low < high: f32 [...shape]. By the inverse of the distribution, so that far out, from
 * 5 on, they are coarse. Errors: ShapeError unless a number lies between them.
 */
export const truncatedNormal = checked(
  "truncatedNormal",
  "tensor number number numbers",
  (key: Tensor, low: number, high: number, shape: Shape): Tensor => {
    if (!(low < high)) throw new ShapeError(`no number lies between ${low} and ${high}`);
    const [a, b] = [low, high].map((bound) => erf(scalar(Math.SQRT1_2 * bound)));
    const u = clip(add(a, mul(sub(b, a), open(key, shape))), a, b);
    return clip(mul(Math.SQRT2, erfInv(u)), low, high);
  },
);

/**
 * Integers low ≤ n < high, all as likely (but for 2⁻³² of each): i32 [...shape]. Errors: ShapeError unless there are such
 * integers.
 * @example randint(key(0), [4], 0, 6)
 */
export const randint = checked(
  "randint",
  "tensor numbers integer integer",
  (key: Tensor, shape: Shape, low: number, high: number): Tensor => {
    const span = high - low;
    if (!(span > 0) || low < -(2 ** 31) || high > 2 ** 31)
      throw new ShapeError(`no i32 lies at or above ${low} and below ${high}`);
    const size = scalar(span, "u32");
    // Two words a number, so that no remainder is likelier than another; as JAX has it.
    const [upper, lower] = split(key, 2).map((k) => divided(bits(k, shape), size)[1]);
    const folded = add(mul(upper, scalar(2 ** 32 % span, "u32")), lower);
    return add(cast(divided(folded, size)[1], "i32"), low);
  },
);

/**
 * 0 … n - 1 in random order: i32 [n]; or the slices of a tensor along its first axis. Errors: ShapeError unless n is an integer
 * ≥ 0.
 */
export const permutation = checked("permutation", "tensor operand", (key: Tensor, x: Tensor | number): Tensor => {
  if (isTensor(x)) return take(x, permutation(key, x.shape[0] ?? 0), 0);
  if (!Number.isInteger(x) || x < 0) throw new ShapeError(`${x} is no count`);
  return argsort(bits(key, [x]));
});

/** How elements are chosen; as NumPy's. */
export interface ChoiceOptions {
  /** May one be drawn twice? Default: true. */
  readonly replace?: boolean;
  /** How likely each is, [n]; they need not add up to 1. Default: all alike. */
  readonly p?: Tensor;
}

/**
 * Draws of 0 … n - 1, or of the slices of a tensor along its first axis: [...shape]. Errors: ShapeError for more draws without
 * replacement than there are.
 */
export const choice = checked(
  "choice",
  "tensor operand numbers {replace:flag,p:tensor}?",
  (key: Tensor, x: Tensor | number, shape: Shape, options: ChoiceOptions = {}): Tensor => {
    const { replace = true, p } = options;
    const [n, draws] = [isTensor(x) ? x.shape[0] : x, sizeOf(shape)];
    if (!replace && draws > n) throw new ShapeError(`${draws} draws of ${n} without replacement`);
    if (p !== undefined && (p.shape.length !== 1 || p.shape[0] !== n))
      throw new ShapeError(`p is ${typeOf(p)}, not f32[${n}]`);
    const drawn = (): Tensor => {
      if (!replace) {
        // Order by exponential waiting times, whose rates are p.
        const order = p === undefined ? permutation(key, n) : argsort(div(exponential(key, [n]), p));
        return sliceAxis(order, 0, 0, draws);
      }
      return p === undefined ? randint(key, [draws], 0, n) : categorical(key, log(p), { draws });
    };
    const ids = reshape(drawn(), shape);
    return isTensor(x) ? take(x, ids, 0) : ids;
  },
);
