import { asks, expects } from "../../core/expects.js";
import {
  add,
  div,
  matmul,
  maximum,
  mul,
  reshape,
  sqrt,
  square,
  sub,
  sum,
  type Tensor,
  tensor,
  transpose,
} from "../../core/index.js";
import { within } from "../check.js";

/** Rounds of power iteration: the largest eigenvalue to a few percent. */
const POWER = 40;
/** Steps of Newton and Schulz: 1.5⁴⁰ is 10⁷, beyond what f32 tells apart from the threshold. */
const STEPS = 44;

/** Eigenvalues below this share of the largest count as none, where nothing else is said. */
export const NULL_SHARE = 5e-5;

/** The identity, [D, D]. */
const identity = (D: number): Tensor =>
  tensor(
    Float32Array.from({ length: D * D }, (_, i) => (i % (D + 1) === 0 ? 1 : 0)),
    [D, D],
  );

/** The largest eigenvalue of a symmetric matrix without negative ones, from below.  K: [D, D] → [] */
const largest = (K: Tensor): Tensor => {
  const [D] = K.shape;
  let v: Tensor = tensor(new Float32Array(D).fill(1), [D, 1]);
  let length: Tensor = tensor(0);
  for (let i = 0; i < POWER; i++) {
    const next = matmul(K, v);
    length = sqrt(sum(square(next)));
    v = div(next, maximum(length, 1e-30));
  }
  return length;
};

/**
 * The projection on the directions that inputs of a linear layer hardly have: of K = Σ x xᵀ the eigenvectors V₀ with
 * eigenvalues below `share` of the largest, P = V₀ V₀ᵀ.  K: [D, D] → [D, D]
 * No eigenvector is computed: P = (1 − sign(K/σ_max − share))/2, the matrix sign by Newton's iteration without inverses,
 * X ← X(3 − X²)/2. That is products alone, 44 times two of D × D (1.5 TFLOP at D = 2048), so it runs on every device.
 * Laws: symmetric, P² = P; Px = 0 for x in the range of K; trace P = D − rank K.
 * Errors: InputError unless share ∈ [0, 1].  Sources: NSPO (2025, arXiv 2512.11391), eq. 5; the sign: Higham 2008, ch. 5.
 */
export const nullSpace = (K: Tensor, share = NULL_SHARE): Tensor => {
  expects("nullSpace", "tensor", K);
  within("nullSpace", "share", share, 0, 1);
  const one = identity(K.shape[0]);
  let x = sub(div(K, maximum(largest(K), 1e-30)), mul(share, one));
  for (let i = 0; i < STEPS; i++) {
    const next = sub(mul(1.5, x), mul(0.5, matmul(x, matmul(x, x))));
    x = mul(0.5, add(next, transpose(next))); // rounding would grow apart from symmetry
  }
  return mul(0.5, sub(one, x));
};

/** A change of a linear layer's matrix that leaves its outputs on retained inputs as they are: Δ P.  Δ: [out, in], P: [in, in]. */
export const inNullSpace = asks(
  "inNullSpace",
  "tensor tensor",
  (change: Tensor, P: Tensor): Tensor => reshape(matmul(change, P), change.shape),
);
