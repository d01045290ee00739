import { ShapeError } from "./errors.js";

/** Axis sizes, outermost first. `[]` is a scalar. */
export type Shape = readonly number[];

/** Errors: ShapeError unless it is an array. Sizes are asked for by the thousand, so of what it holds nothing is asked. */
const checkArray = (call: string, shape: Shape): void => {
  if (!Array.isArray(shape)) throw new ShapeError(`${call}(…): ${typeof shape} is no shape`, "write [2, 3]");
};

/** Number of elements; 1 for a scalar, 0 if any axis is empty. */
export const sizeOf = (shape: Shape): number => {
  checkArray("sizeOf", shape);
  return shape.reduce((product, n) => product * n, 1);
};

/** Are two shapes equal, axis by axis? */
export const sameShape = (a: Shape, b: Shape): boolean => {
  checkArray("sameShape", a);
  checkArray("sameShape", b);
  return a.length === b.length && a.every((n, i) => n === b[i]);
};

/** Row-major strides, in elements. */
export const stridesOf = (shape: Shape): number[] => {
  checkArray("stridesOf", shape);
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = stride;
    stride *= shape[i];
  }
  return strides;
};

/** The shape both broadcast to (NumPy's rule: align right, 1 stretches), or undefined. */
export const broadcastShapes = (a: Shape, b: Shape): Shape | undefined => {
  checkArray("broadcastShapes", a);
  checkArray("broadcastShapes", b);
  const rank = Math.max(a.length, b.length);
  const out = new Array<number>(rank);
  for (let i = 1; i <= rank; i++) {
    const m = a[a.length - i] ?? 1;
    const n = b[b.length - i] ?? 1;
    if (m !== n && m !== 1 && n !== 1) return undefined;
    out[rank - i] = m === 1 ? n : m;
  }
  return out;
};

/** A call as errors show it; a function where it would be written for nothing nearly always. */
export type Call = string | (() => string);
const written = (call: Call): string => (typeof call === "string" ? call : call());

/** Turns a possibly negative axis into 0 ≤ axis < rank. */
export const normalAxis = (axis: number, rank: number, call: Call): number => {
  const normal = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(normal) || normal < 0 || normal >= rank)
    throw new ShapeError(
      `${written(call)}: axis ${axis} does not exist in ${rank} axes`,
      rank === 0 ? "a scalar has none" : `use ${-rank} … ${rank - 1}`,
    );
  return normal;
};

/** Sorted axes; all of them when none are given. Throws for one that does not exist, or that is named twice. */
export const normalAxes = (axes: number | readonly number[] | undefined, rank: number, call: Call): number[] => {
  if (axes === undefined) return Array.from({ length: rank }, (_, i) => i);
  const list = (typeof axes === "number" ? [axes] : axes).map((axis) => normalAxis(axis, rank, call));
  const twice = list.find((axis, i) => list.indexOf(axis) !== i);
  if (twice !== undefined) throw new ShapeError(`${written(call)}: axis ${twice} is named twice in [${axes}]`);
  return list.sort((a, b) => a - b);
};

/** Throws unless every axis is an integer ≥ 0 and the size stays exactly countable. */
export const checkShape = (shape: Shape, call: Call): void => {
  if (shape.some((n) => !Number.isInteger(n) || n < 0))
    throw new ShapeError(`${written(call)}: shape [${shape}] has an axis that is not an integer ≥ 0`);
  if (sizeOf(shape) > 2 ** 31 - 1)
    throw new ShapeError(`${written(call)}: shape [${shape}] has ${sizeOf(shape)} elements, more than 2^31 - 1`);
};
