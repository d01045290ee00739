/** The float formats that weights are stored in; arithmetic is always f32. Names as safetensors spells them. */
export type WeightDtype = "F32" | "F16" | "BF16";

const floatView = new Float32Array(1);
const bitsView = new Uint32Array(floatView.buffer);

/** bf16 bits → the f32 of the same value (exact). */
export const bf16ToFloat = (bits: number): number => {
  bitsView[0] = bits << 16;
  return floatView[0];
};

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

/** f16 bits → number (exact). */
export const f16ToFloat = (half: number): number => {
  bitsView[0] = bitsOfF16(half);
  return floatView[0];
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

/** number → bf16 bits, by way of f32. */
export const floatToBf16 = (value: number): number => {
  floatView[0] = value;
  return bf16OfBits(bitsView[0]);
};

/** number → f16 bits, by way of f32. */
export const floatToF16 = (value: number): number => {
  floatView[0] = value;
  return f16OfBits(bitsView[0]);
};

/** Bytes of one stored element. */
export const bytesOf: Readonly<Record<WeightDtype, number>> = { F32: 4, F16: 2, BF16: 2 };

/** Decodes stored 16-bit floats into `target`. Both hold the same number of elements; works on bits, so NaN payloads survive. */
export const decodeHalves = (source: Uint16Array, dtype: "F16" | "BF16", target: Float32Array): void => {
  const bits = new Uint32Array(target.buffer, target.byteOffset, target.length);
  if (dtype === "BF16") for (let i = 0; i < source.length; i++) bits[i] = source[i] << 16;
  else for (let i = 0; i < source.length; i++) bits[i] = bitsOfF16(source[i]);
};

/** Encodes f32 values as 16-bit floats (round to nearest even) into `target`, element for element. */
export const encodeHalves = (source: Float32Array, dtype: "F16" | "BF16", target: Uint16Array): void => {
  const bits = new Uint32Array(source.buffer, source.byteOffset, source.length);
  if (dtype === "BF16") for (let i = 0; i < bits.length; i++) target[i] = bf16OfBits(bits[i]);
  else for (let i = 0; i < bits.length; i++) target[i] = f16OfBits(bits[i]);
};

/** Place of the first NaN or infinity, or undefined. */
export const firstNotFinite = (data: ArrayLike<number>): number | undefined => {
  for (let i = 0; i < data.length; i++) if (!Number.isFinite(data[i])) return i;
  return undefined;
};
