import { expects } from "../core/expects.js";
import { add, equal, scalar, sub, type Tensor, where } from "../core/index.js";
import { integerFrom } from "./check.js";
import { type Merge, mergeStep, online } from "./merge.js";
import type { Rule } from "./rule.js";

/**
 * Online merging at every K-th step (Algorithm 2). Between merges w follows the base rule, and Δc gathers its updates; at a
 * merge they are taken back and merged with the reference delta in one:
 * ```text
 * t mod K ≠ 0:  w' = w + Δ,                      Δc' = Δc + Δ
 * t mod K = 0:  w' = w − Δc + merge(Δc + Δ, τ),  Δc' = 0
 * ```
 * Moments always advance. Slots: `sinceMerge` (Δc). The count to K is data, so that every step is one program.
 * Laws: K=1 is `online`; K > T never merges.  Errors: InputError unless K is an integer ≥ 1.  Source: Lu et al. 2024, Alg. 2.
 */
export const stepK = (base: Rule, merge: Merge, k: number): Rule => {
  expects("stepK", "record record number", base, merge, k);
  integerFrom(base.name, "K", k, 1);
  const merging = online(base, merge);
  if (k === 1) return merging;
  return {
    ...merging,
    slots: [...base.slots, "sinceMerge"],
    scalars: [...base.scalars, "phase"],
    gap: k,
    // A counter instead of t mod K: no device has to divide exactly.
    advance: (scalars, lr) => {
      const { phase } = scalars;
      return { ...base.advance(scalars, lr), phase: where(equal(phase, k), 1, add(phase, 1)) };
    },
    step: (grad, { sinceMerge, ...slots }, now) => {
      const { change, slots: next } = base.step(grad, slots, now);
      const merges = equal(now.scalars.phase, scalar(k));
      const gathered = add(sinceMerge, change);
      const merged = sub(mergeStep(merge, gathered, now.tau as Tensor, now.draw), sinceMerge);
      return {
        change: where(merges, merged, change),
        slots: { ...next, sinceMerge: where(merges, 0, gathered) },
      };
    },
  };
};
