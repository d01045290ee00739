import { InputError } from "../../core/index.js";
import {
  adafactor,
  adam,
  childTuningD,
  childTuningF,
  decayed,
  exceptNormsAndBiases,
  l2ToReference,
  lion,
  lowRank,
  mergingRule,
  muon,
  type Optimizer,
  optimizer,
  PROJECTED_STEPS,
  pullback,
  type Rule,
  scheduleFree,
  sgd,
  shadow,
} from "../../optim/index.js";
import { checkSettings } from "./rules/check-settings.js";
import { mergesBy, type OptimizerSettings, proposalOf } from "./rules/settings.js";

/** What proposes the update, without decay. */
const proposal = (settings: OptimizerSettings): Rule => {
  const { betas: [beta1 = 0.9, beta2] = [], eps, momentum } = settings;
  const chosen = proposalOf(settings);
  if (typeof chosen !== "string") return chosen;
  switch (chosen) {
    case "adamw":
      return { ...adam({ betas: [beta1, beta2 ?? 0.999], eps }), name: "adamW" };
    case "lion":
      return lion({ betas: [beta1, beta2 ?? 0.99] });
    case "sgd":
      return sgd({ momentum });
    case "muon":
      return muon({ momentum });
    case "adafactor":
      return adafactor();
    case "schedule_free_adamw":
      return scheduleFree({ betas: [beta1, beta2 ?? 0.999], eps });
  }
};

const lowRankOf = ({ projectionRank: rank, projectionInterval: every, onlineStep = 1 }: OptimizerSettings) => {
  if (rank === undefined) return undefined;
  if ((every ?? PROJECTED_STEPS) % onlineStep !== 0)
    throw new InputError(
      `projection_interval is ${every ?? `${PROJECTED_STEPS} where it is left out`}; with online_step ${onlineStep} it must be a multiple of that: what is gathered to the next merge lies in one projection`,
    );
  return { rank, every };
};

/** The rule of one parameter, but for the penalty. */
const ruleOf = (settings: OptimizerSettings): Rule => {
  const { optim = "adamw", weightDecay: rate = 0, emaVariant = "shadow", emaCoefficient: c = 1e-3 } = settings;
  const merge = mergesBy(settings);
  if (merge !== undefined) {
    const {
      betas: [beta1 = 0.9, beta2 = 0.999] = [],
      alpha,
      reserveP,
      onlineStep,
      rescale,
      mergePreset,
      tauScale,
    } = settings;
    const own = proposalOf(settings) === "adamw";
    return mergingRule(merge, {
      ...(own ? { betas: [beta1, beta2], eps: settings.eps } : { base: proposal(settings) }),
      ...{
        alpha,
        reserveP,
        onlineStep,
        tauScale,
        preset: mergePreset,
        weightDecay: rate,
        decays: exceptNormsAndBiases,
        lowRank: lowRankOf(settings),
      },
      rescaleL1: rescale === true || rescale === "l1" ? true : undefined,
    });
  }
  const p = settings.reserveP ?? 1;
  const proposed = proposal(settings);
  const masked =
    optim === "childtuning_f"
      ? childTuningF(proposed, p)
      : optim === "childtuning_d"
        ? childTuningD(proposed)
        : proposed;
  const inside = lowRankOf(settings);
  const rule = decayed(inside === undefined ? masked : lowRank(masked, inside), {
    rate,
    of: "weights before",
    decays: exceptNormsAndBiases,
  });
  if (optim !== "ema") return rule;
  return emaVariant === "shadow" ? shadow(rule, c) : pullback(rule, c);
};

/**
 * The optimizer that training options ask for. Weight decay leaves out biases and norm weights.
 * Errors: InputError for an unknown name, a setting that means nothing to the chosen optimizer, or a value out of range.
 */
export const trainingOptimizer = (settings: OptimizerSettings = {}): Optimizer => {
  checkSettings(settings);
  const rule = l2ToReference(ruleOf(settings), settings.l2Reference ?? 0);
  return optimizer(rule, {
    compensated: settings.compensated,
    storage: settings.stateDtype,
    weights: settings.weightsDtype,
  });
};
