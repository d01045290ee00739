import { add, div, mul, neg, sqrt, square, type Tensor } from "../../core/index.js";
import { belowOne, notNegative } from "../check.js";
import { plain, type Rule, type Scalars } from "../rule.js";

/** Where ε stands in Adam, and whether the moments are corrected for starting at 0. */
export type AdamForm =
  | "torch" // Δ = −lr · m̂ / (√v̂ + ε),  m̂ = m/(1−β1ᵗ), v̂ = v/(1−β2ᵗ)
  | "released" // Δ = −lr · √(1−β2ᵗ)/(1−β1ᵗ) · m / (√v + ε): ε before the correction
  | "uncorrected" // Δ = −lr · m / (√v + ε)
  | "paper"; // Δ = −lr · m / √(v + ε)

/** Options of `adam`. */
export interface AdamOptions {
  /** Decay rates of the two moments, each in [0, 1). Default [0.9, 0.999]. */
  readonly betas?: readonly [number, number];
  /** Keeps the quotient finite; units of |g| (of g² for "paper"). Default 1e-8. */
  readonly eps?: number;
  /** Default "torch". */
  readonly form?: AdamForm;
}

/** old ← β·old + (1−β)·new */
export const average = (beta: number, old: Tensor, now: Tensor | number): Tensor =>
  add(mul(beta, old), mul(1 - beta, now));

/**
 * Adam's proposal Δ from the moments m ← β1 m + (1−β1) g and v ← β2 v + (1−β2) g².  grad [*S] → Δ [*S], with the learning
 * rate and the minus sign in it. The bias corrections are the same averages of the number 1: 1−βᵗ without a power, and
 * exact to rounding where 1 − powf(β, t) has lost its digits.
 * Errors: InputError unless β ∈ [0, 1), ε ≥ 0.  Source: Kingma & Ba 2015; the forms: methods of Lu et al. 2024.
 */
export const adam = ({ betas = [0.9, 0.999], eps = 1e-8, form = "torch" }: AdamOptions = {}): Rule => {
  const [beta1, beta2] = betas;
  belowOne("adam", "β1", beta1);
  belowOne("adam", "β2", beta2);
  notNegative("adam", "ε", eps);
  const corrects = form === "torch" || form === "released";

  /** Δ from −lr: what is one number for all elements is computed once, and an element costs one division and one root. */
  const change = (rate: Tensor, m: Tensor, v: Tensor, { correction1, correction2 }: Scalars): Tensor => {
    switch (form) {
      case "torch":
        return mul(div(rate, correction1), div(m, add(sqrt(mul(v, div(1, correction2))), eps)));
      case "released":
        return mul(mul(rate, div(sqrt(correction2), correction1)), div(m, add(sqrt(v), eps)));
      case "uncorrected":
        return mul(rate, div(m, add(sqrt(v), eps)));
      case "paper":
        return mul(rate, div(m, sqrt(add(v, eps))));
    }
  };
  return {
    ...plain,
    name: "adam",
    slots: ["m", "v"],
    coarse: ["m", "v"],
    scalars: corrects ? ["correction1", "correction2"] : [],
    advance: (scalars) =>
      corrects
        ? {
            ...scalars,
            correction1: average(beta1, scalars.correction1, 1),
            correction2: average(beta2, scalars.correction2, 1),
          }
        : scalars,
    step: (grad, slots, { lr, scalars }) => {
      const m = average(beta1, slots.m, grad);
      const v = average(beta2, slots.v, square(grad));
      return { change: change(neg(lr), m, v, scalars), slots: { ...slots, m, v } };
    },
  };
};
