import { type PairLossType, SMOOTHED, weightedLosses } from "../../align/objectives/losses.js";
import type { PreferenceOptions } from "../../align/objectives/objective.js";
import { InputError } from "../../core/errors.js";
import type { Values } from "../options/takes.js";
import { tellIdle, type Voice } from "../voice.js";

type LossKeys = Pick<Values<"dpo">, "loss_type" | "loss_weights" | "beta" | "label_smoothing" | "simpo_gamma">;

/** What the loss keys ask for on pairs. Errors: InputError for keys that contradict each other, and for kto. */
export const pairLossOptions = (
  values: LossKeys,
  out: Voice,
): PreferenceOptions & { readonly lossType: readonly PairLossType[] } => {
  const { loss_type, loss_weights, beta, label_smoothing: labelSmoothing, simpo_gamma: simpoGamma } = values;
  const lossType = loss_type.filter((type): type is PairLossType => type !== "kto");
  if (lossType.length < loss_type.length)
    throw new InputError(
      "loss_type kto is a loss on labelled answers, not on pairs: train with taugrad kto, and evaluate with it alone",
    );
  weightedLosses(lossType, loss_weights, { labelSmoothing });
  if (labelSmoothing > 0 && !lossType.some((type) => SMOOTHED.includes(type))) {
    if (lossType.includes("sigmoid"))
      out.note("note: sigmoid ignores label smoothing, as TRL's does; cdpo is sigmoid with it");
    else tellIdle(out, ["label_smoothing"], `with loss_type ${lossType.join(", ")}`);
  }
  return { lossType, lossWeights: loss_weights, beta, labelSmoothing, simpoGamma };
};

/** Errors: InputError unless `loss_type` is kto alone, and batches (by key) hold the two rows it needs. */
export const checkKtoLoss = (
  { loss_type }: Pick<Values<"kto">, "loss_type">,
  batchSizes: Readonly<Record<string, number>>,
): void => {
  if (loss_type.some((type) => type !== "kto") || loss_type.length !== 1)
    throw new InputError(
      `loss_type is ${loss_type.join(", ")}; labelled answers have kto alone. Losses on pairs are taugrad dpo's`,
    );
  const small = Object.keys(batchSizes).find((key) => batchSizes[key] < 2);
  if (small !== undefined)
    throw new InputError(
      `${small} is ${batchSizes[small]}; kto compares each prompt with another row's answer, so it must be at least 2`,
    );
};
