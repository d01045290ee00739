import { expects } from "../core/expects.js";
import { add, InputError, mul, sub, type Tensor } from "../core/index.js";
import { notNegative, within } from "./check.js";
import type { Rule } from "./rule.js";

/**
 * Keeps the running average w̄ ← (1−c)·w̄ + c·w beside the base rule, which does not see it; `report` gives w̄. The average
 * starts at the first weights. What is stored is w̄ − w (slot `lag`), so that a slow average loses no digits.
 * Errors: InputError unless c ∈ [0, 1], and for a base with a `report`.  Source: EMA of Lu et al. 2024 ("shadow": their code is missing).
 */
export const shadow = (base: Rule, c: number): Rule => {
  expects("shadow", "record number", base, c);
  within("shadow", "c", c, 0, 1);
  if (base.report !== undefined)
    throw new InputError(`shadow: ${base.name} hands out an average of its own; two are not kept`);
  return {
    ...base,
    name: `shadow of ${base.name}`,
    slots: [...base.slots, "lag"],
    step: (grad, { lag, ...slots }, now) => {
      const out = base.step(grad, slots, now);
      // w̄' − w' = (1−c)(w̄ − w')
      return { ...out, slots: { ...out.slots, lag: mul(1 - c, sub(lag, out.change)) } };
    },
    report: (w, { lag }) => add(w, lag),
  };
};

/**
 * Pulls the weights back after every step of the base rule: w ← (1−c)·w + c·θ_ref.  All [*S]. Not scaled by lr.
 * Laws: c = 0 is the base rule, c = 1 stays at θ_ref.
 * Errors: InputError unless c ∈ [0, 1].  Source: EMA of Lu et al. 2024 ("pullback": their code is missing).
 */
export const pullback = (base: Rule, c: number): Rule => {
  expects("pullback", "record number", base, c);
  within("pullback", "c", c, 0, 1);
  return {
    ...base,
    name: `${base.name} with pullback`,
    usesAnchor: true,
    step: (grad, slots, now) => {
      const out = base.step(grad, slots, now);
      const away = sub(add(now.w, out.change), now.anchor as Tensor);
      return { ...out, change: sub(out.change, mul(c, away)) };
    },
  };
};

/**
 * The penalty (λ/2)·‖w − θ_ref‖² on top of the loss: g ← g + λ·(w − θ_ref), before the moments.  All [*S].
 * Laws: λ = 0 is the base rule; at w = θ_ref it adds nothing; under plain descent it is `pullback` with c = lr·λ.
 * Errors: InputError unless λ ≥ 0 is finite.  Source: Li et al. 2018 (L2-SP).
 */
export const l2ToReference = (base: Rule, lambda: number): Rule => {
  expects("l2ToReference", "record number", base, lambda);
  notNegative("l2ToReference", "λ", lambda);
  if (lambda === 0) return base;
  return {
    ...base,
    usesAnchor: true,
    step: (grad, slots, now) => base.step(add(grad, mul(lambda, sub(now.w, now.anchor as Tensor))), slots, now),
  };
};
