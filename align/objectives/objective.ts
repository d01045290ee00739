import {
  add,
  cast,
  greater,
  iota,
  less,
  mul,
  neg,
  ShapeError,
  sliceAxis,
  sum,
  type Tensor,
  typeOf,
  zeros,
} from "../../core/index.js";
import type { ModelConfig } from "../../models/config.js";
import type { Params } from "../../models/parameters.js";
import type { ForwardOptions } from "../../models/transformer.js";
import type { TrainingBatch } from "../data/rows.js";
import { type BatchTensors, type Scored, scoreBatch, sequencesIn } from "./log-probs.js";
import {
  logRatio,
  meanLogp,
  type PairLossOptions,
  type PairLossType,
  type PairScores,
  pairLoss,
  REFERENCE_FREE,
  weightedLosses,
} from "./losses.js";
import {
  type Metrics,
  PAIR_SUMS,
  PAIR_TOKEN_SUMS,
  pairMetrics,
  pairTokenMetrics,
  TOKEN_SUMS,
  tokenMetrics,
  totals,
} from "./metrics.js";

/**
 * What is minimized, as a sum over units (target tokens, pairs): the loss of any union of batches is Σ sums / Σ units, so
 * that accumulated gradients equal those of the big batch exactly.
 */
export interface Objective {
  readonly name: string;
  /** Does it compare with a reference model? Then batches need `reference`, f32 [N]. */
  readonly usesReference: boolean;
  /** Does it drop some of what it reads while it trains? Then `sums` takes a batch's `dropoutKey`, u32 [2], if there is one. */
  readonly drops?: boolean;
  /** How many units a batch holds; counted on the host. */
  readonly units: (batch: TrainingBatch) => number;
  /** Σ of the units' losses, a scalar, and the totals [k] that `report` takes, that Σ first. */
  readonly sums: (params: Params, batch: BatchTensors) => readonly [loss: Tensor, totals: Tensor];
  /**
   * What it knows of a batch as a whole, as sums [k]. Where the rows of a batch are shared out over workers, these are added up over
   * all of them, and `sums` takes them as the batch's `gathered`.
   */
  readonly gathers?: (params: Params, batch: BatchTensors) => Tensor;
  /** Does it know a batch as a whole otherwise, so that its rows cannot be shared out? Says which part of it. */
  readonly whole?: string;
  /** Size of the totals. */
  readonly width: number;
  /** Totals, added up over any batches, → loss and metrics. */
  readonly report: (totals: ArrayLike<number>) => { readonly loss: number; readonly metrics: Metrics };
}

/** What every objective may be told. */
export interface ObjectiveOptions extends ForwardOptions {
  /** Also the metrics of tokens (entropy, accuracy, mean logits); default true. */
  readonly tokenMetrics?: boolean;
}

/** Cross-entropy of the targets, mean over tokens: base training and SFT. Source: TRL's SFTTrainer. */
export const completionObjective = (
  config: ModelConfig,
  { tokenMetrics: withTokens = true, ...forward }: ObjectiveOptions = {},
): Objective => {
  const options = { tokenMetrics: withTokens, ...forward };
  const of = totals("loss", ...TOKEN_SUMS);
  return {
    name: "sft",
    usesReference: false,
    units: ({ mask, rows, length }) => {
      let targets = 0;
      for (let i = 0; i < rows * length; i++) if (i % length > 0) targets += mask[i];
      return targets;
    },
    sums: (params, { ids, targets, starts }) => {
      const batch = { ids, targets, ...(starts && { starts }) };
      const { counts, logps, entropy, correct } = scoreBatch(params, config, batch, options);
      const loss = neg(sum(logps));
      return [loss, of.pack({ loss, targets: sum(counts), entropy: sum(entropy), correct: sum(correct) })];
    },
    width: of.names.length,
    report: (vector) => {
      const t = of.unpack(vector);
      return { loss: t.targets > 0 ? t.loss / t.targets : 0, metrics: withTokens ? tokenMetrics(t) : {} };
    },
  };
};

/** Options of `preferenceObjective`. */
export interface PreferenceOptions extends ObjectiveOptions, Partial<PairLossOptions> {
  /** One or several, whose weighted sum is the loss. Default "sigmoid". */
  readonly lossType?: PairLossType | readonly PairLossType[];
  /** Default: 1 each. */
  readonly lossWeights?: readonly number[];
}

/** β unless said, as TRL's. */
export const BETA = 0.1;

