import {
  add,
  div,
  matmul,
  mul,
  neg,
  reshape,
  sizeOf,
  sqrt,
  square,
  sum,
  type Tensor,
  transpose,
} from "../../core/index.js";
import { belowOne, integerFrom } from "../check.js";
import { plain, type Rule } from "../rule.js";
import { average } from "./adam.js";

/** x ↦ ax + bx³ + cx⁵ brings singular values of (0, 1] near 1, small ones fast. Source: Jordan 2024. */
const [A, B, C] = [3.4445, -4.775, 2.0315];

/** A matrix with the same singular vectors and all singular values near 1 (0.7 … 1.2), by Newton–Schulz steps. [m, n] → [m, n] */
const orthogonal = (g: Tensor, steps: number): Tensor => {
  let x = div(g, add(sqrt(sum(square(g))), 1e-7));
  for (let i = 0; i < steps; i++) {
    const xx = matmul(x, transpose(x));
    x = add(mul(A, x), matmul(add(mul(B, xx), mul(C, matmul(xx, xx))), x));
  }
  return x;
};

/**
 * Muon's proposal: momentum m ← μ m + (1−μ) g, of which all singular values are brought near 1,
 * ```text
 * Δ = −lr · 0.2 √max(rows, columns) · O,   O ≈ U Vᵀ of μ m + (1−μ) g  (of m without `nesterov`).   grad [*S] → Δ [*S]
 * ```
 * Its root mean square is about 0.2 lr, Adam's, so that it takes Adam's rates. Axes after the first are columns; a vector is a
 * matrix of one row, so its direction at that size. One slot. Options: momentum 0.95, nesterov true, steps 5 (of Newton–Schulz).
 * Errors: InputError unless μ ∈ [0, 1) and steps ≥ 1.  Source: Jordan 2024; the factor: Liu et al. 2025, torch.optim.Muon's
 * "match_rms_adamw".
 */
export const muon = ({ momentum = 0.95, nesterov = true, steps = 5 } = {}): Rule => {
  belowOne("muon", "momentum", momentum);
  integerFrom("muon", "steps", steps, 1);
  return {
    ...plain,
    name: "muon",
    slots: ["m"],
    coarse: ["m"],
    step: (grad, slots, { lr }) => {
      const m = average(momentum, slots.m, grad);
      const size = sizeOf(grad.shape);
      if (size === 0) return { change: grad, slots: { ...slots, m } };
      const rows = grad.shape.length < 2 ? 1 : grad.shape[0];
      const columns = size / rows;
      const whole = reshape(nesterov ? average(momentum, m, grad) : m, [rows, columns]);
      // The product with itself is of the shorter side.
      const o = rows > columns ? transpose(orthogonal(transpose(whole), steps)) : orthogonal(whole, steps);
      const scale = 0.2 * Math.sqrt(Math.max(rows, columns));
      return { change: mul(neg(mul(lr, scale)), reshape(o, grad.shape)), slots: { ...slots, m } };
    },
  };
};
