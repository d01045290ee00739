import { unweightedVote, votedDelta, weightedVote } from "./consensus.js";
import type { Optimizer } from "./optimizer.js";
import { type MergingOptions, merging } from "./preset.js";
import { denseIfFew, keepLargest, matchL1 } from "./sparsify.js";

/**
 * OnTIES: the largest p-fraction of the Adam update and of the reference delta, joined where their signs agree.
 *   w' = w + [(1−α)·F(Δ)] ⊕ [α·F(τ)]      all [*S]; τ = refDelta = w_sft − w_base; F keeps floor(p·n) by magnitude
 * Units: as OnDARE.  Errors: ShapeError unless w, gradient and refDelta agree; InputError for α or p outside [0, 1], K < 1.
 * Laws: p=1, α=0 ⇒ Adam; τ=0 ⇒ (1−α)F(Δ). Not so for "official", whose vote is unweighted: there τ gates Δ even at α=0.
 * Source: Lu et al. 2024, eq. 4; preset "official": the released OTAdamW.
 */
export const onTies = (options: MergingOptions = {}): Optimizer =>
  merging("onTies", options, ({ official, p, alpha, rescaleL1, useMerge }) => {
    const largest = keepLargest(p);
    if (!official) return { alpha, delta: largest, tau: largest, tauOnce: true, consensus: weightedVote };
    const keep = denseIfFew(p, rescaleL1 ? matchL1(largest) : largest);
    return { alpha, delta: keep, tau: keep, tauOnce: true, consensus: useMerge ? unweightedVote : votedDelta };
  });
