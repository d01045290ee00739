import { add, mul, neg, sign } from "../../core/index.js";
import { belowOne } from "../check.js";
import { plain, type Rule } from "../rule.js";

/**
 * Lion's proposal Δ = −lr · sign(β1 m + (1−β1) g), then m ← β2 m + (1−β2) g.  grad [*S] → Δ [*S]; every element of Δ is
 * ±lr, or 0. Options: betas, default [0.9, 0.99].
 * Laws: blind to the gradient's scale; m advances after it was used.
 * Errors: InputError unless β ∈ [0, 1).  Source: Chen et al. 2023, algorithm 2 (decay is `decayed`'s).
 */
export const lion = ({ betas = [0.9, 0.99] }: { readonly betas?: readonly [number, number] } = {}): Rule => {
  const [beta1, beta2] = betas;
  belowOne("lion", "β1", beta1);
  belowOne("lion", "β2", beta2);
  return {
    ...plain,
    name: "lion",
    slots: ["m"],
    coarse: ["m"],
    step: (grad, slots, { lr }) => {
      const direction = sign(add(mul(beta1, slots.m), mul(1 - beta1, grad)));
      const m = add(mul(beta2, slots.m), mul(1 - beta2, grad));
      return { change: mul(neg(lr), direction), slots: { ...slots, m } };
    },
  };
};
