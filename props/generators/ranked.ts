/** One training on several ranks of this process, and on one. */
import { ktoSource } from "../../align/data/kto-source.js";
import type { SourceOptions } from "../../align/data/rows.js";
import { batchesFrom, pairSource, sequenceSource } from "../../align/data/source.js";
import { ktoObjective } from "../../align/objectives/kto.js";
import type { Objective } from "../../align/objectives/objective.js";
import { trainingOptimizer } from "../../align/training/optimizer.js";
import type { Position, TrainOptions } from "../../align/training/options.js";
import type { OptimizerSettings } from "../../align/training/rules/settings.js";
import type { TrainState } from "../../align/training/step.js";
import { lastOf, type StepRecord, train } from "../../align/training/train.js";
import type { Workers } from "../../align/training/workers/workers.js";
import { type Device, dispose, leaves, read, sizeOf } from "../../core/index.js";
import { simulatedWorkers } from "./simulated-workers.js";
import { dpo, numbersOf, pairs, sequences, sft, tinyParams, trainedConfig } from "./tiny-training.js";

const kto = ktoObjective(trainedConfig);
const answers = pairs.flatMap(({ chosen, rejected }) => [
  { ...chosen, label: true },
  { ...rejected, label: false },
]);

/** What is trained on, cut into parts: five sequences and pairs, and eleven answers, so that the last batch of an epoch is short. */
export const kinds = {
  sft: { objective: sft, source: (options: SourceOptions) => sequenceSource(sequences.slice(1), options) },
  dpo: { objective: dpo, source: (options: SourceOptions) => pairSource(pairs.slice(1), options) },
  kto: { objective: kto, source: (options: SourceOptions) => ktoSource(answers.slice(1), options) },
} satisfies Record<string, { objective: Objective; source: (options: SourceOptions) => unknown }>;

export type Setting = Partial<TrainOptions> & {
  readonly kind: keyof typeof kinds;
  readonly settings?: OptimizerSettings;
  /** Rows of a batch over all workers. */
  readonly rows: number;
  /** Hears of the state after each step, or each meeting. */
  readonly onState?: (state: TrainState, at: Position, workers: Workers) => Promise<void>;
  /** The number of the first batch. */
  readonly from?: number;
};

/** One rank's run. */
export const ranked = async (
  { kind, settings = {}, rows, onState, from, ...rest }: Setting,
  workers: Workers,
  device: Device,
) => {
  const [params, other, refDelta] = [1, 2, 3].map((seed) => tinyParams(seed, device));
  const { objective, source } = kinds[kind];
  const share = { part: workers.rank, of: workers.size };
  const batches = batchesFrom(source({ padId: 0, bucket: 8, batchSize: rows / workers.size, seed: 5, share }), from);
  const records: StepRecord[] = [];
  let slots = 0;
  const options: TrainOptions = {
    ...{ objective, params, refDelta, batches, workers, steps: 3, learningRate: 0.01 },
    optimizer: trainingOptimizer(settings),
    reference: { config: trainedConfig, params: other },
    ...rest,
  };
  try {
    const trained = await lastOf(train(options, device), async ({ record, snapshot, step }) => {
      if (record !== undefined) records.push(record);
      if (options.meets !== undefined && step % options.meets.every > 0) return;
      const { state, ...at } = await snapshot();
      await onState?.(state, at, workers);
      slots = leaves(state.optimizer.slots).reduce((n, { shape }) => n + sizeOf(shape), 0);
    });
    const weights = await numbersOf(trained, read);
    dispose(trained);
    return { records, weights, slots };
  } finally {
    dispose(params, other, refDelta);
  }
};

export const together = (setting: Setting, size: number, device: Device) => {
  const { ranks, sent } = simulatedWorkers(size);
  return Promise.all(ranks.map((workers) => ranked(setting, workers, device))).then((runs) => ({ runs, sent: sent() }));
};
