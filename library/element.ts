/** Functions of single elements. They broadcast, and read bf16 and f16 as f32. Errors: ShapeError if shapes or dtypes do not fit. */
import { checked } from "../core/expects.js";
import {
  abs,
  add,
  and,
  atan,
  cos,
  div,
  equal,
  exp,
  expm1,
  floor,
  isTensor,
  less,
  lessEqual,
  log,
  log1p,
  maximum,
  minimum,
  mul,
  neg,
  not,
  or,
  scalar,
  sign,
  sin,
  sqrt,
  square,
  stopGradient,
  sub,
  type Tensor,
  type TensorLike,
  where,
} from "../core/index.js";
import { onesLike } from "./create.js";
import { areIntegers, divided } from "./integers.js";

/** Is the element NaN?  [...S] → bool [...S] */
const isNan = checked("isNaN", "tensor", (x: Tensor): Tensor => not(equal(x, x)));

/** Is the element ∞ or -∞?  [...S] → bool [...S] */
export const isInf = checked("isInf", "tensor", (x: Tensor): Tensor => equal(abs(x), Number.POSITIVE_INFINITY));

/** Is the element neither infinite nor NaN?  [...S] → bool [...S] */
const isFiniteNumber = checked("isFinite", "tensor", (x: Tensor): Tensor => less(abs(x), Number.POSITIVE_INFINITY));

/**
 * x with numbers for NaN (0 by default) and the infinities (± the largest f32). The gradient passes where x stays. f32 [...S] →
 * [...S].
 */
export const nanToNum = checked("nanToNum", "tensor number?", (x: Tensor, nan = 0): Tensor => {
  const most = 3.4028234663852886e38;
  const finite = where(isInf(x), mul(most, sign(x)), x);
  return where(isNan(x), nan, finite);
});

/** x ≠ y, as bool; true where one of them is NaN. [...S], [...S] → [...S]; shapes broadcast. */
export const notEqual = checked(
  "notEqual",
  "operand operand",
  (x: TensorLike, y: TensorLike): Tensor => not(equal(x, y)),
);

/** One of two bools, and not both. [...S], [...S] → [...S]; shapes broadcast. */
export const xor = checked("xor", "tensor tensor", (x: Tensor, y: Tensor): Tensor => and(or(x, y), not(and(x, y))));

/**
 * x, but at least `low` and at most `high`; either may be left out (undefined). NaN stays. At a bound the gradient is halved
 * between x and the bound, as of `maximum`.
 * @example clip(tensor([-2, 0.5, 3]), -1, 1) // [-1, 0.5, 1]
 */
export const clip = checked("clip", "tensor operand? operand?", (x: Tensor, low?: TensorLike, high?: TensorLike) => {
  const raised = low === undefined ? x : maximum(x, low);
  return high === undefined ? raised : minimum(raised, high);
});

/** The smallest integer ≥ x. f32 [...S] → [...S]. */
export const ceil = checked("ceil", "tensor", (x: Tensor): Tensor => neg(floor(neg(x))));

/** The integer part of x: towards 0. f32 [...S] → [...S]. */
export const trunc = checked("trunc", "tensor", (x: Tensor): Tensor => mul(sign(x), floor(abs(x))));

/**
 * The largest integer ≤ x/y.  f32, i32 or u32; integers are exact, and of y = 0 they are 0. [...S], [...S] → [...S]; shapes
 * broadcast.
 */
export const floorDivide = checked(
  "floorDivide",
  "operand operand",
  (x: TensorLike, y: TensorLike): Tensor => (areIntegers(x, y) ? divided(x, y)[0] : floor(div(x, y))),
);

/**
 * x - y·⌊x/y⌋: what is left of x, with the sign of y, as NumPy has it.  f32, i32 or u32; integers are exact, and of y = 0 they are x.
 * @example mod(tensor([-3, 5]), 4) // [1, 1]
 */
