import { hostArray } from "../dtype.js";
import { sizeOf } from "../shape.js";
import type { Op, Tensor } from "../tensor.js";

/** One element of a pointwise op from one element of each input; `out` for its dtype and attributes. */
export type ElementRule = (x: number, y: number, z: number, out: Tensor) => number;

/** The definition of a pointwise op from that of one element. */
export const elementwise =
  (define: ElementRule): NonNullable<Op["evaluate"]> =>
  (inputs, out) => {
    const data = hostArray(out.dtype, sizeOf(out.shape));
    const [x, y, z] = inputs.map((input) => input.data);
    for (let i = 0; i < data.length; i++) data[i] = define(x[i], y?.[i], z?.[i], out);
    return data;
  };
