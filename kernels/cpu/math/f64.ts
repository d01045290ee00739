import type { V128 } from "../wasm/expression.js";
import { shuffle32 } from "../wasm/expression.js";
import type { Body } from "../wasm/module.js";
import { f32x4, f64x2, i32, i32x4, i64x2, v128 } from "../wasm/ops.js";
import { erfConstants } from "./erf-constants.js";

/** Functions that no hot loop needs: computed in f64, two lanes at a time, so that one rounding to f32 is all the error. */

const { add, sub, mul, div, splatConst: c } = f64x2;

type Core = (body: Body, x: V128) => V128;

const horner = (body: Body, x: V128, coefficients: readonly number[]): V128 => {
  const y = body.let(c(coefficients[0]));
  for (const k of coefficients.slice(1)) body.set(y, add(mul(y, x), c(k)));
  return y;
};

/** 1 + z/3 + z²/5 + …: artanh(s)/s for z = s². */
const artanhSeries = (body: Body, z: V128, terms: number): V128 =>
  horner(
    body,
    z,
    Array.from({ length: terms }, (_, i) => 1 / (2 * (terms - 1 - i) + 1)),
  );

const ROUNDER = 1.5 * 2 ** 52;

/** eˣ for |x| < 700, relative error below 1e-9. */
const expCore: Core = (body, value) => {
  const x = body.let(value);
  const sum = body.let(add(mul(x, c(Math.LOG2E)), c(ROUNDER)));
  const r = body.let(sub(x, mul(sub(sum, c(ROUNDER)), c(Math.LN2))));
  const coefficients = [1];
  for (let n = 1; n <= 9; n++) coefficients.unshift(coefficients[0] / n);
  const y = horner(body, r, coefficients);
  return mul(y, i64x2.add(i64x2.shl(sum, i32.const(52)), c(1))); // the bits of 1.0 carry the exponent's bias
};

/** The bits of √½ · 2⁻²⁰⁰: below every f32, so that differences of bits are never negative. */
const LOG_BASE = Math.SQRT1_2 * 2 ** -200;

const logCore: Core = (body, x) => {
  const shifted = body.let(i64x2.shr_u(i64x2.sub(x, c(LOG_BASE)), i32.const(52)));
  const k = body.let(sub(f64x2.convert_low_i32x4_s(shuffle32(shifted, shifted, 0, 2, 0, 2)), c(200)));
  // x / 2^k, by the exponent's bits; 2^200 / 1 as bits is 200 in the exponent.
  const powers = i64x2.shl(i64x2.sub(shifted, i32x4.const(200, 0, 200, 0)), i32.const(52));
  const m = body.let(i64x2.sub(x, powers));
  const s = body.let(div(sub(m, c(1)), add(m, c(1))));
  const series = artanhSeries(body, mul(s, s), 8);
  const finite = body.let(add(mul(k, c(Math.LN2)), mul(mul(c(2), s), series)));
  const special = v128.bitselect(c(Number.NEGATIVE_INFINITY), c(Number.NaN), f64x2.eq(x, c(0)));
  const positive = v128.bitselect(x, finite, f64x2.eq(x, c(Number.POSITIVE_INFINITY)));
  return v128.bitselect(positive, special, f64x2.gt(x, c(0)));
};

/** 1 + x is exact in f64 but for the smallest of f32, which go by the series x - x²/2 + x³/3. */
const log1pCore: Core = (body, x) => {
  const near = sub(x, mul(mul(x, x), sub(c(0.5), mul(x, c(1 / 3)))));
  return v128.bitselect(near, logCore(body, body.let(add(x, c(1)))), f64x2.lt(f64x2.abs(x), c(1e-4)));
};

/** Near 0 by the series, where eˣ - 1 would cancel. */
const expm1Core: Core = (body, x) => {
  const coefficients = [1];
  for (let n = 2; n <= 12; n++) coefficients.unshift(coefficients[0] / n);
  const near = body.let(mul(x, horner(body, x, coefficients)));
  const far = sub(expCore(body, f64x2.max(f64x2.min(x, c(200)), c(-200))), c(1));
  return v128.bitselect(near, far, f64x2.lt(f64x2.abs(x), c(0.5)));
};

/** The angle of 1/x beyond 1, and of (x - 1)/(x + 1) beyond tan π/8; what is left by the series of artanh, z = -x². */
const atanCore: Core = (body, x) => {
  const a = body.let(f64x2.abs(x));
  const isFar = body.let(f64x2.gt(a, c(1)));
  const t = body.let(v128.bitselect(div(c(1), a), a, isFar));
  const isMid = body.let(f64x2.gt(t, c(Math.SQRT2 - 1)));
  const u = body.let(v128.bitselect(div(sub(t, c(1)), add(t, c(1))), t, isMid));
  const series = mul(u, artanhSeries(body, body.let(f64x2.neg(mul(u, u))), 12));
  const y = body.let(add(v128.and(c(Math.PI / 4), isMid), series));
  const angle = body.let(v128.bitselect(sub(c(Math.PI / 2), y), y, isFar));
  return v128.or(angle, v128.and(x, c(-0)));
};

