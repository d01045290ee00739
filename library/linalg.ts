/**
 * Small matrices [..., N, N], a batch at a time. Each row or column is a few steps of the program, so N in the tens at most: what
 * is unrolled grows with N. f32.
 */
import { checked } from "../core/expects.js";
import {
  abs,
  broadcastShapes,
  broadcastTo,
  concat,
  div,
  equal,
  iota,
  log,
  matmul,
  mul,
  ones,
  reshape,
  rsqrt,
  ShapeError,
  sign as signOf,
  sliceAxis,
  stopGradient,
  sub,
  sum,
  type Tensor,
  transpose,
  typeOf,
  where,
} from "../core/index.js";
import { eye, triu } from "./create.js";
import { argmax, prod } from "./reduce.js";
import { padAxis } from "./shape.js";

/** Largest N: programs of larger ones would have thousands of steps. */
const MOST = 128;

export const squareOf = (x: Tensor, most = MOST): number => {
  const [m, n] = x.shape.slice(-2);
  if (x.shape.length < 2 || m !== n || x.dtype !== "f32")
    throw new ShapeError(
      `${typeOf(x)} is no batch of square f32 matrices [..., N, N]`,
      x.dtype === "f32" ? undefined : 'cast(x, "f32")',
    );
  if (n > most) throw new ShapeError(`matrices of ${n} rows are too large: ${most} at most`);
  return n;
};

/**
 * The lower triangle L with L·Lᵀ = x, of symmetric positive definite matrices [..., N, N] (the upper triangle is not read); NaN
 * where a matrix is not.
 */
export const cholesky = checked("cholesky", "tensor", (x: Tensor): Tensor => {
  const n = squareOf(x);
  let rest = x; // what columns before have left, [..., N - j, N - j]
  const columns: Tensor[] = [];
  for (let j = 0; j < n; j++) {
    const column = sliceAxis(rest, -1, 0, 1);
    const own = mul(column, rsqrt(sliceAxis(column, -2, 0, 1)));
    columns.push(padAxis(own, -2, j, 0));
    if (j === n - 1) break;
    const below = sliceAxis(own, -2, 1, n - j);
    rest = sub(sliceAxis(sliceAxis(rest, -2, 1, n - j), -1, 1, n - j), mul(below, transpose(below)));
  }
  return n === 0 ? x : concat(columns, -1);
});

/**
 * An orthonormal basis Q [..., M, N] of the columns of x, M ≥ N, and R = Qᵀx, upper triangular with a diagonal above 0: x = Q·R.
 * By Gram & Schmidt, twice for each column. NaN where the columns are not independent. Errors: ShapeError for N above M, or
 * above what this is made for.
 */
export const qr = checked("qr", "tensor", (x: Tensor): [q: Tensor, r: Tensor] => {
  const [m, n] = x.shape.slice(-2);
  if (x.shape.length < 2 || m < n || n > MOST)
    throw new ShapeError(`${typeOf(x)} is no batch of matrices [..., M, N], N ≤ M and N ≤ ${MOST}`);
  let q = sliceAxis(x, -1, 0, 0);
  for (let j = 0; j < n; j++) {
    let column = sliceAxis(x, -1, j, j + 1);
    for (let pass = 0; pass < 2 && j > 0; pass++) column = sub(column, matmul(q, matmul(transpose(q), column)));
    q = concat([q, mul(column, rsqrt(sum(mul(column, column), -2, true)))], -1);
  }
  return [q, triu(matmul(transpose(q), x))];
});

