/**
 * The 16-bit floats that tensors are stored in, by their bits. bf16 is the upper half of an f32; f16 is IEEE 754's binary16.
 * Everything here works on bits, so that every device can do the same and get the same.
 */

import { ShapeError } from "../errors.js";

/** Dtypes that are storage only: arithmetic on them is f32. */
export type HalfType = "bf16" | "f16";

const floatView = new Float32Array(1);
const bitsView = new Uint32Array(floatView.buffer);

/** f32 bits → bf16 bits: round to nearest, ties to even; NaN stays NaN (quiet, sign kept). */
const bf16OfBits = (bits: number): number => {
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40;
  // Adding just under half a unit, plus one where the kept part is odd, carries exactly when rounding goes up.
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
};

/** f16 bits → the f32 bits of the same value (exact). */
const bitsOfF16 = (half: number): number => {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >>> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0x1f) return sign | 0x7f800000 | (fraction << 13);
  if (exponent !== 0) return sign | ((exponent + 112) << 23) | (fraction << 13);
  if (fraction === 0) return sign;
  // Subnormal: shift the leading one up to the hidden bit (f32 has room to make it normal).
  const shift = Math.clz32(fraction) - 21;
  return sign | ((113 - shift) << 23) | (((fraction << shift) & 0x3ff) << 13);
};

/** f32 bits → f16 bits: round to nearest, ties to even; beyond 65504 → infinity from 65520 on; NaN stays NaN. */
const f16OfBits = (bits: number): number => {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00 | ((magnitude >>> 13) & 0x1ff);
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude >= 0x38800000) {
    const rebased = magnitude - (112 << 23);
    return sign | ((rebased + 0xfff + ((rebased >>> 13) & 1)) >>> 13);
  }
  // Subnormal result: a multiple of 2^-24. At or below half of that, everything rounds to zero.
  if (magnitude <= 0x33000000) return sign;
  const shift = 126 - (magnitude >>> 23);
  const significand = (magnitude & 0x7fffff) | 0x800000;
  const kept = significand >>> shift;
  const dropped = significand & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  return sign | (kept + (dropped > half || (dropped === half && (kept & 1) === 1) ? 1 : 0));
};

/** The largest finite code of each. */
const LARGEST = { bf16: 0x7f7f, f16: 0x7bff } as const;

/**
 * f32 bits → bits of a 16-bit float, up or down by 32 random bits such that the mean is the number. What the format holds
 * stays what it is, infinities and NaN too; what is finite stays finite, so above the largest number all is that.
 */
const randomlyOfBits = (bits: number, random: number, dtype: HalfType): number => {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude >= 0x7f800000) return dtype === "bf16" ? bf16OfBits(bits) : f16OfBits(bits);
  if (dtype === "bf16") return sign | Math.min((magnitude + (random & 0xffff)) >>> 16, LARGEST.bf16);
  if (magnitude >= 0x38800000)
    return sign | Math.min((magnitude - (112 << 23) + (random & 0x1fff)) >>> 13, LARGEST.f16);
  // A multiple of 2^-24. A significand that lies further below than 31 bits loses its last ones.
  const significand = (magnitude & 0x7fffff) | (magnitude >= 0x800000 ? 0x800000 : 0);
  const shift = 126 - Math.max(magnitude >>> 23, 1);
  const least = Math.min(shift, 31);
  const left = shift - least > 31 ? 0 : significand >>> (shift - least);
  return sign | ((left + (random & (2 ** least - 1))) >>> least);
};

/** bf16 or f16 bits → number (exact). */
export const halfToFloat = (bits: number, dtype: HalfType): number => {
  bitsView[0] = dtype === "bf16" ? bits << 16 : bitsOfF16(bits);
  return floatView[0];
};

/** number → bits, by way of f32: round to nearest, ties to even; NaN stays NaN. */
export const floatToHalf = (value: number, dtype: HalfType): number => {
  floatView[0] = value;
  return dtype === "bf16" ? bf16OfBits(bitsView[0]) : f16OfBits(bitsView[0]);
};

/** number → the nearest number of a 16-bit format, by way of f32. */
export const roundToHalf = (value: number, dtype: HalfType): number => halfToFloat(floatToHalf(value, dtype), dtype);

/** number → a neighbouring number of a 16-bit format, chosen by 32 random bits without bias: see `roundRandom`. */
export const roundRandomly = (value: number, random: number, dtype: HalfType): number => {
  floatView[0] = value;
  return halfToFloat(randomlyOfBits(bitsView[0], random, dtype), dtype);
};

const checkBits = (call: string, fits: boolean): void => {
  if (!fits) throw new ShapeError(`${call}(…): bits are a Uint16Array, numbers a Float32Array`);
};

/** Decodes stored 16-bit floats into `target`, element for element; works on bits, so NaN payloads survive. */
export const decodeHalves = (source: Uint16Array, dtype: HalfType, target: Float32Array): void => {
  checkBits("decodeHalves", source instanceof Uint16Array && target instanceof Float32Array);
  const bits = new Uint32Array(target.buffer, target.byteOffset, target.length);
  if (dtype === "bf16") for (let i = 0; i < source.length; i++) bits[i] = source[i] << 16;
  else for (let i = 0; i < source.length; i++) bits[i] = bitsOfF16(source[i]);
};

/** Encodes f32 values as 16-bit floats (round to nearest even) into `target`, element for element. */
export const encodeHalves = (source: Float32Array, dtype: HalfType, target: Uint16Array): void => {
  checkBits("encodeHalves", source instanceof Float32Array && target instanceof Uint16Array);
  const bits = new Uint32Array(source.buffer, source.byteOffset, source.length);
  if (dtype === "bf16") for (let i = 0; i < bits.length; i++) target[i] = bf16OfBits(bits[i]);
  else for (let i = 0; i < bits.length; i++) target[i] = f16OfBits(bits[i]);
};
