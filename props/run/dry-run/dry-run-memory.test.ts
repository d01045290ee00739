/** What a rehearsal on a planning device says of memory, against what the allocator of the cpu device really gave out. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { oneEpoch, pairSource, sequenceSource } from "../../../align/data/source.js";
import { completionObjective, type Objective, preferenceObjective } from "../../../align/objectives/objective.js";
import { adapterTraining } from "../../../align/training/adapter.js";
import { trainingOptimizer } from "../../../align/training/optimizer.js";
import { referenceDelta } from "../../../align/training/rules/reference-delta.js";
import type { OptimizerSettings } from "../../../align/training/rules/settings.js";
import { lastOf, train } from "../../../align/training/train.js";
import { type Device, dispose, evaluate, tensor } from "../../../core/index.js";
import { openCpu } from "../../../kernels/index.js";
import { type Params, parameterShapes } from "../../../models/index.js";
import { planningDevice } from "../../../run/dry-run/planning-device.js";
import { tinyConfig } from "../../generators/tiny-models.js";
import { tinySequence } from "../../generators/tiny-training.js";

const config = tinyConfig({ vocab_size: 512, hidden_size: 64, intermediate_size: 160, num_hidden_layers: 2 });
const [rows, length] = [4, 96];
const sequences = Array.from({ length: 2 * rows }, (_, i) => tinySequence(i, length - i, 8));
const pairs = sequences.map((chosen, i) => ({ chosen, rejected: sequences[(i + 1) % sequences.length] }));
const batching = { padId: 0, batchSize: rows, shuffle: false };

/** Weights on the host, as `loadModel` gives them. */
const hostParams = (seed: number): Params =>
  Object.fromEntries(
    [...parameterShapes(config)].map(([name, shape]) => [
      name,
      tensor(
        Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => 0.1 * Math.sin(i + seed)),
        shape,
      ),
    ]),
  );

interface Case {
  readonly kind?: "sft" | "dpo";
  readonly optimizer?: OptimizerSettings;
  readonly accumulation?: number;
  readonly checkpoint?: boolean | number;
  readonly lora?: boolean;
  readonly offload?: "optimizer";
}

/** A step of training as the commands take it: policy from the host, reference and delta on the device. */
const peakOf = async (
  device: Device,
  { kind = "sft", optimizer = {}, accumulation, checkpoint, lora, offload }: Case,
) => {
  const rule = trainingOptimizer(optimizer);
  const [host, other] = [hostParams(1), hostParams(2)];
  const base = lora ? evaluate(host, device) : undefined;
  const reference = kind === "dpo" ? { config, params: base ?? evaluate(other, device) } : undefined;
  const refDelta = rule.usesTau ? referenceDelta(other, host) : undefined;
  let objective: Objective =
    kind === "dpo" ? preferenceObjective(config, { checkpoint }) : completionObjective(config, { checkpoint });
  let params = host;
  if (base !== undefined) {
    const adapter = adapterTraining(objective, { config, params: base }, {}, device);
    [objective, params] = [adapter.objective, adapter.factors];
  }
  const batches = oneEpoch(kind === "dpo" ? pairSource(pairs, batching) : sequenceSource(sequences, batching));
  const options = {
    objective,
    params,
    optimizer: rule,
    batches,
    steps: 2 / (accumulation ?? 1),
    accumulation,
    offload,
  };
  dispose(await lastOf(train({ ...options, learningRate: 1e-3, reference, refDelta }, device)));
  return device.stats().peakBytes;
};

const cases: Readonly<Record<string, Case>> = {
  "sft, AdamW": {},
  "sft, accumulated, checkpointed layers": { accumulation: 2, checkpoint: true },
  "sft, first layer checkpointed, offloaded": { checkpoint: 1, offload: "optimizer" },
  "sft, accumulated, bf16": { accumulation: 2, optimizer: { stateDtype: "bf16" } },
  "sft, adapter": { lora: true },
  "dpo, adapter whose base is the reference": { kind: "dpo", lora: true },
  "dpo, OnTIES": { kind: "dpo", optimizer: { optim: "onties", alpha: 1e-4, reserveP: 0.5 } },
  "dpo, OnDARE, step-K, compensated": {
    kind: "dpo",
    optimizer: { optim: "ondare", alpha: 1e-4, reserveP: 0.5, onlineStep: 2, compensated: true },
  },
};

for (const [name, run] of Object.entries(cases))
  test(`planned memory is within 3 % of the measured peak: ${name} [cpu]`, async () => {
    const [real, other] = [await openCpu(), await openCpu()];
    try {
      const planned = await peakOf(planningDevice(other), run);
      const measured = await peakOf(real, run);
      assert.ok(Math.abs(planned / measured - 1) <= 0.03, `planned ${planned}, measured ${measured}`);
      assert.equal(other.stats().launches, 0, "nothing is run");
    } finally {
      await Promise.all([real.close(), other.close()]);
    }
  });
