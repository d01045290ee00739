import type { Optimizer } from "./optimizer.js";
import { type MergingOptions, merging } from "./preset.js";

/**
 * OnDARE: a random p-fraction of the Adam update, drifted along a random p-fraction of the reference delta.
 * ```text
 * w' = w + (1−α)·F(Δ) + α·F(τ)          all [*S]; τ = refDelta = w_sft − w_base; the two masks are independent
 * ```
 * Units: Δ carries lr, τ does not, so α is tiny (1e-7 … 5e-6), and weights move at lr = 0.
 * Errors: ShapeError unless w, gradient and refDelta agree; InputError for α or p outside [0, 1], K < 1.
 * Laws: p=1, α=0 ⇒ Adam; α=0 ⇒ dropout of Adam's update, which is ChildTuning-F only at the first step; α=1 ⇒ F(τ) alone.
 * Source: Lu et al. 2024, eq. 3; preset "official": the released ODAdamW.
 * @example onDare({ alpha: 5e-7, reserveP: 0.3 }).usesTau // true
 */
export const onDare = (options: MergingOptions = {}): Optimizer => merging("onDare", options);

/**
 * OnDARE's random masks under OnTIES' vote.
 * ```text
 * w' = w + [(1−α)·F(Δ)] ⊕ [α·F(τ)]      all [*S]; F = Bernoulli(p) masks, independent
 * ```
 * Units, errors: as OnDARE. Preset "official": the released OnDARE's masks (1/p, τ once) under the released OnTIES' vote.
 * Laws: p=1 ⇒ OnTIES at p=1; α=0 ⇒ OnDARE at α=0 (paper).  Source: the pieces are those of Lu et al. 2024.
 */
export const onDareTies = (options: MergingOptions = {}): Optimizer => merging("onDareTies", options);
