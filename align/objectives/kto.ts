import { asks } from "../../core/expects.js";
import {
  add,
  div,
  maximum,
  mul,
  reshape,
  ShapeError,
  scalar,
  sigmoid,
  sliceAxis,
  stack,
  stopGradient,
  sub,
  sum,
  type Tensor,
  typeOf,
} from "../../core/index.js";
import type { ModelConfig } from "../../models/config.js";
import type { Params } from "../../models/parameters.js";
import { type BatchTensors, scoreTokens } from "./log-probs.js";
import { KTO_SUMS, KTO_TOKEN_SUMS, ktoMetrics, ktoTokenMetrics, totals } from "./metrics.js";
import { BETA, halves, type Objective, type ObjectiveOptions, realRows } from "./objective.js";

/** What the KTO loss sees of B labelled answers; all f32. */
export interface KtoScores {
  /** [B] r = log π/π_ref of each answer. */
  readonly ratio: Tensor;
  /** [B] 1 where the answer is wanted, else 0. */
  readonly desirable: Tensor;
  /** A scalar ≥ 0: how far the policy has moved from the reference on mismatched answers, in nats. */
  readonly kl: Tensor;
}

/** Options of `ktoLoss`. */
export interface KtoLossOptions {
  /** β: how strongly the policy is held to the reference; units of 1/nat. */
  readonly beta: number;
  /** λ_D, weight of wanted answers. Default 1. */
  readonly desirableWeight?: number;
  /** λ_U, weight of unwanted answers. Default 1. */
  readonly undesirableWeight?: number;
}

/** KL = max(0, mean of r over the rows that are `real`), r [B] of mismatched answers; a scalar that passes no gradient. */
export const ktoKl = asks(
  "ktoKl",
  "tensor tensor",
  (ratio: Tensor, real: Tensor): Tensor => stopGradient(maximum(div(sum(mul(ratio, real)), maximum(sum(real), 1)), 0)),
);

/**
 * The loss of each labelled answer, [B]:  wanted λ_D (1 − σ(β(r − KL))), unwanted λ_U (1 − σ(β(KL − r))).
 * Law (31): λ/2 where policy = reference.  Source: Ethayarajh et al. 2024, eq. 7.
 */
export const ktoLoss = asks(
  "ktoLoss",
  "record record",
  (
    { ratio, desirable, kl }: KtoScores,
    { beta, desirableWeight = 1, undesirableWeight = 1 }: KtoLossOptions,
  ): Tensor => {
    const weight = add(mul(desirableWeight, desirable), mul(undesirableWeight, sub(1, desirable)));
    const side = sub(mul(2, desirable), 1);
    return mul(weight, sigmoid(mul(mul(-beta, side), sub(ratio, kl)))); // 1 − σ(x) = σ(−x)
  },
);

/** KL of sums over several workers, [Σ r over real rows, how many these are]. */
const meanKl = (sums: Tensor): Tensor => {
  const [ratio, rows] = [0, 1].map((i) => reshape(sliceAxis(sums, 0, i, i + 1), []));
  return stopGradient(maximum(div(ratio, maximum(rows, 1)), 0));
};

/** Options of `ktoObjective`. */
export interface KtoOptions extends ObjectiveOptions, Partial<KtoLossOptions> {}

/**
 * KTO on labelled answers, mean over answers. Batches (`ktoSource`) are [(x_i, y_i) …; (x_i, y_{i−1}) …] with `desirable`
 * f32 [B] and `examples`, a scalar: of the B answers the first so many count, the rest is padding. The second half, each
 * prompt with its neighbour's answer, is what KL is estimated on: so it, and with it the loss, depends on the batch.
 * Metrics as TRL's KTOTrainer defines them. Errors: ShapeError for a batch that has no two halves.
 */
export const ktoObjective = (
  config: ModelConfig,
  { beta = BETA, desirableWeight, undesirableWeight, tokenMetrics: withTokens = true, ...forward }: KtoOptions = {},
): Objective => {
  const of = totals("loss", ...KTO_SUMS, ...KTO_TOKEN_SUMS);
  /** log π/π_ref of the mismatched answers, [B]. */
  const mismatchedRatio = (params: Params, { ids, targets, reference }: BatchTensors): Tensor => {
    const [N, T] = ids.shape;
    const [[, mismatched], [, others], [, known]] = [ids, targets, reference].map(halves);
    const theirTargets = sub(others, scalar((N / 2) * T, "i32")); // as positions of their half
    return sub(scoreTokens(params, config, mismatched, theirTargets, forward).logps, known);
  };
  return {
    name: "kto",
    usesReference: true,
    units: ({ rows, examples }) => examples ?? rows / 2,
    gathers: (params, batch) => {
      const real = realRows(batch.ids.shape[0] / 2, batch.examples);
      return stack([sum(mul(real, mismatchedRatio(params, batch))), sum(real)]);
    },
    sums: (params, batch) => {
      const { ids, targets, examples, desirable, reference, gathered } = batch;
      const [N] = ids.shape;
      if (desirable?.shape[0] !== N / 2)
        throw new ShapeError(
          `kto: ids ${typeOf(ids)}, desirable ${desirable === undefined ? "missing" : typeOf(desirable)}`,
          "stack [answers …; mismatched answers …], and give a label for each answer",
        );
      const [[own], [ownTargets], [known]] = [ids, targets, reference].map(halves);
      const real = realRows(N / 2, examples);
      const { logps, ...scored } = scoreTokens(params, config, own, ownTargets, {
        tokenMetrics: withTokens,
        ...forward,
      });
      const kl = gathered === undefined ? ktoKl(mismatchedRatio(params, batch), real) : meanKl(gathered);
      const ratio = sub(logps, known);
      const loss = sum(mul(real, ktoLoss({ ratio, desirable, kl }, { beta, desirableWeight, undesirableWeight })));

      const [chosen, rejected] = [mul(real, desirable), mul(real, sub(1, desirable))];
      const over = (side: Tensor) => (values: Tensor) => sum(mul(side, values));
      const [ofChosen, ofRejected, ofAll] = [chosen, rejected, real].map(over);
      const packed = of.pack({
        loss,
        rows: sum(real),
        chosen: sum(chosen),
        rejected: sum(rejected),
        chosenReward: mul(beta, ofChosen(ratio)),
        rejectedReward: mul(beta, ofRejected(ratio)),
        chosenLogp: ofChosen(logps),
        rejectedLogp: ofRejected(logps),
        batches: scalar(1),
        kl,
        chosenTargets: ofChosen(scored.counts),
        rejectedTargets: ofRejected(scored.counts),
        chosenLogits: ofChosen(scored.meanLogit),
        rejectedLogits: ofRejected(scored.meanLogit),
        entropy: ofAll(scored.entropy),
      });
      return [loss, packed];
    },
    width: of.names.length,
    report: (vector) => {
      const t = of.unpack(vector);
      const tokens = withTokens ? ktoTokenMetrics(t) : {};
      return { loss: t.rows > 0 ? t.loss / t.rows : 0, metrics: { ...ktoMetrics(t), ...tokens } };
    },
  };
};
