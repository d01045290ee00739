import * as of from "../../core/elementary.js";
import { asks, expects } from "../../core/expects.js";
import {
  add,
  broadcastTo,
  div,
  InputError,
  log,
  logSigmoid,
  maximum,
  minimum,
  mul,
  neg,
  sigmoid,
  square,
  stopGradient,
  sub,
  sum,
  type Tensor,
  tanh,
} from "../../core/index.js";

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
  /** f32 [B] 1 for a pair, 0 for padding: losses that look at the whole batch leave it out. */
  readonly real: Tensor;
}

/** Options of the losses on pairs; units and defaults are TRL's. */
export interface PairLossOptions {
  /** β: how strongly the policy is held to the reference; units of 1/nat. */
  readonly beta: number;
  /** ε: probability that a label is flipped, of the losses in `SMOOTHED`. Default 0. */
  readonly labelSmoothing?: number;
  /** γ: the margin that `simpo` asks for, in nats. Default 0.5, as TRL's. */
  readonly simpoGamma?: number;
}

/** r = log π/π_ref of the completions, [B]. */
export const logRatio = asks(
  "logRatio",
  "record",
  ({ policy, reference }: SideScores): Tensor => sub(policy, reference),
);

const perToken = (sums: Tensor, { tokens }: SideScores): Tensor => div(sums, maximum(tokens, 1));

/** l̄ = log π per token of the completions, [B]; 0 for a completion without tokens. */
export const meanLogp = asks("meanLogp", "record", (side: SideScores): Tensor => perToken(side.policy, side));

/** −log σ(x) */
const surprise = (x: Tensor): Tensor => neg(logSigmoid(x));

/** Nearer to 0 than this a mean log-probability is too certain for its odds to be a number. */
const CERTAIN = -1e-6;
/** log(p / (1−p)) of p = eˡ, without cancellation: 1−p = (1+p)·tanh(−l/2). */
const logOdds = (l: Tensor): Tensor => {
  const held = minimum(l, CERTAIN);
  return sub(logSigmoid(held), log(tanh(mul(-0.5, held))));
};

/** What the formulas are written in. Tensors are [B] where nothing else is said. */
const pairTerms = (
  { chosen, rejected, real }: PairScores,
  { beta, labelSmoothing = 0, simpoGamma = 0.5 }: PairLossOptions,
) => {
  const [rw, rl] = [logRatio(chosen), logRatio(rejected)];
  const overReal = (values: Tensor) => sum(mul(values, real));
  const meanKl = (r: Tensor) => stopGradient(maximum(div(overReal(r), maximum(sum(real), 1)), 0));
  return {
    beta,
    eps: labelSmoothing,
    gamma: simpoGamma,
    rw,
    rl,
    /** β r */
    w: mul(beta, rw),
    l: mul(beta, rl),
    /** z = β (r_w − r_l) */
    z: mul(beta, sub(rw, rl)),
    /** r̄, per token */
    rwMean: perToken(rw, chosen),
    rlMean: perToken(rl, rejected),
    /** l̄, per token */
    lw: meanLogp(chosen),
    ll: meanLogp(rejected),
    /** β KL, scalars: KL = max(0, mean of r over the batch); no gradient passes. */
    klW: mul(beta, meanKl(rw)),
    klL: mul(beta, meanKl(rl)),
    /** Cross-entropy of the chosen completions, mean over all tokens of the batch; a scalar. */
    nll: neg(div(overReal(chosen.policy), maximum(overReal(chosen.tokens), 1))),
  };
};
type PairTerms = ReturnType<typeof pairTerms>;

/** Loss of each pair, f32 [B] (or a scalar: the same for each). */
type PairFormula = (terms: PairTerms) => Tensor;

/**
 * Losses on pairs by `loss_type`: TRL's names, definitions and scale, and `cdpo`, `kto_pair`, `simpo`, `orpo` by their own.
 * ```text
 * sigmoid    −log σ(z)                                                         DPO, Rafailov et al. 2023; ignores ε, as TRL's
 * cdpo       −(1−ε) log σ(z) − ε log σ(−z)                                     conservative DPO, Mitchell 2023
 * robust     [−(1−ε) log σ(z) + ε log σ(−z)] / (1−2ε)                          Chowdhury et al. 2024
 * hinge      max(0, 1−z)                                                       SLiC, Zhao et al. 2023
 * ipo        (r̄_w − r̄_l − 1/(2β))²                                             Azar et al. 2023, eq. 17, per token
 * exo_pair   σ(z) log(σ(z)/(1−ε)) + σ(−z) log(σ(−z)/ε)                         Ji et al. 2024, eq. 16; ε > 0
 * nca_pair   −log σ(βr_w) − ½ log σ(−βr_w) − ½ log σ(−βr_l)                    Chen et al. 2024
 * sppo_hard  (r_w − 1/(2β))² + (r_l + 1/(2β))²                                 Wu et al. 2024, eq. 4.7, hard labels
 * apo_zero   1 − σ(βr_w) + σ(βr_l)                                             D'Oosterlinck et al. 2024, eq. 7
 * apo_down   σ(βr_w) + 1 − σ(z)                                                the same, eq. 8
 * kto_pair   ½ (1 − σ(β(r_w − KL_l))) + ½ (1 − σ(β(KL_w − r_l)))               Ethayarajh et al. 2024, on pairs
 * simpo      −log σ(β(l̄_w − l̄_l) − γ)                                          Meng et al. 2024; no reference
 * orpo       −l̄_w − β log σ(log-odds_w − log-odds_l), odds of e^l̄              Hong et al. 2024, eq. 6-7; no reference
 * sft        −Σ l_w / Σ tokens over the batch, the same for each pair          TRL's term; no reference
 * ```
 * 1 − σ(x) is written σ(−x), which keeps its digits.  Laws 31-36 hold for them; see props/align/objectives.
 */
