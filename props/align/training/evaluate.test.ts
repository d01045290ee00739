/** Laws of evaluation. */
import assert from "node:assert/strict";
import { oneEpoch, sequenceSource } from "../../../align/data/source.js";
import { completionObjective } from "../../../align/objectives/objective.js";
import { evaluateOn, evaluatePreferences } from "../../../align/training/evaluate.js";
import { dispose } from "../../../core/index.js";
import {
  limitOf,
  numberOf,
  pairs,
  sequences,
  sft,
  shared,
  tinyParams,
  trainedConfig,
  trainTiny,
} from "../../generators/tiny-training.js";
import { check } from "../../law.js";
import { reach } from "../../reach.js";

check("evaluation does not depend on how the pairs are cut; its gradient norms make up the run's", async (device) => {
  const [policy, other] = [1, 2].map((seed) => ({ config: trainedConfig, params: tinyParams(seed, device) }));
  const scored = (batchSize: number, bucket: number) =>
    evaluatePreferences(policy, other, pairs, { beta: 0.5, padId: 0, batchSize, bucket, gradNorms: true }, device);
  const whole = await scored(6, 8);
  const cuts = [
    [1, 3],
    [4, 8],
  ];
  // Each is programs of its own, seconds to compile for a software adapter.
  for (const [batchSize, bucket] of device.name === "webgpu" && reach < 10 ? cuts.slice(0, 1) : cuts) {
    const cut = await scored(batchSize, bucket);
    const names = Object.keys(whole.grad_norms ?? {});
    assert.deepEqual(names, Object.keys(policy.params));
    for (const name of names)
      assert.ok(Math.abs(numberOf(cut.grad_norms, name) - numberOf(whole.grad_norms, name)) <= limitOf(device), name);
    for (const [name, value] of Object.entries({ loss: whole.loss, ...whole.metrics }))
      assert.ok(Math.abs(numberOf({ loss: cut.loss, ...cut.metrics }, name) - value) <= limitOf(device), name);
  }
  const { records } = await trainTiny("dpo", { steps: 1, learningRate: 0, batchSize: 6, maxGradNorm: 0 }, device);
  const norm = Math.hypot(...Object.values(whole.grad_norms ?? {}));
  assert.ok(Math.abs(records[0].grad_norm - norm) <= limitOf(device) * norm);
  assert.ok(Math.abs(records[0].loss - whole.loss) <= limitOf(device));
  const totals = await evaluateOn({ objective: sft, params: policy.params, batches: [] }, device);
  assert.equal(totals.loss, 0);
  dispose(policy.params, other.params);
});

check("where policy = reference: loss log 2, rewards, margins and accuracy 0", async (device) => {
  const model = { config: trainedConfig, params: tinyParams(1, device) };
  const { loss, metrics } = await evaluatePreferences(model, model, pairs, { padId: 0, batchSize: 4 }, device);
  assert.ok(Math.abs(loss - Math.LN2) <= 1e-6);
  for (const name of ["chosen", "rejected", "margins", "accuracies"]) assert.equal(metrics[`rewards/${name}`], 0);
  // The training step is another program than the one that asks the reference; the forward pass must round alike in both.
  const { records } = await trainTiny("dpo", { steps: 1, learningRate: 0.1, batchSize: 6, reference: model }, device);
  for (const name of ["chosen", "rejected", "margins", "accuracies"]) assert.equal(records[0][`rewards/${name}`], 0);
  dispose(model.params);
});

check("recomputing layers in the backward pass changes no number", async (device) => {
  const params = tinyParams(1, device);
  const batches = oneEpoch(sequenceSource(sequences, { ...shared, batchSize: 6 }));
  const [plain, again] = [
    await evaluateOn({ objective: sft, params, batches, gradNorms: true }, device),
    await evaluateOn(
      { objective: completionObjective(trainedConfig, { checkpoint: true }), params, batches, gradNorms: true },
      device,
    ),
  ];
  for (const [name, norm] of Object.entries(plain.grad_norms ?? {}))
    assert.ok(Math.abs(numberOf(again.grad_norms, name) - norm) <= limitOf(device), name);
  dispose(params);
});
