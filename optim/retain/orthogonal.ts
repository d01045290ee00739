import { asks, expects } from "../../core/expects.js";
import { div, less, mul, sqrt, square, sub, sum, type Tensor, where } from "../../core/index.js";

/** Directions shorter than this are none. */
const SMALLEST_NORM = 1e-6;

const dot = (a: Tensor, b: Tensor): Tensor => sum(mul(a, b));

/** x at length 1, or 0 where it is too short to have a direction. */
const unit = (x: Tensor): Tensor => {
  const norm = sqrt(sum(square(x)));
  const isShort = less(norm, SMALLEST_NORM);
  return where(isShort, 0, div(x, where(isShort, 1, norm)));
};

/**
 * A gradient without what of it lies along the gradients of retained data, tensor by tensor, all [*S]:
 * ```text
 * u₁ = g₁/‖g₁‖,  u₂ = g₂ made orthogonal to u₁, normalised,  g ← g − ⟨g,u₁⟩u₁ − ⟨g,u₂⟩u₂
 * ```
 * so that a step of plain descent changes the loss on retained data to second order alone. `opposed`: only where ⟨g,u⟩ < 0, where
 * a step would raise that loss.
 * Laws: the result is orthogonal to each of the gradients; without any, g.  Source: OGPSA (arXiv 2602.07892).
 */
export const orthogonalTo = (g: Tensor, retained: readonly Tensor[], opposed = false): Tensor => {
  expects("orthogonalTo", "tensor tensors", g, retained);
  const units: Tensor[] = [];
  for (const other of retained)
    units.push(unit(units.reduce((rest, u) => sub(rest, mul(dot(rest, u), u)), unit(other))));
  return units.reduce((rest, u) => {
    const along = dot(rest, u);
    return sub(rest, mul(opposed ? where(less(along, 0), along, 0) : along, u));
  }, g);
};

/**
 * A reference delta where it helps on retained data, 0 where it does not: a drift along τ lowers that loss, to first order, where
 * ⟨g, τ⟩ < 0 for its gradient g. Tensor by tensor, [*S] each.  Source: this project's own proposal.
 */
export const helpful = asks(
  "helpful",
  "tensor tensor",
  (tau: Tensor, retained: Tensor): Tensor => where(less(dot(retained, tau), 0), tau, 0),
);
