import { expects } from "../../core/expects.js";
import { InputError, sameShape, sub, treeMap } from "../../core/index.js";
import type { Params } from "../../models/parameters.js";
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
  type MergeName,
  mergingRule,
  muon,
  type Optimizer,
  optimizer,
  PROJECTED_STEPS,
  pullback,
  type Rule,
  type StateType,
  scheduleFree,
  sgd,
  shadow,
} from "../../optim/index.js";
import { checkRule } from "../../optim/rule-check.js";

/** What each `optim` is made of. */
const OPTIMIZERS = {
  adamw: "proposal",
  sgd: "proposal",
  lion: "proposal",
  muon: "proposal",
  adafactor: "proposal",
  schedule_free_adamw: "proposal",
  ondare: "onDare",
  onties: "onTies",
  ondare_ties: "onDareTies",
  onmagnitude: "onMagnitude",
  childtuning_f: "childTuning",
  childtuning_d: "childTuning",
  ema: "ema",
} as const satisfies Record<string, "proposal" | "childTuning" | "ema" | MergeName>;

/** An optimizer by its name (`optim`). */
export type OptimizerName = keyof typeof OPTIMIZERS;
/** Names that `optim` may have. */
export const OPTIMIZER_NAMES = Object.keys(OPTIMIZERS) as readonly OptimizerName[];

/** Rules that propose an update: on their own, or under the others. */
export const PROPOSALS = [
  "adamw",
  "sgd",
  "lion",
  "muon",
  "adafactor",
  "schedule_free_adamw",
] as const satisfies readonly OptimizerName[];
/** A base optimizer that merges go over, by name. */
export type ProposalName = (typeof PROPOSALS)[number];

/** Training options that choose and shape the optimizer; names in the docs are those of the configuration. */
export interface OptimizerSettings {
  /** `optim`: a name, or a rule of one's own. Default "adamw". */
  readonly optim?: OptimizerName | Rule;
  /** `base_optim`: what proposes the update that the others merge, mask or average. Default "adamw". */
  readonly baseOptim?: ProposalName | Rule;
  /** `adam_beta1`, `adam_beta2`; Lion's and Schedule-Free's too. Default [0.9, 0.999], Lion [0.9, 0.99]. */
  readonly betas?: readonly [number | undefined, number | undefined];
  /** `adam_epsilon`. Default 1e-8; 1e-6 with preset "official". */
  readonly eps?: number;
  /** `momentum` of sgd, default 0, and of muon, default 0.95. */
  readonly momentum?: number;
  /** `weight_decay`, on everything but biases and norm weights. Default 0, as Hugging Face's Trainer. */
  readonly weightDecay?: number;
  /** `alpha`: merging weight of the reference delta. */
  readonly alpha?: number;
  /** `reserve_p`: what share of update and reference delta, or under ChildTuning of the gradient, is kept. */
  readonly reserveP?: number;
  /** `online_step`: K, merge every K steps. */
  readonly onlineStep?: number;
  /** `rescale`: true or "l1" gives what is kept of an update the L1 norm of the whole; preset "official" only. */
  readonly rescale?: boolean | "l1";
  /** `merge_preset`. Default "paper". */
  readonly mergePreset?: "paper" | "official";
  /** Merging: "update" gives τ the norm of each step's update, tensor by tensor, and α no unit. Default "none". */
  readonly tauScale?: "none" | "update";
  /** `ema_variant`: train on and hand out the average, or pull the weights to the reference. Default "shadow". */
  readonly emaVariant?: "shadow" | "pullback";
  /** `ema_coefficient`: how far a step moves the average, or the weights. Default 1e-3. */
  readonly emaCoefficient?: number;
  /** `l2_reference`: λ of the penalty (λ/2)·‖w − θ_ref‖². Default 0. */
  readonly l2Reference?: number;
  /** `projection_rank`: the rule, merge and all, in so many directions of each matrix's gradient. Default: none is projected. */
  readonly projectionRank?: number;
  /** `projection_interval`: steps that those directions serve. Default 200. */
  readonly projectionInterval?: number;
  /** `compensated`: keep what rounding takes from the weights. Default false. */
  readonly compensated?: boolean;
  /** `optim_state_dtype`: how moments and τ are stored. Default "f32". */
  readonly stateDtype?: StateType;
  /** `dtype`: how the weights that are trained are kept, whatever the checkpoint's dtype. Default "f32". */
  readonly weightsDtype?: StateType;
}

const kindOf = ({ optim = "adamw" }: OptimizerSettings) => (typeof optim === "string" ? OPTIMIZERS[optim] : "proposal");
const mergesBy = (settings: OptimizerSettings): MergeName | undefined => {
  const kind = kindOf(settings);
  return kind === "proposal" || kind === "childTuning" || kind === "ema" ? undefined : kind;
};
/** Does an optimizer of this name read the keys of merging: alpha, online_step, …? */
export const readsMergingKeys = (optim: OptimizerName | Rule): boolean => mergesBy({ optim }) !== undefined;
/** Does it merge with a reference delta? */
export const mergesDelta = (optim: OptimizerName | Rule): boolean =>
  typeof optim === "string" ? readsMergingKeys(optim) : optim.usesTau;

const proposalOf = ({ optim = "adamw", baseOptim = "adamw" }: OptimizerSettings): ProposalName | Rule =>
  typeof optim === "string" ? (PROPOSALS.find((name) => name === optim) ?? baseOptim) : optim;
const nameOf = (optim: string | Rule): string => (typeof optim === "string" ? optim : optim.name);

