import type { MergeName, Rule, StateType } from "../../../optim/index.js";

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

/** What an optimizer is made of. */
export const kindOf = ({ optim = "adamw" }: OptimizerSettings) =>
  typeof optim === "string" ? OPTIMIZERS[optim] : "proposal";
/** Its merge; undefined where it merges nothing. */
export const mergesBy = (settings: OptimizerSettings): MergeName | undefined => {
  const kind = kindOf(settings);
  return kind === "proposal" || kind === "childTuning" || kind === "ema" ? undefined : kind;
};
/** Does an optimizer of this name read the keys of merging: alpha, online_step, …? */
export const readsMergingKeys = (optim: OptimizerName | Rule): boolean => mergesBy({ optim }) !== undefined;
/** Does it merge with a reference delta? */
export const mergesDelta = (optim: OptimizerName | Rule): boolean =>
  typeof optim === "string" ? readsMergingKeys(optim) : optim.usesTau;

/** What proposes its update. */
export const proposalOf = ({ optim = "adamw", baseOptim = "adamw" }: OptimizerSettings): ProposalName | Rule =>
  typeof optim === "string" ? (PROPOSALS.find((name) => name === optim) ?? baseOptim) : optim;
/** A rule's name, as people call it. */
export const nameOf = (optim: string | Rule): string => (typeof optim === "string" ? optim : optim.name);