/** Chosen and rejected half of what stands [chosen …; rejected …]; [2B, …] → [B, …] twice. */
export const halves = (x: Tensor): readonly [Tensor, Tensor] => {
  const B = x.shape[0] / 2;
  return [sliceAxis(x, 0, 0, B), sliceAxis(x, 0, B, 2 * B)];
};

/** f32 [B] 1 for the first `examples` (a scalar; all if it is not given), 0 for the padding after them. */
export const realRows = (B: number, examples: Tensor | undefined): Tensor =>
  cast(less(iota([B], 0, "f32"), examples ?? B), "f32");

/** Pair scores of a scored block against the reference's log-probabilities f32 [2B]. */
const pairScores = (scored: Scored, reference: Tensor, real: Tensor): PairScores => {
  const [policy, tokens, ref] = [scored.logps, scored.counts, reference].map(halves);
  const side = (i: 0 | 1) => ({ policy: policy[i], reference: ref[i], tokens: tokens[i] });
  return { chosen: side(0), rejected: side(1), real };
};

/**
 * A loss on preference pairs, or a weighted sum of losses, mean over pairs. Batches are [chosen …; rejected …] with
 * `examples`, a scalar: of the B pairs the first so many count, the rest is padding. Metrics as TRL's DPOTrainer defines
 * them; the rewards of losses that know no reference are β l̄, as in TRL's CPOTrainer and ORPOTrainer.
 * `sft` and `kto_pair` look at the batch as a whole: their value depends on how pairs are cut into batches.
 * Errors: as `weightedLosses`.
 */
export const preferenceObjective = (
  config: ModelConfig,
  {
    lossType = "sigmoid",
    lossWeights,
    beta = BETA,
    labelSmoothing,
    simpoGamma,
    tokenMetrics: withTokens = true,
    ...forward
  }: PreferenceOptions = {},
): Objective => {
  const of = totals("loss", ...PAIR_SUMS, ...PAIR_TOKEN_SUMS);
  const options = { tokenMetrics: withTokens, ...forward };
  const losses = weightedLosses(lossType, lossWeights, { labelSmoothing });
  const usesReference = losses.some(([type]) => !REFERENCE_FREE.includes(type));
  const reward = usesReference ? logRatio : meanLogp;
  const wholeBatch = losses.find(([type]) => type === "sft" || type === "kto_pair");
  return {
    name: "dpo",
    usesReference,
    ...(wholeBatch !== undefined && { whole: `loss_type ${wholeBatch[0]}` }),
    units: ({ rows, examples }) => examples ?? rows / 2,
    sums: (params, batch) => {
      const { ids, examples, reference } = batch;
      const N = sequencesIn(batch);
      if (N % 2 !== 0)
        throw new ShapeError(`preferences: ids ${typeOf(ids)} hold no pairs`, "stack [chosen …; rejected …]");
      const scored = scoreBatch(params, config, batch, options);
      const real = realRows(N / 2, examples);
      const pairs = pairScores(scored, usesReference ? reference : zeros([N]), real);
      const all = (values: Tensor) => sum(mul(values, real));
      const loss = all(pairLoss(losses, pairs, { beta, labelSmoothing, simpoGamma }));
      const chosenReward = mul(beta, reward(pairs.chosen));
      const rejectedReward = mul(beta, reward(pairs.rejected));
      const bySide = (values: Tensor) => halves(values).map(all);
      const [chosenLogits, rejectedLogits] = bySide(scored.meanLogit);
      const [chosenEntropy, rejectedEntropy] = bySide(scored.entropy);
      const packed = of.pack({
        loss,
        pairs: sum(real),
        chosenReward: all(chosenReward),
        rejectedReward: all(rejectedReward),
        accurate: all(cast(greater(chosenReward, rejectedReward), "f32")),
        chosenLogp: all(pairs.chosen.policy),
        rejectedLogp: all(pairs.rejected.policy),
        chosenTargets: all(pairs.chosen.tokens),
        rejectedTargets: all(pairs.rejected.tokens),
        chosenLogits,
        rejectedLogits,
        pairEntropy: add(chosenEntropy, rejectedEntropy),
        chosenCorrect: bySide(scored.correct)[0],
      });
      return [loss, packed];
    },
    width: of.names.length,
    report: (vector) => {
      const t = of.unpack(vector);
      const tokens = withTokens ? pairTokenMetrics(t) : {};
      return { loss: t.pairs > 0 ? t.loss / t.pairs : 0, metrics: { ...pairMetrics(t), ...tokens } };
    },
  };
};
