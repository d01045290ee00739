import type { PairLossType } from "../../align/objectives/losses.js";

/** Losses on pairs that the view offers, by their names in `loss_type`. */
export const LOSSES = {
  sigmoid: "DPO",
  ipo: "IPO",
  hinge: "SLiC, a hinge",
  apo_zero: "APO-zero",
} as const satisfies Partial<Record<PairLossType, string>>;
export type LossName = keyof typeof LOSSES;
