import { expects } from "../../expects.js";
import { type Shape, sizeOf } from "../../shape.js";
import { type Attrs, node, type Op, type Tensor } from "../../tensor.js";
import { vjpOf } from "../../transforms/grad.js";
import { widened } from "../cast.js";
import { variable } from "../marker.js";
import { concat, reshape, sliceAxis } from "../view.js";

/** What a fused op computes, written in simpler ops; in those that the device has kernels for, where there is a choice. */
type Expansion<A extends Attrs> = (inputs: readonly Tensor[], attrs: A, has?: (name: string) => boolean) => Tensor;

/** Joins tensors into one flat vector, and takes them apart again: how one node carries several results. */
const packed = (parts: readonly Tensor[]): Tensor =>
  concat(
    parts.map((part) => reshape(part, [-1])),
    0,
  );
const unpack = (vector: Tensor, like: readonly Tensor[]): Tensor[] => {
  let at = 0;
  return like.map(({ shape }) => {
    const start = at;
    at += sizeOf(shape);
    return reshape(sliceAxis(vector, 0, start, at), shape);
  });
};

/** Cotangents of the inputs in simpler ops, null where none flows, from those of the result, and from what the result holds. */
type Gradient<A extends Attrs> = (
  ct: Tensor,
  inputs: readonly Tensor[],
  out: Tensor,
  attrs: A,
) => readonly (Tensor | null)[];

/** How a fused op takes a batch of examples and stays one op, as does its gradient. */
interface BatchRule {
  /** "leading": inputs may have any axes in front; "first": they have rows along their first axis that do not see each other. */
  readonly along: "leading" | "first";
  /** Inputs that all examples must share, as they are: else it is expanded, as is a gradient, where each example has its own. */
  readonly shared?: readonly number[];
}

/** What a fused op may say beside its expansion. */
export interface FusedOptions<A extends Attrs> {
  /** The shape of a result of the first input's dtype, where nothing needs to be expanded to know it: an expansion may pass through what no tensor can be. */
  readonly shapeOf?: (inputs: readonly Tensor[], attrs: A) => Shape;
  /** Takes the place of `<name>.vjp`: where the result holds what an expansion would compute again. */
  readonly gradient?: Gradient<A>;
  /** Default: it is expanded for a batch. */
  readonly batch?: BatchRule;
}

/** The rule of an op, or of its gradient, whose inputs begin with cotangents. */
const batchOf =
  ({ along, shared = [] }: BatchRule, isGradient: boolean): NonNullable<Op["batch"]> =>
  (inputs, of, { size, each }) => {
    if (shared.some((i) => isGradient || inputs[i].isBatched)) return undefined;
    const isFirst = along === "first";
    const all = inputs.map((input, i) => {
      if (shared.includes(i)) return input.x;
      const x = each(input);
      return isFirst ? reshape(x, [size * x.shape[1], ...x.shape.slice(2)]) : x;
    });
    const [lead, ...tail] = of.shape;
    if (!isGradient) {
      const shape = isFirst ? [size * lead, ...tail] : [size, ...of.shape];
      return reshape(node(of.op, all, of.attrs, shape, of.dtype), [size, ...of.shape]);
    }
    const merged = node(of.op, all, of.attrs, [size * lead], of.dtype);
    const parts = unpack(merged, all.slice(1).filter(isFloat));
    const floats = of.inputs.slice(1).filter(isFloat);
    return concat(
      parts.map((part, i) => reshape(part, [size, sizeOf(floats[i].shape)])),
      1,
    );
  };

/**
 * Declares a fused op by its expansion: shape, definition and gradient follow from it. It reads bf16 and f16 as f32. The gradient is an op of its own,
 * `<name>.vjp`, whose expansion is the vjp of the expansion: it returns the cotangents of the f32 inputs, flattened and
 * joined in input order. A device may have a kernel for either; a kernel adds speed and no mathematics. The op takes a list of
 * tensors of any shapes [...S], and attributes. Errors: those of the expansion.
 */
export const fused = <A extends Attrs>(
  name: string,
  expansion: Expansion<A>,
  { shapeOf, gradient, batch }: FusedOptions<A> = {},
) => {
  expects("fused", "text function", name, expansion);
  const expandGradient = (of: Tensor, [ct, ...primals]: readonly Tensor[]): Tensor => {
    const fresh = primals.map(variable); // an input used twice has two cotangents
    return packed(vjpOf([expansion(fresh, of.attrs as A)], [ct], fresh.filter(isFloat)));
  };
  const gradientOp: Op = {
    name: `${name}.vjp`,
    kind: "fused",
    expand: expandGradient,
    vjp: (ct, inputs, out) => {
      const fresh = inputs.map(variable);
      return vjpOf([expandGradient(out, fresh)], [ct], fresh);
    },
    batch: batch && batchOf(batch, true),
  };
  const op: Op = {
    name,
    kind: "fused",
    expand: (of, inputs, has) => expansion(inputs, of.attrs as A, has),
    vjp: (ct, inputs, out) => {
      if (gradient !== undefined) return gradient(ct, inputs, out, out.attrs as A);
      const floats = inputs.filter(isFloat);
      const total = floats.reduce((n, x) => n + sizeOf(x.shape), 0);
      const parts = unpack(node(gradientOp, [ct, ...inputs], out.attrs, [total], "f32"), floats);
      return inputs.map((x) => (isFloat(x) ? (parts.shift() as Tensor) : null));
    },
    batch: batch && batchOf(batch, false),
  };
  return (given: readonly Tensor[], attrs: A): Tensor => {
    expects(name, "tensors", given);
    const inputs = given.map(widened);
    const { shape, dtype } =
      shapeOf === undefined ? expansion(inputs, attrs) : { shape: shapeOf(inputs, attrs), dtype: inputs[0].dtype };
    return node(op, inputs, attrs, shape, dtype);
  };
};

const isFloat = (x: Tensor): boolean => x.dtype === "f32";
