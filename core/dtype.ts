/** Element types of tensors. Every element takes four bytes on a device; `bool` is stored as 0 or 1. */
export type DType = "f32" | "i32" | "u32" | "bool";

/**
 * Numbers of a tensor on the host. f32 tensors are Float32Array when they come from a 32-bit device and Float64Array
 * when they come from the reference device, which computes in f64.
 */
export type HostData = Float32Array | Float64Array | Int32Array | Uint32Array;

/** Bytes of one element on a device. */
export const BYTES = 4;

/** A zeroed array in the reference device's precision: f64 for f32, exact integers for the rest. */
export const hostArray = (dtype: DType, length: number): HostData =>
  dtype === "f32" ? new Float64Array(length) : dtype === "i32" ? new Int32Array(length) : new Uint32Array(length);
