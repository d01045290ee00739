import { add, mul, neg } from "../../core/index.js";
import { belowOne } from "../check.js";
import { plain, type Rule } from "../rule.js";

/**
 * Gradient descent: Δ = −lr·g, or −lr·u with momentum u ← μ u + g.  grad [*S] → Δ [*S].
 * Errors: InputError unless μ ∈ [0, 1).  Source: torch.optim.SGD (no dampening, no Nesterov).
 */
export const sgd = ({ momentum = 0 }: { readonly momentum?: number } = {}): Rule => {
  belowOne("sgd", "momentum", momentum);
  return {
    ...plain,
    name: "sgd",
    slots: momentum === 0 ? [] : ["u"],
    coarse: momentum === 0 ? [] : ["u"],
    step: (grad, slots, { lr }) => {
      if (momentum === 0) return { change: mul(neg(lr), grad), slots };
      const u = add(mul(momentum, slots.u), grad);
      return { change: mul(neg(lr), u), slots: { ...slots, u } };
    },
  };
};
