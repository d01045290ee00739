import type { KindName } from "../../align/data/kinds.js";
import type { PairLossType } from "../../align/objectives/losses.js";

/** A loss that the view offers, and the rows that it takes. */
interface Offered {
  readonly title: string;
  readonly kind: KindName;
}

/** By their names in `loss_type`. */
export const LOSSES = {
  sigmoid: { title: "DPO", kind: "pairs" },
  ipo: { title: "IPO", kind: "pairs" },
  hinge: { title: "SLiC, a hinge", kind: "pairs" },
  apo_zero: { title: "APO-zero", kind: "pairs" },
  kto: { title: "KTO", kind: "labelled" },
} as const satisfies Partial<Record<PairLossType | "kto", Offered>>;
export type LossName = keyof typeof LOSSES;
