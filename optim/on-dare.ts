import { deltaOnly, weightedSum } from "./consensus.js";
import type { Optimizer } from "./optimizer.js";
import { type MergingOptions, merging } from "./preset.js";
import { clamped, keepRandom, matchL1 } from "./sparsify.js";

/** The released code's `clip_val`. */
const CLIP = 1;

/**
 * OnDARE: a random p-fraction of the Adam update, drifted along a random p-fraction of the reference delta.
 *   w' = w + (1−α)·F(Δ) + α·F(τ)          all [*S]; τ = refDelta = w_sft − w_base; the two masks are independent
 * Units: Δ carries lr, τ does not, so α is tiny (1e-7 … 5e-6), and weights move at lr = 0.
 * Errors: ShapeError unless w, gradient and refDelta agree; InputError for α or p outside [0, 1], K < 1.
 * Laws: p=1, α=0 ⇒ Adam; α=0 ⇒ dropout of Adam's update, which is ChildTuning-F only at the first step; α=1 ⇒ F(τ) alone.
 * Source: Lu et al. 2024, eq. 3; preset "official": the released ODAdamW.
 */
export const onDare = (options: MergingOptions = {}): Optimizer =>
  merging("onDare", options, ({ official, p, alpha, eps, rescaleL1, useMerge }) => {
    if (!official) return { alpha, delta: keepRandom(p), tau: keepRandom(p), tauOnce: false, consensus: weightedSum };
    const keep = keepRandom(p, true);
    return {
      alpha,
      delta: rescaleL1 ? clamped(matchL1(keep, eps), CLIP) : keep,
      tau: clamped(keep, CLIP),
      tauOnce: true,
      consensus: useMerge ? weightedSum : deltaOnly,
    };
  });