export const mod = checked("mod", "operand operand", (x: TensorLike, y: TensorLike): Tensor => {
  if (areIntegers(x, y)) return divided(x, y)[1];
  const [whole, divisor] = [floor(div(x, y)), toTensor(y)];
  const left = where(equal(whole, 0), toTensor(x), sub(x, mul(y, whole)));
  // The quotient was rounded: what is left may lie one y too low or too high.
  const along = mul(left, sign(divisor));
  return where(less(along, 0), add(left, y), where(lessEqual(abs(divisor), along), sub(left, y), left));
});

const toTensor = (x: TensorLike): Tensor => (isTensor(x) ? x : scalar(x));

/** x to the power of an integer, by squaring: exact where x is, and so is its gradient. */
const integerPower = (x: Tensor, n: number): Tensor => {
  if (n < 0) return div(1, integerPower(x, -n));
  if (n === 0) return onesLike(x);
  const half = n === 1 ? x : integerPower(square(x), Math.floor(n / 2));
  return n === 1 || n % 2 === 0 ? half : mul(half, x);
};

/**
 * xʸ.  Integers |y| ≤ 64 given as a number go by squaring; all else by e^(y·log|x|), with an error of |y·log x| roundings. A
 * power of a negative x that is no integer is NaN; 0⁰ is 1.
 * @example pow(tensor([1, 2, 3]), 2) // [1, 4, 9]
 */
export const pow = checked("pow", "operand operand", (x: TensorLike, y: TensorLike): Tensor => {
  if (typeof y === "number" && Number.isInteger(y) && Math.abs(y) <= 64) return integerPower(toTensor(x), y);
  if (y === 0.5) return sqrt(toTensor(x));
  const [base, power] = [toTensor(x), toTensor(y)];
  const isZero = equal(base, 0);
  const size = exp(mul(power, log(where(isZero, 1, abs(base)))));
  const isWhole = equal(floor(power), power);
  const isOdd = notEqual(mul(2, floor(mul(0.5, power))), power);
  const ofNegative = where(or(isWhole, isInf(base)), where(and(isWhole, isOdd), neg(size), size), Number.NaN);
  const ofZero = where(
    less(power, 0),
    Number.POSITIVE_INFINITY,
    where(equal(power, 1), base, where(isNan(power), power, 0)),
  );
  const value = where(isZero, ofZero, where(less(base, 0), ofNegative, size));
  const isOne = or(and(equal(abs(base), 1), isInf(power)), and(equal(base, 1), isNan(power)));
  return where(or(equal(power, 0), isOne), 1, value);
});

/** 1/x. f32 [...S] → [...S]. */
export const reciprocal = checked("reciprocal", "tensor", (x: Tensor): Tensor => div(1, x));
/** 2ˣ. f32 [...S] → [...S]. */
export const exp2 = checked("exp2", "tensor", (x: Tensor): Tensor => exp(mul(Math.LN2, x)));
/** Logarithm to base 2. f32 [...S] → [...S]. */
export const log2 = checked("log2", "tensor", (x: Tensor): Tensor => mul(Math.LOG2E, log(x)));
/** Logarithm to base 10. f32 [...S] → [...S]. */
export const log10 = checked("log10", "tensor", (x: Tensor): Tensor => mul(Math.LOG10E, log(x)));
/** log(eˣ + eʸ), without overflow. f32 [...S], [...S] → [...S]; shapes broadcast. */
export const logAddExp = checked("logAddExp", "operand operand", (x: TensorLike, y: TensorLike): Tensor => {
  const [most, gap] = [maximum(x, y), sub(x, y)];
  return where(isNan(gap), add(x, y), add(most, log1p(exp(neg(abs(where(isNan(gap), 0, gap)))))));
});
/** √(x² + y²), without overflow; ∞ where one of them is infinite. f32 [...S], [...S] → [...S]; shapes broadcast. */
export const hypot = checked("hypot", "operand operand", (x: TensorLike, y: TensorLike): Tensor => {
  const most = stopGradient(maximum(abs(toTensor(x)), abs(toTensor(y))));
  const unit = where(and(less(0, most), isFiniteNumber(most)), most, 1);
  const length = mul(unit, sqrt(add(square(div(x, unit)), square(div(y, unit)))));
  return where(or(isInf(toTensor(x)), isInf(toTensor(y))), Number.POSITIVE_INFINITY, length);
});

