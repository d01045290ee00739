/** Tensors from sizes and numbers, and the triangles and diagonals of matrices. */
import { checked } from "../core/expects.js";
import {
  add,
  broadcastTo,
  cast,
  type DType,
  equal,
  full,
  iota,
  lessEqual,
  mul,
  ones,
  reshape,
  ShapeError,
  sliceAxis,
  type Tensor,
  tensor,
  typeOf,
  where,
  zerosLike,
} from "../core/index.js";
import { moveAxis, padAxis, swapAxes } from "./shape.js";

/** Ones of x's shape and dtype. [...S] → [...S]. */
export const onesLike = checked("onesLike", "tensor", (x: Tensor): Tensor => ones(x.shape, x.dtype));

/** The same number everywhere, in x's shape and dtype. [...S] → [...S]. */
export const fullLike = checked(
  "fullLike",
  "tensor number",
  (x: Tensor, value: number): Tensor => full(x.shape, value, x.dtype),
);

/**
 * start, start + step, … below stop; [⌈(stop - start)/step⌉]. One number alone is `stop`, from 0 on. i32 if all three are
 * integers, else f32, unless a dtype is named. Errors: ShapeError for a step of 0.
 * @example arange(3) // i32 [0, 1, 2]
 * @example arange(0, 1, 0.25) // f32 [0, 0.25, 0.5, 0.75]
 */
export const arange = checked(
  "arange",
  "number number? number? dtype?",
  (first: number, stop?: number, step = 1, dtype?: "i32" | "u32" | "f32"): Tensor => {
    const [from, to] = stop === undefined ? [0, first] : [first, stop];
    const count = Math.max(0, Math.ceil((to - from) / step));
    if (step === 0 || !Number.isFinite(count))
      throw new ShapeError(`arange(${from}, ${to}, ${step}): no finite number of steps leads there`);
    const type = dtype ?? ([from, to, step].every(Number.isInteger) ? "i32" : "f32");
    const index = iota([count], 0, type);
    if (type === "f32") return tensor(Float64Array.from({ length: count }, (_, i) => from + i * step));
    return add(step === 1 ? index : mul(index, step), from);
  },
);

/**
 * `count` numbers from start to stop, both included, evenly spaced: f32 [count]. Errors: ShapeError unless the count is an
 * integer ≥ 0.
 * @example linspace(0, 1, 3) // [0, 0.5, 1]
 */
export const linspace = checked("linspace", "number number integer?", (start: number, stop: number, count = 50) => {
  const at = (i: number) =>
    i === count - 1 && count > 1 ? stop : start + (i * (stop - start)) / Math.max(count - 1, 1);
  if (count < 0) throw new ShapeError(`linspace(${start}, ${stop}, ${count}): the count must be an integer ≥ 0`);
  return tensor(Float64Array.from({ length: count }, (_, i) => at(i)));
});

/**
 * Ones where column - row = k, and zeros: [rows, columns], square unless columns are given.
 * @example eye(2) // [[1, 0], [0, 1]]
 */
export const eye = checked(
  "eye",
  "integer integer? integer? dtype?",
  (rows: number, columns = rows, k = 0, dtype: DType = "f32") =>
    cast(equal(iota([rows, columns], 1), add(iota([rows, columns], 0), k)), dtype),
);

const triangle = (x: Tensor, isKept: (row: Tensor, column: Tensor) => Tensor): Tensor => {
  if (x.shape.length < 2) throw new ShapeError(`${typeOf(x)} has no rows and columns`);
  const matrix = x.shape.slice(-2);
  return where(isKept(iota(matrix, 0), iota(matrix, 1)), x, zerosLike(x));
};
/** The lower triangle of matrices [..., M, N]: zeros where column > row + k. */
export const tril = checked(
  "tril",
  "tensor integer?",
  (x: Tensor, k = 0): Tensor => triangle(x, (row, column) => lessEqual(column, add(row, k))),
);
/** The upper triangle of matrices [..., M, N]: zeros where column < row + k. */
export const triu = checked(
  "triu",
  "tensor integer?",
  (x: Tensor, k = 0): Tensor => triangle(x, (row, column) => lessEqual(add(row, k), column)),
);

/**
 * The diagonal column - row = k over two axes, which become one, the last: [..., M, N] → [..., D], D elements of it.
 * Errors: ShapeError unless there are two axes.
 */
export const diagonal = checked(
  "diagonal",
  "tensor integer? integer? integer?",
  (x: Tensor, k = 0, axis1 = -2, axis2 = -1): Tensor => {
    const y = moveAxis(x, [axis1, axis2], [-2, -1]);
    const [m, n] = y.shape.slice(-2);
    const count = Math.max(0, Math.min(m + Math.min(k, 0), n - Math.max(k, 0)));
    // In row-major order they lie n + 1 apart.
    const flat = reshape(y, [...y.shape.slice(0, -2), m * n]);
    const [start, length] = count === 0 ? [0, 0] : [Math.max(-k, 0) * n + Math.max(k, 0), count * (n + 1)];
    const whole = padAxis(flat, -1, 0, Math.max(0, start + length - m * n));
    const rows = reshape(sliceAxis(whole, -1, start, start + length), [...y.shape.slice(0, -2), count, n + 1]);
    return reshape(sliceAxis(rows, -1, 0, 1), [...y.shape.slice(0, -2), count]);
  },
);

/**
 * A matrix with the vector x on the diagonal column - row = k, [N] → [N + |k|, N + |k|]; of a matrix that diagonal. Errors:
 * ShapeError for more axes.
 */
export const diag = checked("diag", "tensor integer?", (x: Tensor, k = 0): Tensor => {
  if (x.shape.length === 2) return diagonal(x, k);
  if (x.shape.length !== 1) throw new ShapeError(`${typeOf(x)} is no vector and no matrix`);
  const size = x.shape[0] + Math.abs(k);
  const own = equal(iota([size, size], 1), add(iota([size, size], 0), k));
  const row = broadcastTo(padAxis(x, 0, Math.max(k, 0), Math.max(-k, 0)), [size, size]);
  return where(own, row, zerosLike(row));
});

/**
 * Grids of coordinates: vectors [A], [B], … → tensors [A, B, …], one a vector. With "xy" the first two axes change places.
 * The default is "xy", as NumPy's. Errors: ShapeError unless they are vectors.
 */
export const meshgrid = checked(
  "meshgrid",
  "tensors text?",
  (vectors: readonly Tensor[], indexing: "xy" | "ij" = "xy") => {
    if (indexing !== "xy" && indexing !== "ij")
      throw new ShapeError(`indexing "${indexing}" is not known: "xy" or "ij"`);
    const shape = vectors.flatMap((x) => x.shape);
    const grids = vectors.map((x, axis) => {
      if (x.shape.length !== 1) throw new ShapeError(`${typeOf(x)} is no vector`);
      return broadcastTo(
        reshape(
          x,
          shape.map((n, i) => (i === axis ? n : 1)),
        ),
        shape,
      );
    });
    return indexing === "xy" && vectors.length > 1 ? grids.map((grid) => swapAxes(grid, 0, 1)) : grids;
  },
);
