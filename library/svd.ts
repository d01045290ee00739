/** Singular values and vectors of small matrices. */
import { checked } from "../core/expects.js";
import {
  add,
  broadcastTo,
  div,
  equal,
  matmul,
  mul,
  reshape,
  ShapeError,
  sqrt,
  square,
  stopGradient,
  sub,
  sum,
  type Tensor,
  transpose,
  typeOf,
  where,
} from "../core/index.js";
import { diagonal, eye } from "./create.js";
import { rotated } from "./jacobi.js";
import { argsort } from "./sort.js";
import { takeAlongAxis } from "./take.js";

/** x [..., M, N], M ≥ N, without gradient: U, singular values [..., N] and V, by rotations of columns (Hestenes 1958). */
const found = (x: Tensor): readonly [u: Tensor, s: Tensor, v: Tensor] => {
  const n = x.shape[x.shape.length - 1];
  const start = { a: x, v: broadcastTo(eye(n), [...x.shape.slice(0, -2), n, n]) };
  const { a, v } = rotated(
    start,
    n,
    (state) => matmul(transpose(state.a), state.a),
    (state, j) => ({ a: matmul(state.a, j), v: matmul(state.v, j) }),
  );
  const norms = sqrt(sum(square(a), -2));
  const order = argsort(norms, -1, { descending: true });
  const s = takeAlongAxis(norms, order, -1);
  const columns = (t: Tensor): Tensor =>
    takeAlongAxis(t, broadcastTo(reshape(order, [...order.shape.slice(0, -1), 1, n]), t.shape), -1);
  const row = reshape(s, [...s.shape.slice(0, -1), 1, n]);
  return [div(columns(a), where(equal(row, 0), 1, row)), s, columns(v)];
};

/**
 * Singular value decomposition x = U·diag(s)·Vᵀ of matrices [..., M, N] with K = min(M, N): U [..., M, K], s [..., K] from the
 * largest on, and Vᵀ [..., K, N], as NumPy's and torch's with full_matrices false. A column of U of singular value 0 is 0.
 * Signs of vectors are those that come out. Gradients are those of perturbation theory, as in torch, but where singular values are
 * equal or 0: there vectors pass none to each other. First derivatives alone are right.
 * Errors: ShapeError unless x is f32 and has two axes.
 * @example svd(tensor([[3, 0], [0, 4]]))[1] // [4, 3]
 */
export const svd = checked("svd", "tensor", (x: Tensor): [u: Tensor, s: Tensor, vt: Tensor] => {
  const [m, n] = x.shape.slice(-2);
  if (x.shape.length < 2 || x.dtype !== "f32")
    throw new ShapeError(
      `${typeOf(x)} is no batch of f32 matrices [..., M, N]`,
      x.dtype === "f32" ? undefined : 'cast(x, "f32")',
    );
  if (m < n) {
    const [u, s, vt] = svd(transpose(x));
    return [transpose(vt), s, transpose(u)];
  }
  const [u, s, v] = found(stopGradient(x));
  // What x moves by, in the basis of its vectors; all of it is 0, and has a gradient.
  const moved = sub(x, stopGradient(x));
  const inner = matmul(transpose(u), matmul(moved, v));
  const [row, column] = [[1, n] as const, [n, 1] as const].map((tail) =>
    reshape(s, [...s.shape.slice(0, -1), ...tail]),
  );
  const inverse = (t: Tensor): Tensor => where(equal(t, 0), 0, div(1, where(equal(t, 0), 1, t)));
  const gap = inverse(mul(sub(row, column), add(row, column))); // 1 / (sⱼ² − sᵢ²)
  const turnU = mul(gap, add(mul(inner, row), mul(column, transpose(inner))));
  const turnV = mul(gap, add(mul(column, inner), mul(transpose(inner), row)));
  const outside = mul(sub(matmul(moved, v), matmul(u, inner)), inverse(row));
  return [add(add(u, matmul(u, turnU)), outside), add(s, diagonal(inner)), transpose(add(v, matmul(v, turnV)))];
});
