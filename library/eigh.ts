/** Eigenvalues and eigenvectors of small symmetric matrices. */
import { checked } from "../core/expects.js";
import {
  abs,
  add,
  and,
  broadcastTo,
  div,
  equal,
  iota,
  less,
  matmul,
  mul,
  or,
  reshape,
  rsqrt,
  sign,
  sqrt,
  square,
  stopGradient,
  sub,
  sum,
  type Tensor,
  tensor,
  transpose,
  where,
} from "../core/index.js";
import { diagonal, eye } from "./create.js";
import { squareOf } from "./linalg.js";
import { argsort } from "./sort.js";
import { take, takeAlongAxis } from "./take.js";

/** Largest N: a sweep is N rounds of three products. */
const MOST = 32;

/** Who meets whom in each round, so that all pairs have met at the end; in odd company one sits out (and meets itself). */
const roundsOf = (n: number): Int32Array[] => {
  const seats = n + (n % 2);
  return Array.from({ length: seats - 1 }, (_, round) => {
    const partner = Int32Array.from({ length: n }, (_, i) => i);
    const meet = (i: number, j: number) => {
      if (i < n && j < n) [partner[i], partner[j]] = [j, i];
    };
    const turn = (i: number) => (i + round) % (seats - 1);
    meet(seats - 1, turn(0));
    for (let i = 1; i < seats / 2; i++) meet(turn(i), turn(seats - 1 - i));
    return partner;
  });
};

/** The rotation that makes all elements 0 at which rows and columns of one round meet.  [..., N, N]; Golub & Van Loan, 8.5. */
const rotation = (x: Tensor, partners: Int32Array): Tensor => {
  const n = partners.length;
  const partner = tensor(partners);
  const own = diagonal(x);
  const meets = equal(iota([n, n], 1), reshape(partner, [n, 1]));
  const isSelf = equal(iota([n]), partner);
  const off = where(isSelf, 0, sum(where(meets, x, 0), -1));
  const isDone = equal(off, 0);
  const tau = div(sub(take(own, partner, -1), own), where(isDone, 1, mul(2, off)));
  const towards = where(equal(tau, 0), where(less(iota([n]), partner), 1, -1), sign(tau));
  // √(1 + τ²) of a large τ overflows, and then t is 0, as it should be.
  const t = where(isDone, 0, div(towards, add(abs(tau), sqrt(add(1, square(tau))))));
  const cosine = rsqrt(add(1, square(t)));
  const column = (values: Tensor) => reshape(values, [...values.shape, 1]);
  const isOwn = equal(iota([n, n], 1), iota([n, n], 0));
  return where(
    isOwn,
    column(cosine),
    where(and(meets, column(or(isSelf, isDone))), 0, where(meets, column(mul(t, cosine)), 0)),
  );
};

/**
 * Eigenvalues w [..., N], ascending, and eigenvectors as columns of v [..., N, N], of symmetric matrices (of others: of
 * (x + xᵀ)/2): x·v = v·diag(w). By Jacobi's rotations, all pairs in rounds of N/2 at a time (Brent & Luk 1985).
 * Gradients are those of perturbation theory, as in JAX, but where eigenvalues are equal: vectors pass none between each other.
 * Second derivatives of w are right, those of v are not. Errors: ShapeError unless matrices are square, f32, N ≤ 32.
 */
export const eigh = checked("eigh", "tensor", (x: Tensor): [values: Tensor, vectors: Tensor] => {
  const n = squareOf(x, MOST);
  const symmetric = mul(0.5, add(x, transpose(x)));
  let d = stopGradient(symmetric);
  let v = broadcastTo(eye(n), x.shape);
  const sweeps = n < 2 ? 0 : 5 + Math.ceil(Math.log2(n));
  for (let sweep = 0; sweep < sweeps; sweep++)
    for (const partners of roundsOf(n)) {
      const j = rotation(d, partners);
      d = matmul(matmul(transpose(j), d), j);
      v = matmul(v, j);
    }
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
