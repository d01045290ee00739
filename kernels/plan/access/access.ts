import { isHalf, sizeOf, type Tensor } from "../../../core/index.js";
import {
  broadcastView,
  contiguous,
  isContiguous,
  permuteView,
  reshapeView,
  type Strided,
  sliceView,
} from "./strided.js";

/** Where a tensor's elements come from: a base that is computed or given, seen through a view. */
export interface Access {
  readonly base: Tensor;
  readonly view: Strided;
}

/**
 * Does it cost nothing to read the tensor through to its input? A view; or 16-bit numbers in memory as f32, since whoever
 * reads them converts while it loads.
 */
export const isSeenThrough = (t: Tensor): boolean =>
  t.op.kind === "view" || (t.op.name === "cast" && isHalf(t.inputs[0].dtype) && t.inputs[0].op.kind !== "pointwise");

/**
 * Follows reshape, permute, broadcastTo and slice down to a base. A reshape that strides cannot express is a base of its
 * own (it is copied). The base of a cast from bf16 or f16 has that dtype. For iota the view's strides give the *value*: offset + Σ i·strides.
 */
export const accessor = (): ((t: Tensor) => Access) => {
  const known = new Map<Tensor, Access>();
  const follow = (t: Tensor): Access => {
    if (t.op.name === "iota") {
      const strides = t.shape.map((_, axis) => (axis === t.attrs.axis ? 1 : 0));
      return { base: t, view: { shape: t.shape, strides, offset: 0 } };
    }
    const own = { base: t, view: contiguous(t.shape) };
    const x = isSeenThrough(t) && t.inputs.length === 1 ? known.get(t.inputs[0]) : undefined;
    if (x === undefined) return own;
    switch (t.op.name) {
      case "reshape": {
        const view = reshapeView(x.view, t.shape);
        return view === undefined ? own : { base: x.base, view };
      }
      case "permute":
        return { base: x.base, view: permuteView(x.view, t.attrs.axes as number[]) };
      case "broadcastTo":
        return { base: x.base, view: broadcastView(x.view, t.shape) };
      case "slice":
        return { base: x.base, view: sliceView(x.view, t.attrs.starts as number[], t.shape) };
      case "cast":
        return x;
      default:
        return own; // pad, concat of one
    }
  };
  return (t) => {
    const stack = [t];
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const missing = isSeenThrough(top) ? top.inputs.find((x) => !known.has(x)) : undefined;
      if (missing !== undefined) stack.push(missing);
      else {
        if (!known.has(top)) known.set(top, follow(top));
        stack.pop();
      }
    }
    return known.get(t) as Access;
  };
};

/** All of a base, in its own order. */
export const isWhole = ({ base, view }: Access): boolean =>
  view.offset === 0 && isContiguous(view) && sizeOf(view.shape) === sizeOf(base.shape);
