import { type DType, type HostData, isHalf, numbersOf } from "../dtype.js";
import { ShapeError } from "../errors.js";
import { checked, expects } from "../expects.js";
import { checkShape, normalAxis, type Shape, sizeOf } from "../shape.js";
import { floatToHalf, type HalfType } from "../storage/half.js";
import { type HostTensorData, node, type Op, type Tensor } from "../tensor.js";
import { broadcastTo } from "./broadcast.js";

/** Numbers known while building: their value is part of the program. */
export const constantOp: Op = { name: "constant", kind: "leaf" };
/** A placeholder of a trace: its numbers come with each call. */
export const inputOp: Op = { name: "input", kind: "leaf" };
/** Numbers that live on a device (attrs.stored). */
export const storedOp: Op = { name: "stored", kind: "leaf" };

/** Nested arrays of numbers or booleans, as literals are written. */
export type Nested = number | boolean | readonly Nested[];

const nestedShape = (value: Nested): number[] => {
  const shape: number[] = [];
  let level = value;
  while (Array.isArray(level)) {
    shape.push(level.length);
    level = level[0];
  }
  return shape;
};

const flatten = (value: Nested, shape: Shape, depth: number, out: number[]): void => {
  if (depth === shape.length) {
    if (Array.isArray(value)) throw new ShapeError("tensor(…): rows differ in depth");
    if (typeof value !== "boolean") expects("tensor", "number", value);
    out.push(Number(value));
    return;
  }
  if (!Array.isArray(value) || value.length !== shape[depth])
    throw new ShapeError(`tensor(…): rows differ in length on axis ${depth}`, "every row needs the same shape");
  for (const part of value) flatten(part, shape, depth + 1, out);
};

const dtypeOfData = (data: HostData): DType | undefined =>
  data instanceof Uint16Array
    ? undefined
    : data instanceof Int32Array
      ? "i32"
      : data instanceof Uint32Array
        ? "u32"
        : "f32";

/** Is the array one of the dtype's own kind, so that its elements are not converted? */
const holds = (data: HostData, dtype: DType): boolean =>
  isHalf(dtype) ? data instanceof Uint16Array : dtypeOfData(data) === dtype;

/** One by one: `from` would hold all of them as numbers first. */
const halvesOf = (values: ArrayLike<number>, dtype: HalfType): Uint16Array => {
  const bits = new Uint16Array(values.length);
  for (let i = 0; i < bits.length; i++) bits[i] = floatToHalf(values[i], dtype);
  return bits;
};

const toData = (values: ArrayLike<number>, dtype: DType): HostData => {
  switch (dtype) {
    case "f32":
      return Float64Array.from(values);
    case "i32":
      return Int32Array.from(values);
    case "u32":
      return Uint32Array.from(values);
    case "bool":
      return Uint32Array.from(values, (x) => (x !== 0 ? 1 : 0));
    case "bf16":
    case "f16":
      return halvesOf(values, dtype);
  }
};

/**
 * A tensor from numbers.  `tensor([[1, 2], [3, 4]])`, `tensor(data, [2, 2])`, `tensor([1, 2], undefined, "i32")`.
 * As bool, every number but 0 is true. As bf16 or f16, numbers are rounded to nearest even, and a Uint16Array holds their bits.
 * Typed arrays of the dtype's own kind are not copied: do not change them afterwards. Errors: ShapeError if the count does not fit the shape.
 * @example tensor([[1, 2], [3, 4]]) // [[1, 2], [3, 4]]
 */
export const tensor = (value: Nested | HostData, shape?: Shape, dtype?: DType): Tensor => {
  if (shape !== undefined || dtype !== undefined) expects("tensor", "any numbers? dtype?", value, shape, dtype);
  if (ArrayBuffer.isView(value)) {
    const data = value as HostData;
    const type = dtype ?? dtypeOfData(data);
    if (type === undefined)
      throw new ShapeError("tensor(Uint16Array, shape): bits of which dtype?", 'name it: tensor(bits, shape, "bf16")');
    const target = shape ?? [data.length];
    checkShape(target, "tensor(data, shape)");
    if (sizeOf(target) !== data.length)
      throw new ShapeError(`tensor(data, [${target}]): ${data.length} numbers for ${sizeOf(target)} elements`);
    return node(constantOp, [], { data: holds(data, type) ? data : toData(data, type) }, target, type);
  }
  const ownShape = nestedShape(value as Nested);
  const numbers: number[] = [];
  flatten(value as Nested, ownShape, 0, numbers);
  const target = shape ?? ownShape;
  checkShape(target, "tensor(values, shape)");
  if (sizeOf(target) !== numbers.length)
    throw new ShapeError(`tensor(values, [${target}]): ${numbers.length} numbers for ${sizeOf(target)} elements`);
  let first: Nested = value as Nested;
  while (Array.isArray(first)) first = first[0];
  const type = dtype ?? (typeof first === "boolean" ? "bool" : "f32");
  return node(constantOp, [], { data: toData(numbers, type) }, target, type);
};

