import { type HostData, hostArray } from "../dtype.js";
import { ShapeError } from "../errors.js";
import { expects } from "../expects.js";
import { typeOf } from "../print.js";
import { sizeOf } from "../shape.js";
import { node, type Op, type Tensor } from "../tensor.js";
import { broadcastTo } from "./broadcast.js";
import { widened } from "./cast.js";
import { elementwise } from "./elementwise.js";
import { iota } from "./leaf.js";
import { and, equal, less, or, type PointwiseName } from "./pointwise.js";
import { reshape, sliceAxis } from "./view.js";

const word = new DataView(new ArrayBuffer(4));
const NAN_BITS = 0x7fc00000;

const magnitudeOf = (x: number): number => {
  if (Number.isNaN(x)) return NAN_BITS;
  word.setFloat32(0, Math.abs(x));
  return word.getUint32(0);
};

/** The bits of |x| as f32: they order as magnitudes do, and all NaNs are one, above every number.  f32 [...S] → u32 [...S] */
const magnitudeOp: Op = {
  name: "magnitudeBits" satisfies PointwiseName,
  kind: "pointwise",
  evaluate: elementwise(magnitudeOf),
};

/** Indices of the k elements of largest magnitude, largest first, ties by index; zeros are never among them. */
const largest = (data: HostData, k: number): number[] => {
  const order = Array.from(data, (_, i) => i).filter((i) => data[i] !== 0);
  const nan = (i: number) => Number(Number.isNaN(data[i]));
  order.sort((a, b) => nan(b) - nan(a) || Math.abs(data[b]) - Math.abs(data[a]) || a - b);
  return order.slice(0, k);
};

/**
 * Where the k largest end: [magnitude bits of the last of them, the index below which an equal one is among them].
 * x f32 [...S] → u32 [2]. Any second number that marks the same elements will do.
 */
const topkCutOp: Op = {
  name: "topkCut",
  kind: "index",
  evaluate: ([x], out) => {
    const k = out.attrs.k as number;
    const rounded = Float32Array.from(x.data);
    const all = largest(rounded, k);
    const last = all.at(-1);
    const data = hostArray("u32", 2);
    if (last === undefined) data[0] = k === 0 ? NAN_BITS : 0;
    else if (all.length === k) data.set([magnitudeOf(rounded[last]), last + 1]);
    return data;
  },
};

const topkMaskOp: Op = {
  name: "topkMask",
  kind: "index",
  evaluate: ([x], out) => {
    const data = hostArray("bool", sizeOf(out.shape));
    for (const i of largest(x.data, out.attrs.k as number)) data[i] = 1;
    return data;
  },
  /** Element by element, so that the mask need not lie anywhere. */
  expand: ({ attrs, shape }, [x]) => {
    const cut = node(topkCutOp, [x], attrs, [2], "u32");
    const part = (i: number) => broadcastTo(reshape(sliceAxis(cut, 0, i, i + 1), []), shape);
    const [last, before] = [part(0), part(1)];
    const bits = node(magnitudeOp, [x], {}, shape, "u32");
    const index = reshape(iota([sizeOf(shape)], 0, "u32"), shape);
    return or(less(last, bits), and(equal(last, bits), less(index, before)));
  },
};

/**
 * Marks the k elements of largest magnitude over the whole tensor, ties to the lower flat index; zeros are never marked,
 * and NaN counts as larger than every number.
 * x f32 [...S] → bool [...S]. No gradient flows. Errors: ShapeError unless x is f32 and k an integer ≥ 0.
 */
export const topkMask = (given: Tensor, k: number): Tensor => {
  expects("topkMask", "tensor number", given, k);
  const x = widened(given);
  if (x.dtype !== "f32" || !Number.isInteger(k) || k < 0)
    throw new ShapeError(`topkMask(${typeOf(x)}, ${k}): needs f32 and an integer k ≥ 0`);
  return node(topkMaskOp, [x], { k: Math.min(k, sizeOf(x.shape)) }, x.shape, "bool");
};
