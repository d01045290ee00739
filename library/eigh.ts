/** Eigenvalues and eigenvectors of small symmetric matrices. */
import { checked } from "../core/expects.js";
import {
  add,
  broadcastTo,
  div,
  equal,
  matmul,
  mul,
  reshape,
  square,
  stopGradient,
  sub,
  sum,
  type Tensor,
  transpose,
  where,
} from "../core/index.js";
import { diagonal, eye } from "./create.js";
import { rotated } from "./jacobi.js";
import { squareOf } from "./linalg.js";
import { argsort } from "./sort.js";
import { takeAlongAxis } from "./take.js";

/**
 * Eigenvalues w [..., N], ascending, and eigenvectors as columns of v [..., N, N], of symmetric matrices (of others: of
 * (x + xᵀ)/2): x·v = v·diag(w). By Jacobi's rotations, about N·log N of them one after the other, each of 6N³ operations.
 * Gradients are those of perturbation theory, as in JAX, but where eigenvalues are equal: vectors pass none between each other.
 * Second derivatives of w are right, those of v are not. Errors: ShapeError unless matrices are square and f32.
 */
export const eigh = checked("eigh", "tensor", (x: Tensor): [values: Tensor, vectors: Tensor] => {
  const n = squareOf(x, Number.POSITIVE_INFINITY);
  const symmetric = mul(0.5, add(x, transpose(x)));
  const start = { d: stopGradient(symmetric), v: broadcastTo(eye(n), x.shape) };
  const { d, v } = rotated(
    start,
    n,
    (state) => state.d,
    (state, j) => ({ d: matmul(matmul(transpose(j), state.d), j), v: matmul(state.v, j) }),
  );
  const found = diagonal(d);
  const order = argsort(found);
  const w = takeAlongAxis(found, order, -1);
  const rows = broadcastTo(reshape(order, [...order.shape.slice(0, -1), 1, n]), x.shape);
  const vectors = takeAlongAxis(v, rows, -1);
  // Both stay what they are; their gradients are those of the first order of perturbation.
  const inBasis = matmul(transpose(vectors), matmul(symmetric, vectors));
  const gap = sub(reshape(w, [...w.shape.slice(0, -1), 1, n]), reshape(w, [...w.shape, 1]));
  const share = where(equal(gap, 0), 0, div(1, where(equal(gap, 0), 1, gap)));
  const moved = add(vectors, matmul(vectors, mul(share, sub(inBasis, stopGradient(inBasis)))));
  const quotient = div(sum(mul(moved, matmul(symmetric, moved)), -2), sum(square(moved), -2));
  return [add(w, sub(quotient, stopGradient(quotient))), moved];
});
