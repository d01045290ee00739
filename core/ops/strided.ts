import { hostArray } from "../dtype.js";
import { type Shape, sizeOf } from "../shape.js";
import type { HostTensorData } from "../tensor.js";

/** Walks an output shape and reads input[offset + Σ index·stride]: the definition of every strided view. */
export const readStrided = (x: HostTensorData, shape: Shape, strides: readonly number[], offset: number) => {
  const size = sizeOf(shape);
  const out = hostArray(x.dtype, size);
  const index = new Array<number>(shape.length).fill(0);
  let at = offset;
  for (let i = 0; i < size; i++) {
    out[i] = x.data[at];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at += strides[axis];
      if (++index[axis] < shape[axis]) break;
      at -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  return out;
};
