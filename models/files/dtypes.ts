import type { DType, HalfType } from "../../core/index.js";

/** The float formats that weights are stored in; arithmetic is always f32. Names as safetensors spells them. */
export type WeightDtype = "F32" | "F16" | "BF16";

/** The dtype of tensors that holds each of them as it is stored. */
export const dtypeOf = { F32: "f32", F16: "f16", BF16: "bf16" } as const satisfies Record<WeightDtype, DType>;

/** Bytes of one stored element. */
export const bytesOf: Readonly<Record<WeightDtype, number>> = { F32: 4, F16: 2, BF16: 2 };

/** Place of the first NaN or infinity, or undefined. */
export const firstNotFinite = (data: ArrayLike<number>): number | undefined => {
  for (let i = 0; i < data.length; i++) if (!Number.isFinite(data[i])) return i;
  return undefined;
};

/** From this magnitude on a number becomes an infinity: half a unit beyond the largest, where ties go up. */
const INFINITE_FROM: Readonly<Record<WeightDtype, number>> = {
  F32: Number.POSITIVE_INFINITY,
  F16: 65520,
  BF16: 2 ** 127 * (2 - 2 ** -8),
};

/** In words, how many numbers would be no finite ones in a format, and the first of them; undefined if all would be. */
export const notFiniteAs = (data: Float32Array, dtype: WeightDtype): string | undefined => {
  const limit = INFINITE_FROM[dtype];
  let [count, first] = [0, 0];
  for (let i = 0; i < data.length; i++) if (!(Math.abs(data[i]) < limit) && count++ === 0) first = i;
  if (count === 0) return undefined;
  const value = data[first];
  const why = Number.isFinite(value) ? `, which ${dtype} cannot hold` : "";
  const more = count === 1 ? "" : `, and ${count - 1} more that are not finite`;
  return `holds ${value} at element ${first}${why}${more}`;
};

/** The exponent that a 16-bit float shares with its infinities and NaN alone. */
const SPECIAL = { bf16: 0x7f80, f16: 0x7c00 } as const;

/** The same of 16-bit floats by their bits. */
export const firstNotFiniteHalf = (bits: Uint16Array, dtype: HalfType): number | undefined => {
  const special = SPECIAL[dtype];
  for (let i = 0; i < bits.length; i++) if ((bits[i] & special) === special) return i;
  return undefined;
};
