import { InputError, sameShape, sub, treeMap } from "../core/index.js";
import type { Params } from "../models/parameters.js";
import { type AdamWOptions, adamW } from "../optim/adamw.js";
import { exceptNormsAndBiases } from "../optim/decay.js";
import { onDare } from "../optim/on-dare.js";
import { onTies } from "../optim/on-ties.js";
import type { Optimizer } from "../optim/optimizer.js";
import type { MergingOptions } from "../optim/preset.js";

/** Optimizers by the name that `optim` gives them. */
const OPTIMIZERS = {
  adamw: undefined,
  ondare: onDare,
  onties: onTies,
} as const;

export type OptimizerName = keyof typeof OPTIMIZERS;
export const OPTIMIZER_NAMES = Object.keys(OPTIMIZERS) as readonly OptimizerName[];

/** Training options that choose and shape the optimizer; names in the docs are those of the configuration. */
export interface OptimizerSettings {
  /** `optim`. Default "adamw". */
  readonly optim?: OptimizerName;
  /** `adam_beta1`, `adam_beta2`. Default [0.9, 0.999]. */
  readonly betas?: readonly [number, number];
  /** `adam_epsilon`. Default 1e-8; 1e-6 with preset "official". */
  readonly eps?: number;
  /** `weight_decay`, on everything but biases and norm weights. Default 0, as Hugging Face's Trainer. */
  readonly weightDecay?: number;
  /** `alpha`: merging weight of the reference delta. */
  readonly alpha?: number;
  /** `reserve_p`: what share of update and reference delta is kept. */
  readonly reserveP?: number;
  /** `online_step`: K, merge every K steps. */
  readonly onlineStep?: number;
  /** `rescale`: true or "l1" gives what is kept of an update the L1 norm of the whole; preset "official" only. */
  readonly rescale?: boolean | "l1";
  /** `merge_preset`. Default "paper". */
  readonly mergePreset?: "paper" | "official";
}

const MERGING = ["alpha", "reserveP", "onlineStep", "rescale", "mergePreset"] as const;

/**
 * The optimizer that training options ask for. Weight decay leaves out biases and norm weights.
 * Errors: InputError for an unknown name, a merging option where nothing merges, or a value out of range.
 */
export const trainingOptimizer = (settings: OptimizerSettings = {}): Optimizer => {
  const { optim = "adamw", betas, eps, weightDecay = 0, alpha, reserveP, onlineStep, rescale, mergePreset } = settings;
  if (!Object.hasOwn(OPTIMIZERS, optim))
    throw new InputError(`optim is "${optim}"; it must be one of ${OPTIMIZER_NAMES.join(", ")}`);
  if (rescale !== undefined && typeof rescale !== "boolean" && rescale !== "l1")
    throw new InputError(`rescale is "${rescale}"; it must be true, false or "l1"`);
  const shared: AdamWOptions & MergingOptions = { betas, eps, weightDecay, decays: exceptNormsAndBiases };
  const merging = OPTIMIZERS[optim];
  if (merging === undefined) {
    const foreign = MERGING.find((option) => settings[option] !== undefined);
    if (foreign !== undefined)
      throw new InputError(`optim "${optim}" merges nothing, so ${foreign} has no meaning; use ondare or onties`);
    return adamW(shared);
  }
  const rescaleL1 = rescale === true || rescale === "l1" ? true : undefined;
  return merging({ ...shared, alpha, reserveP, onlineStep, preset: mergePreset, rescaleL1 });
};

/**
 * refDelta τ = θ_reference − θ_base, parameter by parameter, as a graph.
 * Errors: InputError naming the first tensor that one of them lacks, or that differs in shape.
 */
export const referenceDelta = (reference: Params, base: Params): Params => {
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
