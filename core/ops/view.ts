import { hostArray, isHalf } from "../dtype.js";
import { ShapeError } from "../errors.js";
import { expects } from "../expects.js";
import { typeOf } from "../print.js";
import { checkShape, normalAxis, type Shape, sameShape, sizeOf, stridesOf } from "../shape.js";
import { type HostTensorData, node, type Op, type Tensor } from "../tensor.js";
import { cast, widened } from "./cast.js";
import { readStrided } from "./strided.js";

const reshapeOp: Op = {
  name: "reshape",
  kind: "view",
  evaluate: ([x]) => x.data,
  vjp: (ct, [x]) => [reshape(ct, x.shape)],
  batch: ([{ x }], of, { size }) => reshape(x, [size, ...of.shape]),
};

/**
 * The same elements in row-major order under another shape; one axis may be -1. Errors: ShapeError if sizes differ. [...S] →
 * [...shape].
 * @example reshape(tensor([1, 2, 3, 4]), [2, -1]) // [[1, 2], [3, 4]]
 */
export const reshape = (x: Tensor, shape: Shape): Tensor => {
  expects("reshape", "tensor numbers", x, shape);
  const known = shape.reduce((product, n) => (n === -1 ? product : product * n), 1);
  const target = shape.map((n) => (n === -1 ? (known === 0 ? 0 : sizeOf(x.shape) / known) : n));
  checkShape(target, () => `reshape(${typeOf(x)}, [${shape}])`);
  if (sizeOf(target) !== sizeOf(x.shape) || shape.filter((n) => n === -1).length > 1)
    throw new ShapeError(`reshape(${typeOf(x)}, [${shape}]): ${sizeOf(x.shape)} elements do not fit [${target}]`);
  return sameShape(target, x.shape) ? x : node(reshapeOp, [x], {}, target, x.dtype);
};

const permuteOp: Op = {
  name: "permute",
  kind: "view",
  evaluate: ([x], out) => {
    const strides = stridesOf(x.shape);
    return readStrided(
      x,
      out.shape,
      (out.attrs.axes as number[]).map((axis) => strides[axis]),
      0,
    );
  },
  vjp: (ct, _, out) => {
    const axes = out.attrs.axes as number[];
    return [
      permute(
        ct,
        axes.map((_a, i) => axes.indexOf(i)),
      ),
    ];
  },
  batch: ([{ x }], of) => permute(x, [0, ...(of.attrs.axes as number[]).map((axis) => axis + 1)]),
};

/**
 * Reorders axes: output axis i is input axis axes[i]. [...S] → S[axes[0]], S[axes[1]], …. Errors: ShapeError unless axes name
 * each one once.
 * @example permute(tensor([[[1, 2]]]), [2, 0, 1]) // [[[1]], [[2]]]
 */
export const permute = (x: Tensor, axes: readonly number[]): Tensor => {
  expects("permute", "tensor numbers", x, axes);
  const normal = axes.map((axis) => normalAxis(axis, x.shape.length, () => `permute(${typeOf(x)}, [${axes}])`));
  if (normal.length !== x.shape.length || new Set(normal).size !== normal.length)
    throw new ShapeError(`permute(${typeOf(x)}, [${axes}]): axes must name each of ${x.shape.length} axes once`);
  if (normal.every((axis, i) => axis === i)) return x;
  return node(
    permuteOp,
    [x],
    { axes: normal },
    normal.map((axis) => x.shape[axis]),
    x.dtype,
  );
};

/**
 * Swaps the last two axes. [..., M, N] → [..., N, M]. Errors: ShapeError for fewer than two axes.
 * @example transpose(tensor([[1, 2], [3, 4]])) // [[1, 3], [2, 4]]
 */
export const transpose = (x: Tensor): Tensor => {
  expects("transpose", "tensor", x);
  const rank = x.shape.length;
  if (rank < 2) throw new ShapeError(`transpose(${typeOf(x)}): needs two axes`);
  return permute(x, [...Array.from({ length: rank - 2 }, (_, i) => i), rank - 1, rank - 2]);
};