/** A scalar constant. */
export const scalar = (value: number, dtype: DType = "f32"): Tensor => {
  expects("scalar", "number dtype", value, dtype);
  return tensor(value, [], dtype);
};

/**
 * The same number everywhere; [...shape]. Takes no memory: it is a scalar, broadcast.
 * @example full([2], 7) // [7, 7]
 */
export const full = (shape: Shape, value: number, dtype: DType = "f32"): Tensor => {
  expects("full", "numbers number dtype", shape, value, dtype);
  return broadcastTo(scalar(value, dtype), shape);
};
/**
 * 0 everywhere; [...shape].
 * @example zeros([2, 2]) // [[0, 0], [0, 0]]
 */
export const zeros = checked("zeros", "numbers dtype?", (shape: Shape, dtype: DType = "f32") => full(shape, 0, dtype));
/**
 * 1 everywhere; [...shape].
 * @example ones([3]) // [1, 1, 1]
 */
export const ones = checked("ones", "numbers dtype?", (shape: Shape, dtype: DType = "f32") => full(shape, 1, dtype));
/** Zeros of x's shape and dtype. [...S] → [...S]. */
export const zerosLike = checked("zerosLike", "tensor", (x: Tensor): Tensor => zeros(x.shape, x.dtype));

const iotaOp: Op = {
  name: "iota",
  kind: "pointwise",
  evaluate: (_, out) => {
    const data = out.dtype === "f32" ? new Float64Array(sizeOf(out.shape)) : new Int32Array(sizeOf(out.shape));
    const axis = out.attrs.axis as number;
    const inner = sizeOf(out.shape.slice(axis + 1));
    for (let i = 0; i < data.length; i++) data[i] = Math.floor(i / inner) % out.shape[axis];
    return out.dtype === "u32" ? new Uint32Array(data) : data;
  },
};

/**
 * Element index along one axis: iota([2, 3], 1) = [[0, 1, 2], [0, 1, 2]]. Never materialised by itself. Errors: ShapeError for
 * an axis that the shape lacks.
 * @example iota([2, 3], 1) // i32 [[0, 1, 2], [0, 1, 2]]
 */
export const iota = (shape: Shape, axis = 0, dtype: "i32" | "u32" | "f32" = "i32"): Tensor => {
  expects("iota", "numbers number dtype", shape, axis, dtype);
  const call = `iota([${shape}], ${axis})`;
  checkShape(shape, call);
  return node(iotaOp, [], { axis: normalAxis(axis, shape.length, call) }, shape, dtype);
};

/** A placeholder for a trace. */
export const placeholder = (shape: Shape, dtype: DType): Tensor => node(inputOp, [], {}, shape, dtype);

const notConstant = (call: string, t: Tensor): never => {
  expects(call, "tensor", t);
  throw new ShapeError(`${call}: a tensor of ${t.op.name} is no constant`, "read(t) gives the numbers of others");
};

/** What a constant holds; bits, if it is bf16 or f16. Row-major, of shape [...S]. */
export const constantData = (t: Tensor): HostTensorData => {
  if (t?.op !== constantOp) notConstant("constantData", t);
  return { data: t.attrs.data as HostData, shape: t.shape, dtype: t.dtype };
};

/** The numbers of a constant. Row-major, of shape [...S]. */
export const constantNumbers = (t: Tensor): HostTensorData => {
  if (t?.op !== constantOp) notConstant("constantNumbers", t);
  return { ...constantData(t), data: numbersOf(t.attrs.data as HostData, t.dtype) };
};
