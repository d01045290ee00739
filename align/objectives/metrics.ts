import { concat, reshape, type Tensor } from "../../core/index.js";

/**
 * Sums over examples and tokens from which metrics are computed: sums add up over batches, devices and logging intervals,
 * and a mean of means does not. One f32 [k] vector on the device, a record of numbers on the host.
 */
export interface Totals<N extends string> {
  readonly names: readonly N[];
  /** Scalars by name → [k]. */
  readonly pack: (sums: Readonly<Record<N, Tensor>>) => Tensor;
  readonly unpack: (vector: ArrayLike<number>) => Record<N, number>;
}

export const totals = <N extends string>(...names: readonly N[]): Totals<N> => ({
  names,
  pack: (sums) =>
    concat(
      names.map((name) => reshape(sums[name], [1])),
      0,
    ),
  unpack: (vector) => Object.fromEntries(names.map((name, i) => [name, vector[i]])) as Record<N, number>,
});

/** A mean, 0 over nothing (as TRL logs it). */
const share = (sum: number, count: number): number => (count > 0 ? sum / count : 0);

/** Metrics under the names that TRL logs. */
export type Metrics = Readonly<Record<string, number>>;

/** What is summed over the targets of sequences, beside the loss. */
export const TOKEN_SUMS = ["targets", "entropy", "correct"] as const;
type TokenSums = Readonly<Record<(typeof TOKEN_SUMS)[number], number>>;

/** `entropy` in nats and `mean_token_accuracy`, over the targets. */
export const tokenMetrics = ({ targets, entropy, correct }: TokenSums): Metrics => ({
  entropy: share(entropy, targets),
  mean_token_accuracy: share(correct, targets),
});

/** What is summed over pairs. */
export const PAIR_SUMS = ["pairs", "chosenReward", "rejectedReward", "accurate", "chosenLogp", "rejectedLogp"] as const;
type PairSums = Readonly<Record<(typeof PAIR_SUMS)[number], number>>;

/**
 * TRL's metrics of pairs:
 *   rewards/chosen, rewards/rejected   β·r, mean over pairs;  rewards/margins their difference
 *   rewards/accuracies                 share of pairs with chosen > rejected, strictly
 *   logps/chosen, logps/rejected       log-probability of the completion, summed over tokens, mean over pairs
 */
export const pairMetrics = (sums: PairSums): Metrics => {
  const mean = (sum: number) => share(sum, sums.pairs);
  return {
    "rewards/chosen": mean(sums.chosenReward),
    "rewards/rejected": mean(sums.rejectedReward),
    "rewards/accuracies": mean(sums.accurate),
    "rewards/margins": mean(sums.chosenReward - sums.rejectedReward),
    "logps/chosen": mean(sums.chosenLogp),
    "logps/rejected": mean(sums.rejectedLogp),
  };
};

/** What is summed over the targets of pairs. */
export const PAIR_TOKEN_SUMS = [
  "chosenTargets",
  "rejectedTargets",
  "chosenLogits",
  "rejectedLogits",
  "pairEntropy",
  "chosenCorrect",
] as const;
type PairTokenSums = Readonly<Record<(typeof PAIR_TOKEN_SUMS)[number], number>>;

/**
 * TRL's metrics of the tokens of pairs:
 *   logits/chosen, logits/rejected     mean over the vocabulary and over the side's target positions
 *   entropy                            mean over the targets of both sides, in nats
 *   mean_token_accuracy                share of chosen's targets that are the most probable token
 */
export const pairTokenMetrics = (sums: PairTokenSums): Metrics => ({
  "logits/chosen": share(sums.chosenLogits, sums.chosenTargets),
  "logits/rejected": share(sums.rejectedLogits, sums.rejectedTargets),
  entropy: share(sums.pairEntropy, sums.chosenTargets + sums.rejectedTargets),
  mean_token_accuracy: share(sums.chosenCorrect, sums.chosenTargets),
});

/** What is summed over labelled answers, by label (wanted: chosen), and over batches. */
export const KTO_SUMS = [
  ...(["rows", "chosen", "rejected", "chosenReward", "rejectedReward", "chosenLogp", "rejectedLogp"] as const),
  ...(["batches", "kl"] as const),
] as const;
type KtoSums = Readonly<Record<(typeof KTO_SUMS)[number], number>>;

/**
 * TRL's metrics of labelled answers: `kl` (nats, mean over batches), and those of pairs, means over the answers of a label.
 * What would be a mean over no answers is left out, as TRL leaves it out.
 */
export const ktoMetrics = (sums: KtoSums): Metrics => {
  const { chosen, rejected, chosenReward, rejectedReward } = sums;
  return {
    kl: share(sums.kl, sums.batches),
    ...(chosen > 0 && { "rewards/chosen": chosenReward / chosen, "logps/chosen": sums.chosenLogp / chosen }),
    ...(rejected > 0 && {
      "rewards/rejected": rejectedReward / rejected,
      "logps/rejected": sums.rejectedLogp / rejected,
    }),
    ...(chosen > 0 && rejected > 0 && { "rewards/margins": chosenReward / chosen - rejectedReward / rejected }),
  };
};

/** What is summed over the targets of labelled answers. */
export const KTO_TOKEN_SUMS = [
  "chosenTargets",
  "rejectedTargets",
  "chosenLogits",
  "rejectedLogits",
  "entropy",
] as const;
type KtoTokenSums = Readonly<Record<(typeof KTO_TOKEN_SUMS)[number], number>>;

/** TRL's metrics of their tokens, as those of pairs; logits of a label without targets are left out. */
export const ktoTokenMetrics = (sums: KtoTokenSums): Metrics => {
  const { chosenTargets, rejectedTargets } = sums;
  return {
    ...(chosenTargets > 0 && { "logits/chosen": sums.chosenLogits / chosenTargets }),
    ...(rejectedTargets > 0 && { "logits/rejected": sums.rejectedLogits / rejectedTargets }),
    entropy: share(sums.entropy, chosenTargets + rejectedTargets),
  };
};