const sliceOp: Op = {
  name: "slice",
  kind: "view",
  evaluate: ([x], out) => {
    const strides = stridesOf(x.shape);
    const offset = (out.attrs.starts as number[]).reduce((at, start, i) => at + start * strides[i], 0);
    return readStrided(x, out.shape, strides, offset);
  },
  vjp: (ct, [x], out) => {
    const starts = out.attrs.starts as number[];
    return [
      pad(
        ct,
        starts.map((start, i) => [start, x.shape[i] - start - out.shape[i]] as const),
      ),
    ];
  },
  batch: ([{ x }], of, { size }) => {
    const starts = of.attrs.starts as number[];
    return slice(x, [0, ...starts], [size, ...starts.map((start, i) => start + of.shape[i])]);
  },
};

/** x[starts[0]:stops[0], …]; missing axes are taken whole. Errors: ShapeError if a range leaves the axis. */
export const slice = (x: Tensor, starts: readonly number[], stops: readonly number[]): Tensor => {
  expects("slice", "tensor numbers numbers", x, starts, stops);
  const from = x.shape.map((_, i) => starts[i] ?? 0);
  const to = x.shape.map((n, i) => stops[i] ?? n);
  const fits = (start: number, i: number) =>
    Number.isInteger(start) && Number.isInteger(to[i]) && 0 <= start && start <= to[i] && to[i] <= x.shape[i];
  if (Math.max(starts.length, stops.length) > x.shape.length || !from.every(fits))
    throw new ShapeError(`slice(${typeOf(x)}, [${starts}], [${stops}]): range outside the tensor`);
  const shape = from.map((start, i) => to[i] - start);
  return sameShape(shape, x.shape) ? x : node(sliceOp, [x], { starts: from }, shape, x.dtype);
};

/**
 * The part start ≤ i < stop of one axis. [..., N, ...] → [..., stop - start, ...]. Errors: ShapeError unless 0 ≤ start ≤ stop ≤
 * N.
 * @example sliceAxis(tensor([1, 2, 3, 4]), 0, 1, 3) // [2, 3]
 */
export const sliceAxis = (x: Tensor, axis: number, start: number, stop: number): Tensor => {
  expects("sliceAxis", "tensor number number number", x, axis, start, stop);
  const at = normalAxis(axis, x.shape.length, () => `sliceAxis(${typeOf(x)}, ${axis})`);
  return slice(
    x,
    x.shape.map((_, i) => (i === at ? start : 0)),
    x.shape.map((n, i) => (i === at ? stop : n)),
  );
};

/** Copies x into the box of `out` that starts at `starts`. */
const writeBox = (
  x: HostTensorData,
  out: { data: HostTensorData["data"]; shape: Shape },
  starts: readonly number[],
) => {
  const strides = stridesOf(out.shape);
  const own = stridesOf(x.shape);
  for (let i = 0; i < x.data.length; i++) {
    let at = 0;
    for (let axis = 0; axis < own.length; axis++)
      at += (starts[axis] + (Math.floor(i / own[axis]) % x.shape[axis])) * strides[axis];
    out.data[at] = x.data[i];
  }
};

const padOp: Op = {
  name: "pad",
  kind: "view",
  evaluate: ([x], out) => {
    const data = hostArray(out.dtype, sizeOf(out.shape));
    writeBox(x, { data, shape: out.shape }, out.attrs.low as number[]);
    return data;
  },
  vjp: (ct, [x], out) => {
    const low = out.attrs.low as number[];
    return [
      slice(
        ct,
        low,
        low.map((n, i) => n + x.shape[i]),
      ),
    ];
  },
  batch: ([{ x }], of) => {
    const low = of.attrs.low as number[];
    const widths = low.map((before, i) => [before, of.shape[i] - before - of.inputs[0].shape[i]] as const);
    return pad(x, [[0, 0], ...widths]);
  },
};

/**
 * Zeros around x: [before, after] for each axis. [N, …] → [before + N + after, …]. Errors: ShapeError unless there are integers
 * ≥ 0 for each axis.
 * @example pad(tensor([1, 2]), [[1, 2]]) // [0, 1, 2, 0, 0]
 */