/** Gaussian elimination with the largest pivot: row j from its pivot on, [..., 1, N - j + M], and the sign of the rows' order. */
const eliminated = (x: Tensor, b: Tensor): { rows: Tensor[]; sign: Tensor } => {
  const n = squareOf(x);
  const rows: Tensor[] = [];
  let sign = ones(x.shape.slice(0, -2));
  let rest = concat([x, b], -1); // rows and columns that are left
  for (let j = 0; j < n; j++) {
    const [left, width] = rest.shape.slice(-2);
    const column = sliceAxis(rest, -1, 0, 1);
    const pivot = argmax(stopGradient(abs(column)), -2, true); // [..., 1, 1]
    const isPivot = equal(iota([left, 1]), pivot);
    const lead = sum(where(isPivot, rest, 0), -2, true);
    rows.push(lead);
    sign = mul(sign, reshape(where(equal(pivot, 0), 1, -1), sign.shape));
    // The first row takes the pivot's place.
    const below = sliceAxis(where(isPivot, sliceAxis(rest, -2, 0, 1), rest), -2, 1, left);
    const own = sliceAxis(lead, -1, 0, 1);
    const factor = div(sliceAxis(below, -1, 0, 1), where(equal(own, 0), 1, own)); // below a pivot of 0 all are 0
    rest = sub(sliceAxis(below, -1, 1, width), mul(factor, sliceAxis(lead, -1, 1, width)));
  }
  return { rows, sign };
};

/**
 * The y with x·y = b.  x: [..., N, N]; b: [N], or [..., N, M] → of b's shape, batches broadcast. Not finite where x is
 * singular. Errors: ShapeError for other shapes.
 * @example solve(tensor([[2, 0], [0, 4]]), tensor([1, 1])) // [0.5, 0.25]
 */
export const solve = checked("solve", "tensor tensor", (x: Tensor, b: Tensor): Tensor => {
  const n = squareOf(x);
  if (b.shape.length === 1) return reshape(solve(x, reshape(b, [-1, 1])), x.shape.slice(0, -1));
  const batch = broadcastShapes(x.shape.slice(0, -2), b.shape.slice(0, -2));
  if (batch === undefined || b.shape.at(-2) !== n) throw new ShapeError(`${typeOf(b)} does not fit ${typeOf(x)}`);
  const [matrix, right] = [x, b].map((t) => broadcastTo(t, [...batch, ...t.shape.slice(-2)]));
  const { rows } = eliminated(matrix, right);
  let y = sliceAxis(right, -2, 0, 0);
  for (let j = n - 1; j >= 0; j--) {
    const width = rows[j].shape.at(-1) as number;
    const known = matmul(sliceAxis(rows[j], -1, 1, n - j), y);
    const row = div(sub(sliceAxis(rows[j], -1, n - j, width), known), sliceAxis(rows[j], -1, 0, 1));
    y = concat([row, y], -2);
  }
  return y;
});

/** The inverse of matrices [..., N, N]; not finite where one is singular. */
export const inv = checked("inv", "tensor", (x: Tensor): Tensor => solve(x, eye(squareOf(x))));

const pivotsOf = (x: Tensor): { pivots: Tensor; sign: Tensor } => {
  const { rows, sign } = eliminated(x, sliceAxis(x, -1, 0, 0));
  if (rows.length === 0) return { pivots: ones([...sign.shape, 1]), sign };
  return {
    pivots: reshape(
      concat(
        rows.map((row) => sliceAxis(row, -1, 0, 1)),
        -1,
      ),
      [...sign.shape, rows.length],
    ),
    sign,
  };
};

/** Determinants of matrices [..., N, N] → [...]. */
export const det = checked("det", "tensor", (x: Tensor): Tensor => {
  const { pivots, sign } = pivotsOf(x);
  return mul(sign, prod(pivots, -1));
});

/** Sign and log |det|, which neither overflows nor vanishes: of matrices [..., N, N] → [...] each. */
export const slogdet = checked("slogdet", "tensor", (x: Tensor): [sign: Tensor, logDet: Tensor] => {
  const { pivots, sign } = pivotsOf(x);
  return [mul(sign, prod(signOf(pivots), -1)), sum(log(abs(pivots)), -1)];
});

/** x multiplied n times with itself; n < 0: of the inverse. f32 [..., N, N] → [..., N, N]. */
export const matrixPower = checked("matrixPower", "tensor integer", (x: Tensor, n: number): Tensor => {
  const size = squareOf(x);
  if (n < 0) return matrixPower(inv(x), -n);
  if (n === 0) return broadcastTo(eye(size), x.shape);
  const half = n === 1 ? x : matrixPower(matmul(x, x), Math.floor(n / 2));
  return n % 2 === 1 && n > 1 ? matmul(half, x) : half;
});