/** tan x, x in radians. f32 [...S] → [...S]. */
export const tan = checked("tan", "tensor", (x: Tensor): Tensor => div(sin(x), cos(x)));
/** The angle of the point (x, y) in [-π, π], in radians; 0 at the origin, and -0 counts as 0. Gradients -y/r² and x/r². */
export const atan2 = checked("atan2", "operand operand", (y: TensorLike, x: TensorLike): Tensor => {
  const bothEndless = and(isInf(toTensor(y)), isInf(toTensor(x)));
  const [up, right] = [y, x].map((side) => where(bothEndless, sign(toTensor(side)), side));
  const steep = less(abs(right), abs(up));
  const isOrigin = and(equal(up, 0), equal(right, 0));
  // Each quotient where it is at most 1, so that neither side divides by 0.
  const slope = (a: Tensor, b: Tensor, used: Tensor) => atan(div(where(used, a, 0), where(used, b, 1)));
  const flat = slope(up, right, and(not(steep), not(isOrigin)));
  const behind = where(less(up, 0), -Math.PI, Math.PI);
  const ofFlat = add(flat, where(less(right, 0), behind, 0));
  const ofSteep = sub(where(less(up, 0), -Math.PI / 2, Math.PI / 2), slope(right, up, steep));
  return where(steep, ofSteep, ofFlat);
});
/** √(1 - x²). Of two roots, so that the gradient at ±1 is infinite, and not NaN. */
const ofSquare = (x: Tensor): Tensor => mul(sqrt(sub(1, x)), sqrt(add(1, x)));
/** The angle in [-π/2, π/2] whose sine is x. */
export const asin = checked("asin", "tensor", (x: Tensor): Tensor => atan2(x, ofSquare(x)));
/** The angle in [0, π] whose cosine is x. */
export const acos = checked("acos", "tensor", (x: Tensor): Tensor => atan2(ofSquare(x), x));
/** (eˣ - e⁻ˣ)/2. f32 [...S] → [...S]. */
export const sinh = checked("sinh", "tensor", (x: Tensor): Tensor => mul(0.5, sub(expm1(x), expm1(neg(x)))));
/** (eˣ + e⁻ˣ)/2. f32 [...S] → [...S]. */
export const cosh = checked("cosh", "tensor", (x: Tensor): Tensor => mul(0.5, add(exp(x), exp(neg(x)))));
/** From here on asinh and acosh are log 2x, whose square does not overflow; NaN goes that way too. */
const LARGE = 1e4;
const logOfTwice = (x: Tensor): Tensor => add(log(where(less(x, LARGE), LARGE, x)), Math.LN2);
/** The number whose sinh is x. f32 [...S] → [...S]. */
export const asinh = checked("asinh", "tensor", (x: Tensor): Tensor => {
  const side = where(less(x, 0), -1, 1);
  const a = mul(side, x); // without the cancellation of a negative x + √(1 + x²)
  const small = where(less(a, LARGE), a, 0);
  const near = log1p(add(small, div(square(small), add(1, sqrt(add(1, square(small)))))));
  return mul(side, where(less(a, LARGE), near, logOfTwice(a)));
});
/** The number ≥ 0 whose cosh is x ≥ 1. f32 [...S] → [...S]. */
export const acosh = checked("acosh", "tensor", (x: Tensor): Tensor => {
  const small = where(less(x, LARGE), x, 1);
  const t = sub(small, 1);
  return where(less(x, LARGE), log1p(add(t, mul(sqrt(t), sqrt(add(small, 1))))), logOfTwice(x));
});
/** The number whose tanh is x. f32 [...S] → [...S]. */
export const atanh = checked("atanh", "tensor", (x: Tensor): Tensor => mul(0.5, sub(log1p(x), log1p(neg(x)))));

export { isFiniteNumber as isFinite, isNan as isNaN };
