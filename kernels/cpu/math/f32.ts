import type { V128 } from "../wasm/expression.js";
import type { Body } from "../wasm/module.js";
import { multiplyAdd } from "../wasm/multiply-add.js";
import { f32x4, i32, i32x4, v128 } from "../wasm/ops.js";

/** Functions of four f32 lanes that hot loops call: written inline, in f32. */

const { add, sub, mul, div, splatConst: c } = f32x4;

/** Adding it rounds a small number to an integer, which then stands in the low bits of the sum. */
const ROUNDER = 1.5 * 2 ** 23;
const ROUNDER_BITS = 0x4b400000;

/** Evaluates a polynomial at x, coefficients from the highest power down. */
const horner = (body: Body, x: V128, coefficients: readonly number[]): V128 => {
  const y = body.let(c(coefficients[0]));
  for (const k of coefficients.slice(1)) body.set(y, multiplyAdd(body, y, x, c(k)));
  return y;
};

/**
 * eˣ, at most 1.5 ulp, denormal results and special values included. Cody–Waite reduction by ln 2 in two parts,
 * Cephes' polynomial, and the power of two applied in two halves, so that neither leaves the range of f32.
 */
export const exp = (body: Body, value: V128): V128 => {
  // pmin and pmax give their first operand for NaN.
  const x = body.let(f32x4.pmax(f32x4.pmin(value, c(89)), c(-105)));
  const sum = body.let(multiplyAdd(body, x, c(Math.LOG2E), c(ROUNDER)));
  const n = body.let(sub(sum, c(ROUNDER)));
  const power = body.let(i32x4.sub(sum, i32x4.splatConst(ROUNDER_BITS)));
  const r = body.let(multiplyAdd(body, n, c(0.00021219444005469057), multiplyAdd(body, n, c(-0.693359375), x)));
  const p = horner(
    body,
    r,
    [1.98756915e-4, 0.0013981999507, 0.0083334519073, 0.041665795894, 0.16666665459, 0.50000001201],
  );
  const y = body.let(add(multiplyAdd(body, p, mul(r, r), r), c(1)));
  const half = body.let(i32x4.shr_s(power, i32.const(1)));
  return mul(mul(y, powerOfTwo(half)), powerOfTwo(i32x4.sub(power, half)));
};

/** 2ⁿ for integer lanes, -126 ≤ n ≤ 127. */
const powerOfTwo = (n: V128): V128 => i32x4.shl(i32x4.add(n, i32x4.splatConst(127)), i32.const(23));

/** σ(x) by e^-|x|, so that neither side overflows; at most 2.5 ulp. */
export const sigmoid = (body: Body, value: V128): V128 => {
  const x = body.let(value);
  const e = body.let(exp(body, f32x4.neg(f32x4.abs(x))));
  return div(v128.bitselect(c(1), e, f32x4.ge(x, c(0))), add(e, c(1)));
};
