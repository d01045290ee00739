import type { Optimizer } from "./optimizer.js";
import { type MergingOptions, merging } from "./preset.js";

/**
 * OnTIES: the largest p-fraction of the Adam update and of the reference delta, joined where their signs agree.
 * ```text
 * w' = w + [(1−α)·F(Δ)] ⊕ [α·F(τ)]      all [*S]; τ = refDelta = w_sft − w_base; F keeps floor(p·n) by magnitude
 * ```
 * Units: as OnDARE.  Errors: ShapeError unless w, gradient and refDelta agree; InputError for α or p outside [0, 1], K < 1.
 * Laws: p=1, α=0 ⇒ Adam; τ=0 ⇒ (1−α)F(Δ). Not so for "official", whose vote is unweighted: there τ gates Δ even at α=0.
 * Source: Lu et al. 2024, eq. 4; preset "official": the released OTAdamW.
 */
export const onTies = (options: MergingOptions = {}): Optimizer => merging("onTies", options);

/**
 * OnTIES' largest elements in OnDARE's sum.
 * ```text
 * w' = w + (1−α)·F(Δ) + α·F(τ)          all [*S]; F keeps floor(p·n) by magnitude
 * ```
 * Units, errors: as OnDARE. Preset "official": the released OnTIES' F in the released OnDARE's sum.
 * Laws: p=1 ⇒ OnDARE at p=1; α=0 ⇒ OnTIES at α=0 (paper).  Source: the pieces are those of Lu et al. 2024.
 */
export const onMagnitude = (options: MergingOptions = {}): Optimizer => merging("onMagnitude", options);
