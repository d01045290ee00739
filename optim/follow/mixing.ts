import { add, mul, sub } from "../../core/index.js";
import { integerFrom, within } from "../check.js";
import type { Follower } from "./follow.js";

/**
 * Moves part of the way to the weights, every so many steps from step `after` on:  θ_f ← a·θ + (1−a)·θ_f          all [*S]
 * As the reference of a preference loss it is TR-DPO, soft for 0 < a < 1 and hard for a = 1, every few hundred steps; with
 * every = 1 and a small a it is WARP's anchor of the KL, an exponential moving average.
 * Laws: a = 0 stays, bit for bit; a = 1 is the weights.  Errors: InputError unless a ∈ [0, 1], every ≥ 1, after ≥ 0.
 * Sources: Gorbatovski et al. 2024 (TR-DPO), TRL's SyncRefModelCallback; Ramé et al. 2024 (WARP), eq. 2.
 */
export const mixing = ({ mixup = 0.6, every = 512, after = 0 } = {}): Follower => {
  within("mixing", "mixup", mixup, 0, 1);
  integerFrom("mixing", "every", every, 1);
  integerFrom("mixing", "after", after, 0);
  return {
    name: "mixing",
    keeps: [],
    moveAt: (step) => (step >= after && (step - after) % every === 0 ? { mixup } : undefined),
    move: ({ weights }, w, { mixup: a }) => ({ weights: add(mul(sub(1, a), weights), mul(a, w)) }),
  };
};