/** Small x by the series x - x³/3, where (e²ˣ - 1)/(e²ˣ + 1) would cancel. */
const tanhCore: Core = (body, x) => {
  const near = body.let(f64x2.max(f64x2.min(x, c(20)), c(-20)));
  const e = body.let(expCore(body, add(near, near)));
  const far = div(sub(e, c(1)), add(e, c(1)));
  const series = sub(x, mul(mul(mul(x, x), x), c(1 / 3)));
  return v128.bitselect(series, far, f64x2.lt(f64x2.abs(x), c(1e-4)));
};

/** max(x, 0) + log(1 + e), e = e^-|x|; log(1 + e) = 2 artanh(e / (2 + e)). */
const softplusCore: Core = (body, x) => {
  const e = body.let(expCore(body, f64x2.max(f64x2.neg(f64x2.abs(x)), c(-200))));
  const s = body.let(div(e, add(e, c(2))));
  const series = artanhSeries(body, mul(s, s), 11);
  return add(f64x2.max(x, c(0)), mul(mul(c(2), s), series));
};

/** Cody's rational approximations (Math. Comp. 23, 1969): one for |x| ≤ ½, one for erfc up to 4; beyond that ±1 in f32. */
const erfCore: Core = (body, x) => {
  const { a, b, c: p, d: q } = erfConstants;
  const z = body.let(mul(x, x));
  const small = body.let(mul(x, div(horner(body, z, a), horner(body, z, b))));
  const y = body.let(f64x2.min(f64x2.abs(x), c(6)));
  const complement = mul(div(horner(body, y, p), horner(body, y, q)), expCore(body, f64x2.neg(mul(y, y))));
  const large = body.let(sub(c(1), complement));
  const signed = v128.or(large, v128.and(x, c(-0)));
  return v128.bitselect(small, signed, f64x2.lt(f64x2.abs(x), c(0.5)));
};

/** π/2 in parts of 33 bits: multiples below 2²⁰ are exact. Source: fdlibm. */
const HALF_PI = [1.5707963267341256, 6.077100506303966e-11, 2.0222662487111665e-21, 8.4784276603689e-32];

const series = (first: number, terms: number): number[] => {
  const out: number[] = [];
  let term = 1;
  for (let i = 0; i < terms; i++) {
    out.unshift(term);
    term /= -(2 * i + first) * (2 * i + first + 1);
  }
  return out;
};

/** sin(x + quarter·π/2). Within an ulp up to |x| = 10⁶; further out the reduction loses bits, and the result stays in [-1, 1]. */
const waveCore =
  (quarter: number): Core =>
  (body, x) => {
    const n = body.let(add(f64x2.nearest(mul(x, c(2 / Math.PI))), c(0))); // + 0 keeps sin(-0) = -0
    const r = body.let(x);
    for (const part of HALF_PI) body.set(r, sub(r, mul(n, c(part))));
    body.set(r, f64x2.max(f64x2.min(r, c(0.7854)), c(-0.7854)));
    const z = body.let(mul(r, r));
    const sine = body.let(mul(r, horner(body, z, series(2, 7))));
    const cosine = body.let(horner(body, z, series(1, 8)));
    const turned = body.let(add(n, c(quarter)));
    const quadrant = body.let(sub(turned, mul(c(4), f64x2.floor(mul(turned, c(0.25))))));
    const isOdd = f64x2.eq(f64x2.abs(sub(quadrant, c(2))), c(1));
    const value = v128.bitselect(cosine, sine, isOdd);
    return v128.xor(value, v128.and(f64x2.gt(quadrant, c(1.5)), c(-0)));
  };

/** Applies a function of two f64 lanes to four f32 lanes. */
const inDouble =
  (core: Core) =>
  (body: Body, value: V128): V128 => {
    const x = body.let(value);
    const low = body.let(f64x2.promote_low_f32x4(x));
    const lowResult = body.let(f32x4.demote_f64x2_zero(core(body, low)));
    const high = body.let(f64x2.promote_low_f32x4(shuffle32(x, x, 2, 3, 2, 3)));
    const highResult = f32x4.demote_f64x2_zero(core(body, high));
    return shuffle32(lowResult, highResult, 0, 1, 4, 5);
  };

export const log = inDouble(logCore);
export const log1p = inDouble(log1pCore);
export const expm1 = inDouble(expm1Core);
export const atan = inDouble(atanCore);
export const tanh = inDouble(tanhCore);
export const softplus = inDouble(softplusCore);
export const erf = inDouble(erfCore);
export const sin = inDouble(waveCore(0));
export const cos = inDouble(waveCore(1));