export const pairLosses = {
  sigmoid: ({ z }) => surprise(z),
  cdpo: ({ z, eps }) => add(mul(1 - eps, surprise(z)), mul(eps, surprise(neg(z)))),
  robust: ({ z, eps }) => div(sub(mul(1 - eps, surprise(z)), mul(eps, surprise(neg(z)))), 1 - 2 * eps),
  hinge: ({ z }) => maximum(sub(1, z), 0),
  ipo: ({ rwMean, rlMean, beta }) => square(sub(sub(rwMean, rlMean), 0.5 / beta)),
  exo_pair: ({ z, eps }) =>
    add(
      mul(sigmoid(z), sub(logSigmoid(z), of.log1p(-eps))),
      mul(sigmoid(neg(z)), sub(logSigmoid(neg(z)), of.log(eps))),
    ),
  nca_pair: ({ w, l }) => add(surprise(w), mul(0.5, add(surprise(neg(w)), surprise(neg(l))))),
  sppo_hard: ({ rw, rl, beta }) => add(square(sub(rw, 0.5 / beta)), square(add(rl, 0.5 / beta))),
  apo_zero: ({ w, l }) => add(sigmoid(neg(w)), sigmoid(l)),
  apo_down: ({ w, z }) => add(sigmoid(w), sigmoid(neg(z))),
  kto_pair: ({ w, l, klW, klL }) => mul(0.5, add(sigmoid(sub(klL, w)), sigmoid(sub(l, klW)))),
  simpo: ({ lw, ll, beta, gamma }) => surprise(sub(mul(beta, sub(lw, ll)), gamma)),
  orpo: ({ lw, ll, beta }) => sub(mul(beta, surprise(sub(logOdds(lw), logOdds(ll)))), lw),
  sft: ({ nll }) => nll,
} satisfies Record<string, PairFormula>;

/** A loss on pairs by its name (`loss_type`). */
export type PairLossType = keyof typeof pairLosses;

/** Names that `loss_type` may have. */
export const PAIR_LOSS_TYPES = Object.keys(pairLosses) as readonly PairLossType[];

/** Those that never look at the reference. */
export const REFERENCE_FREE: readonly PairLossType[] = ["simpo", "orpo", "sft"];

/** Those that read `labelSmoothing`. */
export const SMOOTHED: readonly PairLossType[] = ["cdpo", "robust", "exo_pair"];

/** Losses with their weights. */
export type WeightedLosses = readonly (readonly [PairLossType, weight: number])[];

/** The weighted sum of losses for each pair, f32 [B]. Law: linear in the weights. */
export const pairLoss = (losses: WeightedLosses, scores: PairScores, options: PairLossOptions): Tensor => {
  expects("pairLoss", "array record record", losses, scores, options);
  const terms = pairTerms(scores, options);
  const weighed = losses.map(([type, weight]) => mul(weight, pairLosses[type](terms)));
  const total = weighed.reduce((before, one) => add(before, one));
  return broadcastTo(total, scores.real.shape); // a scalar is every pair's
};

/**
 * `loss_type` and `loss_weights` (default: 1 each) as pairs.
 * Errors: InputError for no loss, a name twice, another number of weights, and for ε = 0 where `exo_pair` takes its logarithm.
 */
export const weightedLosses = asks(
  "weightedLosses",
  "any any record",
  (
    lossType: PairLossType | readonly PairLossType[],
    weights: readonly number[] | undefined,
    { labelSmoothing = 0 }: Pick<PairLossOptions, "labelSmoothing">,
  ): WeightedLosses => {
    const types: readonly PairLossType[] = typeof lossType === "string" ? [lossType] : lossType;
    if (types.length === 0) throw new InputError("loss_type names no loss");
    const twice = types.find((type, i) => types.indexOf(type) !== i);
    if (twice !== undefined) throw new InputError(`loss_type names ${twice} twice; add up its weights instead`);
    if (weights !== undefined && weights.length !== types.length)
      throw new InputError(
        `loss_weights holds ${weights.length} for ${types.length} in loss_type (${types.join(", ")}); give one for each`,
      );
    if (types.includes("exo_pair") && labelSmoothing === 0)
      throw new InputError("exo_pair takes the logarithm of label_smoothing; make it larger than 0, such as 1e-3");
    return types.map((type, i) => [type, weights?.[i] ?? 1]);
  },
);
