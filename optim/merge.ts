import { expects } from "../core/expects.js";
import { div, equal, mul, sqrt, square, sum, type Tensor, where } from "../core/index.js";
import { within } from "./check.js";
import type { Consensus } from "./consensus.js";
import type { Draw, Rule } from "./rule.js";
import type { Sparsifier } from "./sparsify.js";

/** How an update and the reference delta become one step. */
export interface Merge {
  /** Merging weight of the reference delta, in [0, 1]. Δ carries lr and τ does not, so α is tiny: 1e-7 … 5e-6. */
  readonly alpha: number;
  /** F of Δ. */
  readonly delta: Sparsifier;
  /** F of τ. */
  readonly tau: Sparsifier;
  /** F(τ) is taken once, by `prepare`, instead of at every merge. */
  readonly tauOnce: boolean;
  /** F(τ) gets the L2 norm of Δ, tensor by tensor, so that α has no unit: 0.1 drifts a tenth of each step's length. */
  readonly tauScaled?: boolean;
  readonly consensus: Consensus;
}

/** x with the L2 norm of another tensor; 0 stays 0. */
const withNormOf = (other: Tensor, x: Tensor): Tensor => {
  const norm = (t: Tensor) => sqrt(sum(square(t)));
  const own = norm(x);
  const isZero = equal(own, 0);
  return mul(x, where(isZero, 0, div(norm(other), where(isZero, 1, own))));
};

/** consensus(F(Δ), F(τ)): the merged step.  Δ, τ [*S] → [*S]. */
export const mergeStep = (merge: Merge, delta: Tensor, tau: Tensor, draw: Draw): Tensor => {
  const kept = merge.tauOnce ? tau : merge.tau(tau, "tau", draw);
  const drift = merge.tauScaled === true ? withNormOf(delta, kept) : kept;
  return merge.consensus(merge.delta(delta, "delta", draw), drift, merge.alpha);
};

/**
 * Online merging over any base rule: its proposal Δ becomes consensus(F(Δ), F(τ)).
 * Moments advance on the whole gradient: the mask falls on Δ, not on g.
 * Errors: InputError unless α ∈ [0, 1].  Source: Lu et al. 2024, eq. 2.
 */
export const online = (base: Rule, merge: Merge): Rule => {
  expects("online", "record record", base, merge);
  within(base.name, "α", merge.alpha, 0, 1);
  return {
    ...base,
    usesTau: true,
    prepare: (tau, draw) => (merge.tauOnce ? merge.tau(tau, "tau", draw) : tau),
    step: (grad, slots, now) => {
      const { change, slots: next } = base.step(grad, slots, now);
      return { change: mergeStep(merge, change, now.tau as Tensor, now.draw), slots: next };
    },
  };
};
