/** Several workers train the model that one would: shares of batches, gradients summed at their owners, slots shared out. */
import assert from "node:assert/strict";
import { ktoSource } from "../../../align/data/kto-source.js";
import type { SourceOptions } from "../../../align/data/rows.js";
import { batchesFrom, pairSource, sequenceSource } from "../../../align/data/source.js";
import { ktoObjective } from "../../../align/objectives/kto.js";
import type { Objective } from "../../../align/objectives/objective.js";
import { type OptimizerSettings, trainingOptimizer } from "../../../align/training/optimizer.js";
import type { TrainOptions } from "../../../align/training/options.js";
import { lastOf, type StepRecord, train } from "../../../align/training/train.js";
import { ALONE, type Workers } from "../../../align/training/workers/workers.js";
import { type Device, dispose, leaves, read, sizeOf } from "../../../core/index.js";
import { simulatedWorkers } from "../../generators/simulated-workers.js";
import {
  dpo,
  farthest,
  limitOf,
  numbersOf,
  pairs,
  sequences,
  sft,
  tinyParams,
  trainedConfig,
} from "../../generators/tiny-training.js";
import { check } from "../../law.js";

const kto = ktoObjective(trainedConfig);
const answers = pairs.flatMap(({ chosen, rejected }) => [
  { ...chosen, label: true },
  { ...rejected, label: false },
]);

/** What is trained on, cut into parts: five sequences and pairs, and eleven answers, so that the last batch of an epoch is short. */
const kinds = {
  sft: { objective: sft, source: (options: SourceOptions) => sequenceSource(sequences.slice(1), options) },
  dpo: { objective: dpo, source: (options: SourceOptions) => pairSource(pairs.slice(1), options) },
  kto: { objective: kto, source: (options: SourceOptions) => ktoSource(answers.slice(1), options) },
} satisfies Record<string, { objective: Objective; source: (options: SourceOptions) => unknown }>;

type Setting = Partial<TrainOptions> & {
  readonly kind: keyof typeof kinds;
  readonly settings?: OptimizerSettings;
  /** Rows of a batch over all workers. */
  readonly rows: number;
};

/** One rank's run. */
const ranked = async ({ kind, settings = {}, rows, ...rest }: Setting, workers: Workers, device: Device) => {
  const [params, other, refDelta] = [1, 2, 3].map((seed) => tinyParams(seed, device));
  const { objective, source } = kinds[kind];
  const share = { part: workers.rank, of: workers.size };
  const batches = batchesFrom(source({ padId: 0, bucket: 8, batchSize: rows / workers.size, seed: 5, share }));
  const records: StepRecord[] = [];
  let slots = 0;
  const options: TrainOptions = {
    ...{ objective, params, refDelta, batches, workers, steps: 3, learningRate: 0.01 },
    optimizer: trainingOptimizer(settings),
    reference: { config: trainedConfig, params: other },
    ...rest,
  };
  try {
    const trained = await lastOf(train(options, device), async ({ record, snapshot }) => {
      if (record !== undefined) records.push(record);
      const { state } = await snapshot();
      slots = leaves(state.optimizer.slots).reduce((n, { shape }) => n + sizeOf(shape), 0);
    });
    const weights = await numbersOf(trained, read);
    dispose(trained);
    return { records, weights, slots };
  } finally {
    dispose(params, other, refDelta);
  }
};

const together = (setting: Setting, size: number, device: Device) => {
  const { ranks, sent } = simulatedWorkers(size);
  return Promise.all(ranks.map((workers) => ranked(setting, workers, device))).then((runs) => ({ runs, sent: sent() }));
};

const settings: readonly (readonly [name: string, setting: Setting])[] = [
  ["AdamW, sft", { kind: "sft", rows: 4, settings: { weightDecay: 0.1 } }],
  [
    "OnDARE with step-K, dpo",
    { kind: "dpo", rows: 4, accumulation: 2, settings: { optim: "ondare", reserveP: 0.5, alpha: 0.01, onlineStep: 2 } },
  ],
  ["OnTIES, kto", { kind: "kto", rows: 4, settings: { optim: "onties", reserveP: 0.5, alpha: 0.01 } }],
];

for (const [name, setting] of settings)
  check(
    `${name}: several workers do what one does`,
    async (device) => {
      const one = await ranked(setting, ALONE, device);
      for (const size of setting.kind === "kto" ? [4] : [2]) {
        const { runs } = await together(setting, size, device);
        for (const { records, weights } of runs) {
          assert.deepEqual(weights, runs[0].weights, "all ranks end with the same bits");
          assert.deepEqual(records, runs[0].records);
        }
        assert.ok(farthest(one.weights, runs[0].weights) <= limitOf(device), `${size}`);
        for (const [i, record] of runs[0].records.entries())
          for (const [key, value] of Object.entries(one.records[i]))
            assert.ok(
              Math.abs(record[key] - value) <= 1e-5 * Math.max(1, Math.abs(value)),
              `${size} ${key}: ${record[key]}, alone ${value}`,
            );
        const all = runs.map(({ slots }) => slots);
        assert.equal(
          all.reduce((sum, n) => sum + n, 0),
          one.slots,
          "slots are shared out, none twice",
        );
      }
    },
    ["reference", "cpu"],
  );
