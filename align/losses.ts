import { logSigmoid, mul, neg, sub, type Tensor } from "../core/index.js";

/** What policy and reference say about one side of the pairs; all f32 [B]. */
export interface SideScores {
  /** Log-probability of the completion under the policy, summed over its tokens. */
  readonly policy: Tensor;
  /** The same under the reference: numbers, not a function of the weights. */
  readonly reference: Tensor;
  /** Tokens of the completion. */
  readonly tokens: Tensor;
}

/** A batch of pairs, as losses see it. */
export interface PairScores {
  readonly chosen: SideScores;
  readonly rejected: SideScores;
}

export interface PairLossOptions {
  /** β: how strongly the policy is held to the reference; units of 1/nat. */
  readonly beta: number;
}

/** The loss of each pair, f32 [B]. */
export type PairLoss = (scores: PairScores, options: PairLossOptions) => Tensor;

/** r = log π/π_ref of the completions, [B]. */
export const logRatio = ({ policy, reference }: SideScores): Tensor => sub(policy, reference);

/** z = β (r_w − r_l), [B]. */
const scaledMargin = ({ chosen, rejected }: PairScores, beta: number): Tensor =>
  mul(beta, sub(logRatio(chosen), logRatio(rejected)));

/**
 * Losses on pairs by TRL's `loss_type`; each maps scores [B] to losses [B].
 *   sigmoid  −log σ(z)    Rafailov et al. 2023 (DPO); as in TRL, no label smoothing
 * Laws: log 2 where policy = reference; DPO(z) − DPO(−z) = −z; d/dr_w = −βσ(−z) = −d/dr_l.
 */
export const pairLosses = {
  sigmoid: (scores, { beta }) => neg(logSigmoid(scaledMargin(scores, beta))),
} satisfies Record<string, PairLoss>;

export type PairLossType = keyof typeof pairLosses;

/** Names that `loss_type` may have. */
export const PAIR_LOSS_TYPES = Object.keys(pairLosses) as readonly PairLossType[];
