import { asks } from "../../core/expects.js";
import {
  add,
  compile,
  type Device,
  dispose,
  InputError,
  leaves,
  read,
  sqrt,
  square,
  stack,
  sum,
  type Tensor,
} from "../../core/index.js";
import type { Params } from "../../models/parameters.js";
import { type KtoSourceOptions, ktoSource } from "../data/kto-source.js";
import type { Rows, SourceOptions, TrainingBatch } from "../data/rows.js";
import type { LabelledSequence, TokenPair } from "../data/sequence.js";
import { oneEpoch, pairSource } from "../data/source.js";
import { type KtoOptions, ktoObjective } from "../objectives/kto.js";
import type { BatchTensors } from "../objectives/log-probs.js";
import type { Metrics } from "../objectives/metrics.js";
import { type Objective, type PreferenceOptions, preferenceObjective } from "../objectives/objective.js";
import { borrowed, feeder, type Weights } from "./reference.js";
import { type Carry, compileGradients } from "./step.js";
import { ALONE, summed, type Workers } from "./workers/workers.js";

/** What a model scores on some batches. */
export interface Evaluation {
  /** Mean over all units (pairs, target tokens), however they are cut into batches. */
  readonly loss: number;
  readonly metrics: Metrics;
  /** L2 norm of the loss's gradient by each parameter, if asked for. */
  readonly grad_norms?: Readonly<Record<string, number>>;
}

/** What is evaluated, and on what. */
export interface EvaluateOptions {
  readonly objective: Objective;
  readonly params: Params;
  readonly batches: Iterable<TrainingBatch>;
  /** For objectives that compare, unless the batches bring the reference's log-probabilities. */
  readonly reference?: Weights;
  readonly gradNorms?: boolean;
  /** Others that evaluate the same weights, each on batches of its own; the totals are those of all. Not with `gradNorms`. */
  readonly workers?: Workers;
}

/**
 * Loss and metrics of a model over batches, and on demand the norm of each parameter's gradient. Errors: InputError for `gradNorms`
 * over several workers.
 */
export const evaluateOn = asks(
  "evaluateOn",
  "record device",
  async (
    { objective, params, batches, reference, gradNorms = false, workers = ALONE }: EvaluateOptions,
    device: Device,
  ): Promise<Evaluation> => {
    if (gradNorms && workers.size > 1) throw new InputError("evaluateOn: gradNorms are those of one process");
    const weights = borrowed(params, device);
    const { feed, close } = feeder(objective, reference, device);
    const totalsOf = compile(
      (p: Params, batch: BatchTensors, before: { readonly totals?: Tensor }) => {
        const [, totals] = objective.sums(p, batch);
        return { totals: before.totals ? add(before.totals, totals) : totals };
      },
      device,
      { donate: [2], name: `${objective.name} evaluation` },
    );
    const gradientsOf = compileGradients(objective, device);
    const normsOf = compile((grads: Params) => stack(leaves(grads).map((g) => sqrt(sum(square(g))))), device);
    let carry: Carry = {};
    let units = 0;
    try {
      for (const batch of batches) {
        units += objective.units(batch);
        carry = feed(
          batch,
          (tensors): Carry =>
            gradNorms
              ? gradientsOf(weights.tree, tensors, { scale: 1 }, carry)
              : totalsOf(weights.tree, tensors, carry),
        );
      }
      const own = carry.totals === undefined ? new Float64Array(objective.width) : await read(carry.totals);
      const { loss, metrics } = objective.report(await summed(workers, "what it has evaluated", own));
      if (carry.grads === undefined) return { loss, metrics };
      const norms = normsOf(carry.grads);
      const values = await read(norms).finally(() => dispose(norms));
      const names = Object.keys(carry.grads);
      const byName = new Map(names.map((name, i) => [name, values[i] / units]));
      return {
        loss,
        metrics,
        grad_norms: Object.fromEntries(Object.keys(params).map((name) => [name, byName.get(name) as number])),
      };
    } finally {
      dispose(carry as Params);
      close();
      weights.release();
      for (const { programs } of [totalsOf, gradientsOf, normsOf]) for (const program of programs()) program.free();
    }
  },
);

/** How rows are cut into batches for an evaluation. */
interface InOrder extends Pick<SourceOptions, "padId" | "bucket"> {
  /** Default 8. */
  readonly batchSize?: number;
  readonly gradNorms?: boolean;
}

/** Options of `evaluatePreferences`. */
export interface EvaluatePairsOptions extends PreferenceOptions, InOrder {}
/** Options of `evaluateKto`. */
export interface EvaluateKtoOptions extends KtoOptions, InOrder, Pick<KtoSourceOptions, "maxLength"> {}

/** `num_tokens` is 0, as TRL logs it for evaluation: it counts what was trained on. */
const inOrder = async (options: EvaluateOptions, device: Device): Promise<Evaluation> => {
  const out = await evaluateOn(options, device);
  return { ...out, metrics: { ...out.metrics, num_tokens: 0 } };
};

/**
 * A policy against a reference on pairs, in order: what `taugrad eval` prints. Without a reference for losses that know none.
 * Errors: InputError for no pairs; those of `weightedLosses`.
 */
export const evaluatePreferences = asks(
  "evaluatePreferences",
  "record any rows record device",
  async (
    policy: Weights,
    reference: Weights | undefined,
    pairs: Rows<TokenPair>,
    { batchSize = 8, padId, bucket, gradNorms, ...options }: EvaluatePairsOptions,
    device: Device,
  ): Promise<Evaluation> => {
    if (pairs.length === 0) throw new InputError("there are no pairs to evaluate");
    const size = Math.min(batchSize, pairs.length);
    const batches = oneEpoch(pairSource(pairs, { batchSize: size, padId, bucket, shuffle: false }));
    const objective = preferenceObjective(policy.config, options);
    return inOrder({ objective, params: policy.params, batches, reference, gradNorms }, device);
  },
);

/**
 * A policy against a reference on labelled answers, in order. KL is estimated within each batch, so the batch size matters.
 * Errors: InputError for no rows, and for a batch size of 1.
 */
export const evaluateKto = asks(
  "evaluateKto",
  "record record rows record device",
  async (
    policy: Weights,
    reference: Weights,
    rows: Rows<LabelledSequence>,
    { batchSize = 8, padId, bucket, maxLength, gradNorms, ...options }: EvaluateKtoOptions,
    device: Device,
  ): Promise<Evaluation> => {
    if (rows.length === 0) throw new InputError("there are no labelled answers to evaluate");
    const batches = oneEpoch(ktoSource(rows, { batchSize, padId, bucket, maxLength, shuffle: false }));
    const objective = ktoObjective(policy.config, options);
    return inOrder({ objective, params: policy.params, batches, reference, gradNorms }, device);
  },
);