/** Who a setting speaks to: the key as the configuration spells it, whom it is for, and who that is in words. */
type Home = readonly [key: string, fits: (settings: OptimizerSettings) => boolean, whom: string];
const merging: Home[1] = (settings) => mergesBy(settings) !== undefined;
const over =
  (...names: readonly ProposalName[]): Home[1] =>
  (settings) =>
    names.some((name) => name === proposalOf(settings));
const MERGING = OPTIMIZER_NAMES.filter(readsMergingKeys).join(", ");
const HOMES: { readonly [K in keyof OptimizerSettings]: Home } = {
  alpha: ["alpha", merging, MERGING],
  onlineStep: ["online_step", merging, MERGING],
  rescale: ["rescale", merging, MERGING],
  mergePreset: ["merge_preset", merging, MERGING],
  tauScale: ["tau_scale", merging, MERGING],
  reserveP: [
    "reserve_p",
    (settings) => merging(settings) || kindOf(settings) === "childTuning",
    `${MERGING}, childtuning_f, childtuning_d`,
  ],
  baseOptim: ["base_optim", (settings) => kindOf(settings) !== "proposal", "optimizers over another one"],
  emaVariant: ["ema_variant", (settings) => kindOf(settings) === "ema", "ema"],
  emaCoefficient: ["ema_coefficient", (settings) => kindOf(settings) === "ema", "ema"],
  projectionRank: [
    "projection_rank",
    (settings) => settings.optim !== "childtuning_d" && proposalOf(settings) !== "schedule_free_adamw",
    "optimizers that hand out no average of their own and have no mask of whole matrices",
  ],
  projectionInterval: [
    "projection_interval",
    ({ projectionRank }) => projectionRank !== undefined,
    "runs with projection_rank",
  ],
  momentum: ["momentum", over("sgd", "muon"), "sgd and muon"],
  eps: ["adam_epsilon", over("adamw", "schedule_free_adamw"), "adamw and schedule_free_adamw"],
  betas: [
    "adam_beta1 or adam_beta2",
    over("adamw", "lion", "schedule_free_adamw"),
    "adamw, lion and schedule_free_adamw",
  ],
};

/** Errors: InputError for a rule of one's own that asks for what nobody hands it there. */
const checkOwn = (key: string, rule: string | Rule, ...uses: readonly ("usesMask" | "usesTau")[]): void => {
  const asks = typeof rule === "string" ? undefined : uses.find((use) => rule[use]);
  if (asks === "usesMask")
    throw new InputError(`${key}: ${nameOf(rule)} usesMask, and none is estimated for it; now.draw draws one`);
  if (asks === "usesTau")
    throw new InputError(`${key}: ${nameOf(rule)} usesTau by itself; give it as optim, or a rule that only proposes`);
};

/** Errors: InputError for an unknown name, or a setting that means nothing to the chosen optimizer. */
const checkSettings = (settings: OptimizerSettings): void => {
  const { optim: chosen = "adamw", baseOptim: below = "adamw", rescale, emaVariant = "shadow" } = settings;
  const oneOf = (key: string, value: string | Rule, names: readonly string[]) => {
    if (typeof value !== "string") checkRule(value, key);
    else if (!names.includes(value))
      throw new InputError(`${key} is "${value}"; it must be one of ${names.join(", ")}`);
  };
  oneOf("optim", chosen, OPTIMIZER_NAMES);
  oneOf("base_optim", below, PROPOSALS);
  checkOwn("optim", chosen, "usesMask");
  checkOwn("base_optim", below, "usesMask", "usesTau");
  const [optim, baseOptim] = [nameOf(chosen), nameOf(below)];
  oneOf("ema_variant", emaVariant, ["shadow", "pullback"]);
  if (rescale !== undefined && typeof rescale !== "boolean" && rescale !== "l1")
    throw new InputError(`rescale is "${rescale}"; it must be true, false or "l1"`);
  const over = kindOf(settings) === "proposal" ? "" : ` over ${baseOptim}`;
  for (const [name, [key, fits, whom]] of Object.entries(HOMES) as [keyof OptimizerSettings, Home][]) {
    const value = settings[name];
    const given = Array.isArray(value) ? value.some((x) => x !== undefined) : value !== undefined;
    if (given && !fits(settings))
      throw new InputError(`optim "${optim}"${over}: ${key} has no meaning there; it belongs to ${whom}`);
  }
  const { reserveP } = settings;
  if (kindOf(settings) !== "childTuning") return;
  if (reserveP === undefined)
    throw new InputError(`optim "${optim}" needs reserve_p, the share of the gradient that is kept`);
  if (!(reserveP >= 0 && reserveP <= 1))
    throw new InputError(`optim "${optim}": reserve_p is ${reserveP}; it must lie in [0, 1]`);
};

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

/**
 * refDelta τ = θ_reference − θ_base, parameter by parameter, as a graph.
 * Errors: InputError naming the first tensor that one of them lacks, or that differs in shape.
 */
export const referenceDelta = (reference: Params, base: Params): Params => {
  expects("referenceDelta", "record record", reference, base);
  const names = Object.keys(reference);
  const lonely = [
    ...names.filter((name) => !Object.hasOwn(base, name)),
    ...Object.keys(base).filter((name) => !Object.hasOwn(reference, name)),
  ];
  if (lonely.length > 0) {
    const [who, other] = Object.hasOwn(base, lonely[0]) ? ["base", "reference"] : ["reference", "base"];
    throw new InputError(
      `tensor "${lonely[0]}" is in the ${who} model but not in the ${other} model; they must be one architecture`,
    );
  }
  return treeMap((t, name) => {
    const b = base[name];
    if (!sameShape(t.shape, b.shape))
      throw new InputError(
        `tensor "${name}" is [${t.shape}] in the reference model and [${b.shape}] in the base model; they must be one architecture`,
      );
    return sub(t, b);
  }, reference);
};
