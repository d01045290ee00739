import { type AdamOptions, adam } from "./bases/adam.js";
import { type Decay, decayed } from "./decay.js";
import { type LiftOptions, type Optimizer, optimizer } from "./optimizer.js";

/** Options of `adamW`: Adam's, decay's, and those of every optimizer. */
export interface AdamWOptions extends LiftOptions, Omit<AdamOptions, "form"> {
  /** Decoupled weight decay λ. Default 0.01, as torch's. */
  readonly weightDecay?: number;
  /** Which parameters decay, by name. Default: all. */
  readonly decays?: Decay["decays"];
}

/**
 * AdamW as torch computes it:  w' = w − lr·λ·w − lr · m̂ / (√v̂ + ε)          all [*S]
 * Units: lr in units of w. Options: betas (0.9, 0.999), eps 1e-8, weightDecay 0.01.
 * Errors: ShapeError unless w and gradient agree; InputError unless β ∈ [0, 1), ε ≥ 0, λ ≥ 0.
 * Source: Loshchilov & Hutter 2019; torch.optim.AdamW.
 * @example adamW({ weightDecay: 0.1 }).init({ w: tensor([1, 2]) }).params.w // [1, 2]
 */
export const adamW = (options: AdamWOptions = {}): Optimizer => {
  const { weightDecay = 0.01, decays } = options;
  const rule = decayed(adam(options), { rate: weightDecay, of: "weights before", decays });
  return optimizer({ ...rule, name: "adamW" }, options);
};
