import { asks, expects } from "../core/expects.js";
import { concat, leaves, reshape, sizeOf, sliceAxis, type Tree, topkMask, treeMap, where } from "../core/index.js";
import { within } from "./check.js";
import type { Rule } from "./rule.js";
import { keepRandom, topCount } from "./sparsify.js";

/**
 * ChildTuning-F over any base rule: g ← g ⊙ M / p with a fresh M ~ Bernoulli(p) at every step, before the moments. Decay
 * stays dense.  grad [*S] → Δ [*S].
 * Laws: p = 1 is the base rule; p = 0 starves it, without NaN; under Adam with ε = 0 the 1/p does nothing.
 * Errors: InputError unless p ∈ [0, 1].  Source: Xu et al. 2021.
 */
export const childTuningF = (base: Rule, p: number): Rule => {
  expects("childTuningF", "record number", base, p);
  within("childTuningF", "p", p, 0, 1);
  const keep = keepRandom(p, true);
  return {
    ...base,
    name: `${base.name} under ChildTuning-F`,
    step: (grad, slots, now) => base.step(keep(grad, "gradient", now.draw), slots, now),
  };
};

/**
 * ChildTuning-D over any base rule: one mask of the gradient for the whole run, without rescaling, before the moments.
 * The mask is fed in at every step (`masks.gradient`); `jointMask` makes it from squared gradients.
 * Law: α = 0 and that mask on Δ instead make OnDARE the same optimizer.  Source: Xu et al. 2021.
 */
export const childTuningD = asks(
  "childTuningD",
  "record",
  (base: Rule): Rule => ({
    ...base,
    name: `${base.name} under ChildTuning-D`,
    usesMask: true,
    step: (grad, slots, now) => base.step(where(now.draw("gradient", 1), grad, 0), slots, now),
  }),
);

/**
 * Marks the floor(p·N) largest of all N elements of a tree together, ties to the earlier leaf and the lower flat index;
 * zeros are never marked. f32 tree → bool tree. With squared gradients, averaged over data, it is ChildTuning-D's mask: the
 * empirical Fisher information.
 * Errors: InputError unless p ∈ [0, 1].
 */
export const jointMask = <T extends Tree>(tree: T, p: number): T => {
  expects("jointMask", "tree number", tree, p);
  within("jointMask", "p", p, 0, 1);
  const parts = leaves(tree).map((t) => reshape(t, [sizeOf(t.shape)]));
  if (parts.length === 0) return tree;
  const all = concat(parts);
  const mask = topkMask(all, topCount(p, sizeOf(all.shape)));
  let at = 0;
  return treeMap((t) => {
    const begin = at;
    at += sizeOf(t.shape);
    return reshape(sliceAxis(mask, 0, begin, at), t.shape);
  }, tree);
};