export const pad = (x: Tensor, widths: readonly (readonly [number, number])[]): Tensor => {
  expects("pad", "tensor", x);
  if (!Array.isArray(widths) || !widths.every((width) => Array.isArray(width) && width.length === 2))
    throw new ShapeError(`pad(${typeOf(x)}): needs [before, after] for each axis`);
  if (widths.length !== x.shape.length || widths.flat().some((n) => !Number.isInteger(n) || n < 0))
    throw new ShapeError(`pad(${typeOf(x)}): needs integers [before, after] ≥ 0 for each of ${x.shape.length} axes`);
  const shape = x.shape.map((n, i) => widths[i][0] + n + widths[i][1]);
  if (sameShape(shape, x.shape)) return x;
  if (isHalf(x.dtype)) return cast(pad(widened(x), widths), x.dtype);
  return node(padOp, [x], { low: widths.map(([before]) => before) }, shape, x.dtype);
};

const concatOp: Op = {
  name: "concat",
  kind: "view",
  evaluate: (inputs, out) => {
    const axis = out.attrs.axis as number;
    const data = hostArray(out.dtype, sizeOf(out.shape));
    let at = 0;
    for (const x of inputs) {
      writeBox(
        x,
        { data, shape: out.shape },
        out.shape.map((_, i) => (i === axis ? at : 0)),
      );
      at += x.shape[axis];
    }
    return data;
  },
  vjp: (ct, inputs, out) => {
    const axis = out.attrs.axis as number;
    let at = 0;
    return inputs.map((x) => {
      const start = at;
      at += x.shape[axis];
      return sliceAxis(ct, axis, start, at);
    });
  },
  batch: (inputs, of, { each }) => concat(inputs.map(each), (of.attrs.axis as number) + 1),
};

/**
 * Joins tensors along one axis; the other axes and the dtype must agree. [..., N, ...], [..., M, ...] → [..., N + M, ...].
 * Errors: ShapeError unless they fit.
 * @example concat([tensor([1, 2]), tensor([3])]) // [1, 2, 3]
 */
export const concat = (inputs: readonly Tensor[], axis = 0): Tensor => {
  expects("concat", "tensors number", inputs, axis);
  if (inputs.length === 0) throw new ShapeError("concat([]): needs at least one tensor");
  const [first] = inputs;
  const call = () => `concat([${inputs.map(typeOf).join(", ")}], ${axis})`;
  const at = normalAxis(axis, first.shape.length, call);
  for (const x of inputs)
    if (
      x.dtype !== first.dtype ||
      x.shape.length !== first.shape.length ||
      x.shape.some((n, i) => i !== at && n !== first.shape[i])
    )
      throw new ShapeError(`${call()}: ${typeOf(x)} does not fit ${typeOf(first)}`);
  if (inputs.length === 1) return first;
  if (isHalf(first.dtype)) return cast(concat(inputs.map(widened), at), first.dtype);
  const shape = first.shape.map((n, i) => (i === at ? inputs.reduce((total, x) => total + x.shape[at], 0) : n));
  checkShape(shape, call);
  return node(concatOp, inputs, { axis: at }, shape, first.dtype);
};

/**
 * Stacks tensors of one shape [...S] along a new axis of the result. Errors: ShapeError if shapes or dtypes differ.
 * @example stack([tensor([1, 2]), tensor([3, 4])]) // [[1, 2], [3, 4]]
 */
export const stack = (inputs: readonly Tensor[], axis = 0): Tensor => {
  expects("stack", "tensors number", inputs, axis);
  const call = () => `stack([${inputs.map(typeOf).join(", ")}], ${axis})`;
  const at = normalAxis(axis, (inputs[0]?.shape.length ?? 0) + 1, call);
  const other = inputs.find((x) => !sameShape(x.shape, inputs[0].shape));
  if (other !== undefined) throw new ShapeError(`${call()}: ${typeOf(other)} does not fit ${typeOf(inputs[0])}`);
  return concat(
    inputs.map((x) => reshape(x, [...x.shape.slice(0, at), 1, ...x.shape.slice(at)])),
    at,
  );
};
