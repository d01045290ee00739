import { decodeHalves, type HalfType } from "./storage/half.js";

/**
 * Element types of tensors. `bool` is stored as 0 or 1 in four bytes. `bf16` and `f16` are storage: every op reads them as
 * f32, their gradients are f32, and only `cast` and `roundRandom` make them.
 */
export type DType = "f32" | "i32" | "u32" | "bool" | HalfType;

/**
 * Numbers of a tensor on the host. f32 tensors are Float32Array when they come from a 32-bit device and Float64Array
 * when they come from the reference device, which computes in f64. A Uint16Array holds the bits of bf16 or f16.
 */
export type HostData = Float32Array | Float64Array | Int32Array | Uint32Array | Uint16Array;

/** Is it bf16 or f16? Then the host holds bits. */
export const isHalf = (dtype: DType): dtype is HalfType => dtype === "bf16" || dtype === "f16";

/** Has it fractions, and so gradients? */
export const isFloating = (dtype: DType): boolean => dtype === "f32" || isHalf(dtype);

/** Bytes of one element on a device. */
export const bytesOf = (dtype: DType): number => (isHalf(dtype) ? 2 : 4);

/** Bytes that so many elements take on a device: whole words. */
export const byteLength = (dtype: DType, elements: number): number => 4 * Math.ceil((elements * bytesOf(dtype)) / 4);

/** A zeroed array in the reference device's precision: f64 for floats, exact integers for the rest. */
export const hostArray = (dtype: DType, length: number): HostData =>
  isFloating(dtype) ? new Float64Array(length) : dtype === "i32" ? new Int32Array(length) : new Uint32Array(length);

/** The numbers behind host data: bits of 16-bit floats decoded, everything else as it is. */
export const numbersOf = (data: HostData, dtype: DType): HostData => {
  if (!isHalf(dtype) || !(data instanceof Uint16Array)) return data;
  const numbers = new Float32Array(data.length);
  decodeHalves(data, dtype, numbers);
  return numbers;
};
