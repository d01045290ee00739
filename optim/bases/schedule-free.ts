import { add, div, equal, InputError, maximum, mul, neg, sqrt, square, sub, where } from "../../core/index.js";
import { belowOne, notNegative } from "../check.js";
import { plain, type Rule } from "../rule.js";
import { average } from "./adam.js";

/** Options of `scheduleFree`. */
export interface ScheduleFreeOptions {
  /** How far gradients are taken from the average towards the fast weights, and the decay of v. Default [0.9, 0.999]. */
  readonly betas?: readonly [number, number];
  /** Keeps the quotient finite. Default 1e-8. */
  readonly eps?: number;
}

/**
 * Schedule-Free AdamW's proposal: no schedule, and no end that must be known. Fast weights z, their average x, and between
 * them y, where gradients are taken; w is y, and `report` hands out x.
 * ```text
 * v ← β₂v + (1−β₂)g²,  z ← z − lr·g / (√(v/(1−β₂ᵗ)) + ε),  x ← (1−c)x + c·z,  y ← (1−β₁)z + β₁x       all [*S]
 * ```
 * where c = γ² / Σγ², γ the largest rate so far. Slot `ahead` is z − y. Decay and merging move x, y and z alike.
 * Errors: InputError unless 0 < β₁ < 1, β₂ ∈ [0, 1), ε ≥ 0.  Source: Defazio et al. 2024, algorithm 1, and its released code.
 */
export const scheduleFree = ({ betas = [0.9, 0.999], eps = 1e-8 }: ScheduleFreeOptions = {}): Rule => {
  const [beta1, beta2] = betas;
  if (beta1 === 0) throw new InputError("scheduleFree: β1 is 0; it must lie in (0, 1): with 0 the average is not seen");
  belowOne("scheduleFree", "β1", beta1);
  belowOne("scheduleFree", "β2", beta2);
  notNegative("scheduleFree", "ε", eps);
  return {
    ...plain,
    name: "schedule-free adamW",
    slots: ["ahead", "v"],
    coarse: ["v"],
    scalars: ["correction2", "peak", "total"],
    advance: (scalars, lr) => {
      const peak = maximum(scalars.peak, lr);
      const correction2 = average(beta2, scalars.correction2, 1);
      return { ...scalars, correction2, peak, total: add(scalars.total, square(peak)) };
    },
    step: (grad, { ahead, ...slots }, { lr, scalars: { correction2, peak, total } }) => {
      const v = average(beta2, slots.v, square(grad));
      const moved = add(ahead, mul(neg(lr), div(grad, add(sqrt(div(v, correction2)), eps)))); // z' − y
      const c = where(equal(total, 0), 0, div(square(peak), where(equal(total, 0), 1, total)));
      const behind = mul(-(1 - beta1) / beta1, ahead); // x − y
      const averaged = add(behind, mul(c, sub(moved, behind))); // x' − y
      const change = add(mul(1 - beta1, moved), mul(beta1, averaged));
      return { change, slots: { ...slots, v, ahead: sub(moved, change) } };
    },
    report: (w, { ahead }) => sub(w, mul((1 - beta1) / beta1, ahead)),
  };
};
