import type { DType } from "../../core/index.js";

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
