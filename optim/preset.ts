import { expects } from "../core/expects.js";
import { InputError } from "../core/index.js";
import { type AdamForm, adam } from "./bases/adam.js";
import { within } from "./check.js";
import { type Decay, decayed } from "./decay.js";
import { type LowRankOptions, lowRank } from "./low-rank/low-rank.js";
import { type LiftOptions, type Optimizer, optimizer } from "./optimizer.js";
import { MERGES, type MergeName, type Resolved } from "./pieces.js";
import type { Rule } from "./rule.js";
import { stepK } from "./step-k.js";

/** Options that OnDARE and OnTIES share. */
export interface MergingOptions extends LiftOptions {
  /** The paper's equations, or the authors' released classes bit by bit of their behaviour. Default "paper". */
  readonly preset?: "paper" | "official";
  /** Reserve rate p of both sparsifiers, in [0, 1]. Default 1. */
  readonly reserveP?: number;
  /** Merging weight α of the reference delta, in [0, 1]. Default 0. */
  readonly alpha?: number;
  /** K: merge at every K-th step (`online_step`). Default 1. */
  readonly onlineStep?: number;
  /** Default [0.9, 0.999]. */
  readonly betas?: readonly [number, number];
  /** Adam's ε. Default 1e-8 (paper), 1e-6 (official). */
  readonly eps?: number;
  /** Decoupled weight decay λ: of the weights before the update (paper), after it (official). Default 0. */
  readonly weightDecay?: number;
  /** Which parameters decay, by name. Default: all. */
  readonly decays?: Decay["decays"];
  /** Another base rule than the preset's Adam, such as sgd(). */
  readonly base?: Rule;
  /** "update": F(τ) gets the L2 norm of Δ, tensor by tensor, and α no unit. Default "none".  Source: this project's own proposal. */
  readonly tauScale?: "none" | "update";
  /** Merge in a few directions of each matrix's gradients. */
  readonly lowRank?: LowRankOptions;
  /** Official only: give F(Δ) the L1 norm that Δ had (`rescale`). Default false. */
  readonly rescaleL1?: boolean;
  /** Official only: Adam's bias correction. Default true. */
  readonly correctBias?: boolean;
  /** Official only: false leaves the reference delta out of the sum. Default true. */
  readonly useMerge?: boolean;
}

const OFFICIAL_ONLY = ["rescaleL1", "correctBias", "useMerge"] as const;

const resolve = (name: string, options: MergingOptions): Resolved => {
  const { preset = "paper", reserveP = 1, alpha = 0, rescaleL1 = false, useMerge = true } = options;
  if (preset !== "paper" && preset !== "official")
    throw new InputError(`${name}: preset is "${preset}"; it must be "paper" or "official"`);
  within(name, "reserveP", reserveP, 0, 1);
  within(name, "alpha", alpha, 0, 1);
  const official = preset === "official";
  const foreign = OFFICIAL_ONLY.find((option) => !official && options[option] !== undefined);
  if (foreign !== undefined) throw new InputError(`${name}: ${foreign} belongs to preset "official"`);
  return { official, p: reserveP, alpha, eps: options.eps ?? (official ? 1e-6 : 1e-8), rescaleL1, useMerge };
};

/**
 * Adam → merge every K steps → decay, in the preset's way: the rule of one parameter.
 * Errors: InputError for an option out of range, or that the preset does not have.
 */
export const mergingRule = (name: MergeName, options: MergingOptions): Rule => {
  expects("mergingRule", "text record", name, options);
  if (!Object.hasOwn(MERGES, name))
    throw new InputError(`mergingRule: "${name}" is no merge; use one of ${Object.keys(MERGES).join(", ")}`);
  const resolved = resolve(name, options);
  const { betas, onlineStep = 1, weightDecay = 0, decays, correctBias = true, tauScale = "none" } = options;
  if (tauScale !== "none" && tauScale !== "update")
    throw new InputError(`${name}: tauScale is "${tauScale}"; it must be "none" or "update"`);
  const form: AdamForm = resolved.official ? (correctBias ? "released" : "uncorrected") : "paper";
  const base = { ...(options.base ?? adam({ betas, eps: resolved.eps, form })), name };
  const of = resolved.official ? "weights after" : "weights before";
  const merge = { ...MERGES[name](resolved), tauScaled: tauScale === "update" };
  const merged = stepK(base, merge, onlineStep);
  const rule = options.lowRank === undefined ? merged : lowRank(merged, options.lowRank);
  return decayed(rule, { rate: weightDecay, of, decays });
};

/** `mergingRule` over trees. */
export const merging = (name: MergeName, options: MergingOptions): Optimizer =>
  optimizer(mergingRule(name, options), options);
