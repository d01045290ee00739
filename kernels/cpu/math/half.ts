import type { HalfType } from "../../../core/index.js";
import type { V128 } from "../wasm/expression.js";
import type { Body } from "../wasm/module.js";
import { f32x4, i32, i32x4, v128 } from "../wasm/ops.js";

/** core/storage/half.ts, four elements at a time: codes of 16 bits lie in lanes of 32. The same bits, those of NaN too. */

const word = i32x4.splatConst;
const bitsRight = (x: V128, n: number): V128 => i32x4.shr_u(x, i32.const(n));
const bitsLeft = (x: V128, n: number): V128 => i32x4.shl(x, i32.const(n));
const magnitudeOf = (x: V128): V128 => v128.and(x, word(0x7fffffff));
const signOf = (x: V128): V128 => v128.and(x, word(0x80000000));

const INFINITY = 0x7f800000;
/** As f32: f16's least normal number, its largest, and how far apart the exponents of both formats lie. */
const LEAST_F16 = 0x38800000;
const LARGEST_F16 = 0x477fe000;
const REBASE = 112 << 23;
/** Distance of f16's subnormals. */
const UNIT = f32x4.splatConst(2 ** -24);
/** From here on f32 lie 2⁻²⁴ apart: added to a smaller number, it rounds that to f16's subnormals. */
const HALF = f32x4.splatConst(0.5);

/** Codes → the f32 of the same value. */
export const decodeHalves = (body: Body, codes: V128, dtype: HalfType): V128 => {
  if (dtype === "bf16") return bitsLeft(codes, 16);
  const code = body.let(codes);
  // The sign, and exponent and fraction in f32's place: a normal number but for the exponent's bias.
  const signed = i32x4.shr_s(bitsLeft(code, 16), i32.const(3));
  const value = body.let(i32x4.add(v128.and(signed, word(0x8fffe000)), word(REBASE)));
  const magnitude = v128.and(code, word(0x7fff));
  const rare = v128.not(i32x4.le_u(i32x4.sub(word(0x7bff), magnitude), word(0x7bff - 0x400)));
  body.if(v128.any_true(rare), () => {
    const sizes = body.let(magnitude);
    // The exponent of infinity and NaN is f32's largest too. Subnormals, and 0, count units.
    const isLarge = i32x4.gt_s(sizes, word(0x7bff));
    const small = v128.or(f32x4.mul(f32x4.convert_i32x4_s(sizes), UNIT), bitsLeft(v128.and(code, word(0x8000)), 16));
    const large = i32x4.add(value, v128.and(isLarge, word(REBASE)));
    body.set(value, v128.bitselect(small, large, i32x4.lt_s(sizes, word(0x400))));
  });
  return value;
};

/** f32 values that the dtype holds → their codes. */
export const encodeHalves = (body: Body, values: V128, dtype: HalfType): V128 => {
  if (dtype === "bf16") return bitsRight(values, 16);
  const x = body.let(values);
  const magnitude = body.let(magnitudeOf(x));
  const normal = body.let(i32x4.sub(magnitude, word(REBASE)));
  const large = v128.bitselect(normal, i32x4.sub(normal, word(REBASE)), i32x4.lt_s(magnitude, word(INFINITY)));
  const small = i32x4.sub(f32x4.add(magnitude, HALF), HALF);
  return v128.or(
    v128.bitselect(small, bitsRight(large, 13), i32x4.lt_s(magnitude, word(LEAST_F16))),
    bitsRight(signOf(x), 16),
  );
};

/** f32 → the nearest value of the dtype, ties to even; NaN stays NaN, made quiet. */
export const roundToHalves = (body: Body, x: V128, dtype: HalfType): V128 => {
  const cut = dtype === "bf16" ? 16 : 13;
  const kept = word(-(2 ** cut));
  const nearest = (bits: V128) => {
    const isOdd = v128.and(bitsRight(bits, cut), word(1));
    return v128.and(i32x4.add(bits, i32x4.add(isOdd, word(2 ** (cut - 1) - 1))), kept);
  };
  const quiet = v128.and(v128.or(x, word(0x400000)), kept);
  if (dtype === "bf16") return v128.bitselect(quiet, nearest(x), f32x4.ne(x, x));
  const magnitude = body.let(magnitudeOf(x));
  const rounded = body.let(nearest(magnitude));
  const normal = v128.bitselect(word(INFINITY), rounded, i32x4.gt_s(rounded, word(LARGEST_F16)));
  const small = f32x4.sub(f32x4.add(magnitude, HALF), HALF);
  const number = v128.bitselect(small, normal, i32x4.lt_s(magnitude, word(LEAST_F16)));
  return v128.bitselect(quiet, v128.or(number, signOf(x)), f32x4.ne(x, x));
};

/** f32 and 32 random bits → a value of the dtype beside x: see randomlyOfBits in core. */
export const roundToHalvesRandomly = (body: Body, x: V128, random: V128, dtype: HalfType): V128 => {
  const magnitude = body.let(magnitudeOf(x));
  const cut = dtype === "bf16" ? 16 : 13;
  const added = i32x4.add(magnitude, v128.and(random, word(2 ** cut - 1)));
  const largest = word(dtype === "bf16" ? 0x7f7f0000 : LARGEST_F16);
  const normal = i32x4.min_u(v128.and(added, word(-(2 ** cut))), largest);
  const number =
    dtype === "bf16"
      ? normal
      : v128.bitselect(
          f32x4.mul(f32x4.convert_i32x4_s(betweenSubnormals(body, magnitude, random)), UNIT),
          normal,
          i32x4.lt_s(magnitude, word(LEAST_F16)),
        );
  const isNumber = i32x4.lt_s(magnitude, word(INFINITY));
  return v128.bitselect(v128.or(number, signOf(x)), roundToHalves(body, x, dtype), isNumber);
};

/** Codes of f16's subnormals. What a significand has below them, its first 31 bits at most, is weighed against random bits. */
const betweenSubnormals = (body: Body, magnitude: V128, random: V128): V128 => {
  const below = i32x4.min_s(i32x4.sub(word(126), bitsRight(magnitude, 23)), word(31));
  const scale = body.let(bitsLeft(i32x4.add(below, word(127)), 23)); // 2^below
  const units = body.let(f32x4.mul(magnitude, f32x4.splatConst(2 ** 24)));
  const whole = body.let(i32x4.trunc_sat_f32x4_s(units));
  const fraction = f32x4.mul(f32x4.sub(units, f32x4.convert_i32x4_s(whole)), scale);
  const mask = body.let(i32x4.sub(i32x4.trunc_sat_f32x4_u(scale), word(1)));
  const sum = i32x4.add(i32x4.trunc_sat_f32x4_u(fraction), v128.and(random, mask));
  // A true mask is -1.
  return i32x4.sub(whole, v128.not(i32x4.le_u(sum, mask)));
};
