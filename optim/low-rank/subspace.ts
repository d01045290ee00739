import { asks } from "../../core/expects.js";
import {
  add,
  div,
  key,
  matmul,
  maximum,
  mul,
  normal,
  sqrt,
  square,
  sub,
  sum,
  type Tensor,
  transpose,
} from "../../core/index.js";
import { integerFrom } from "../check.js";

/** x ↦ ax + bx³ + cx⁵ brings singular values of (0, 1] to between 0.7 and 1.2, small ones fast.  Source: Jordan 2024. */
const [A, B, C] = [3.4445, -4.775, 2.0315];
/** Steps of that: what is 5e-5 of the whole comes up. Then x ↦ (3x − x³)/2 brings to 1, and x ↦ (5x³ − 3x⁵)/2 what is left below to 0. */
const [COARSE, FINE, PURGE] = [8, 4, 4];

/** xᵀx, [r, r] */
const gram = (x: Tensor): Tensor => matmul(transpose(x), x);

/** A tall matrix with its singular values brought to 1, so that its columns are orthonormal; very small ones to 0.  y: [s, r] → [s, r] */
const orthonormal = (y: Tensor): Tensor => {
  let x = div(y, maximum(sqrt(sum(square(y))), 1e-30));
  for (let i = 0; i < COARSE; i++) {
    const xx = gram(x);
    x = add(mul(A, x), matmul(x, add(mul(B, xx), mul(C, matmul(xx, xx)))));
  }
  for (let i = 0; i < FINE; i++) x = sub(mul(1.5, x), mul(0.5, matmul(x, gram(x))));
  for (let i = 0; i < PURGE; i++) {
    const xx = gram(x);
    x = matmul(x, sub(mul(2.5, xx), mul(1.5, matmul(xx, xx))));
  }
  return x;
};

/** Columns of normal numbers, the same for ever: no gradient's directions are at right angles to them all, as some are to ±1. */
const anyColumns = (s: number, r: number): Tensor => normal(key(0), [s, r]);

/** The share that chance has in a start from columns that are known: directions that they lack can come in. */
const CHANCE = 0.01;

/**
 * Orthonormal columns that span nearly what the r longest left singular vectors of g do: two rounds of power iteration on g gᵀ.
 * `near`: columns to start from, such as those of an earlier gradient; zeros are none.  g: [s, n], near: [s, r] → [s, r]
 * Products alone, about 8snr + 130sr² of them, on every device. Directions of less than a hundredth of the longest singular value may
 * be left out: then the columns have that rank, and P Pᵀ still is a projection.
 * Laws: P Pᵀ P = P; P Pᵀ g = g for g of rank ≤ r; what P keeps of a gradient is nearly the most that r
 * directions can.  Errors: ShapeError unless g is a matrix with as many rows as `near`.  Source: Halko, Martinsson & Tropp 2011, alg. 4.4.
 */
export const leading = asks("leading", "tensor tensor", (g: Tensor, near: Tensor): Tensor => {
  const [s, r] = near.shape;
  integerFrom("leading", "r", r ?? 0, 1);
  const power = (q: Tensor): Tensor => orthonormal(matmul(g, matmul(transpose(g), q)));
  return power(power(add(near, mul(CHANCE, anyColumns(s, r)))));
});
