/**
 * TRL 1.13's own numbers: loss, metrics and gradient norms of its DPOTrainer on eight rows, and a 12-step AdamW run. The
 * limits are the project's; what was reached is printed.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { rowsOfKind } from "../../../align/data/data.js";
import { ktoSource } from "../../../align/data/kto-source.js";
import { batchesFrom, pairSource } from "../../../align/data/source.js";
import { tokenizeAnswers, tokenizePairs } from "../../../align/data/tokenize.js";
import { PAIR_LOSS_TYPES, type PairLossType } from "../../../align/objectives/losses.js";
import { preferenceObjective } from "../../../align/objectives/objective.js";
import { type Evaluation, evaluateKto, evaluatePreferences } from "../../../align/training/evaluate.js";
import { trainingOptimizer } from "../../../align/training/optimizer.js";
import { lastOf, train } from "../../../align/training/train.js";
import { type Device, dispose } from "../../../core/index.js";
import { loadModel } from "../../../models/files/load.js";
import { loadTokenizer } from "../../../models/text/tokenizer.js";
import { type DeviceName, deviceNames, leavesNothing } from "../../devices.js";
import { goldenJson } from "../../golden/files.js";
import { goldenRows } from "../../golden/rows.js";
import { goldenFolder } from "../../golden/stored.js";
import { check } from "../../law.js";

interface Recorded {
  readonly data: string;
  readonly loss: number;
  readonly metrics: Readonly<Record<string, number>>;
  readonly grad_norms: Readonly<Record<string, number>>;
}

interface Trl {
  readonly beta: number;
  readonly batch: number;
  readonly max_length: number;
  readonly losses: readonly (Recorded & { readonly loss_type: PairLossType; readonly label_smoothing?: number })[];
  readonly kto: readonly (Recorded & {
    readonly model: "policy" | "sft";
    readonly ref: string;
    readonly desirable_weight: number;
    readonly undesirable_weight: number;
    readonly completion_ids: readonly number[][];
    readonly kl_ids: readonly number[][];
    readonly label: readonly boolean[];
  })[];
  readonly runs: readonly {
    readonly loss_type: PairLossType;
    readonly optimizer: string;
    readonly betas: readonly [number, number];
    readonly eps: number;
    readonly weight_decay: number;
    readonly learning_rate: number;
    readonly max_grad_norm: number;
    readonly steps: number;
    readonly batch: number;
    readonly log: readonly Readonly<Record<string, number>>[];
  }[];
}

const trl = goldenJson<Trl>("preferences", "trl.json");
const policy = await loadModel(goldenFolder("preferences", "policy"));
const sft = await loadModel(goldenFolder("preferences", "sft"));
const tokenizer = await loadTokenizer(goldenFolder("preferences", "policy"));
const padId = tokenizer.padId as number;

const pairsOf = async (data: string) =>
  tokenizePairs(rowsOfKind(await goldenRows("preferences", data), "paired"), tokenizer, {
    maxLength: trl.max_length,
    vocabSize: policy.config.vocabSize,
  }).pairs;

test("TRL recorded the paired losses, each with eleven metrics and every parameter", () => {
  const types = new Set(trl.losses.map(({ loss_type }) => loss_type));
  const unrecorded = PAIR_LOSS_TYPES.filter((type) => !types.has(type));
  // TRL's DPOTrainer knows the first four no more, or never did; sft is a term without a golden of its own.
  assert.deepEqual(unrecorded, ["cdpo", "kto_pair", "simpo", "orpo", "sft"]);
  for (const { metrics, grad_norms } of trl.losses) {
    assert.equal(Object.keys(metrics).length, 11);
    assert.deepEqual(Object.keys(grad_norms).sort(), Object.keys(policy.params).sort());
  }
});

/** Compares with what TRL found; prints how near it came. Written so that a NaN fails. */
const agrees = (title: string, got: Evaluation, expected: Recorded, device: Device) => {
  const off = (x: number, want: number) => Math.abs(x - want);
  const norms = got.grad_norms ?? {};
  assert.deepEqual(Object.keys(got.metrics).sort(), Object.keys(expected.metrics).sort());
  assert.deepEqual(Object.keys(norms).sort(), Object.keys(expected.grad_norms).sort());
  const metricsOff = Object.entries(expected.metrics).map(([name, value]) => off(got.metrics[name], value));
  const normsOff = Object.entries(expected.grad_norms).map(([name, value]) => off(norms[name] / value, 1));
  const worst = [off(got.loss, expected.loss), Math.max(...metricsOff), Math.max(...normsOff)];
  console.log(
    `${title} [${device.name}]: loss off by ${worst[0].toExponential(1)}, metrics ${worst[1].toExponential(1)}, gradient norms ${worst[2].toExponential(1)} relative`,
  );
  assert.ok(worst[0] <= 1e-4 && worst[1] <= 1e-4 && worst[2] <= 1e-3, String(worst));
};

/** The oracle takes seconds for a gradient here, and software adapters one for each new program: each has its say once. */
const shortest = "plain.jsonl";
const devicesOf = (lossType: PairLossType, data: string, smoothing = 0): readonly DeviceName[] =>
  lossType !== "sigmoid" || smoothing > 0 ? ["cpu"] : data === shortest ? deviceNames : ["cpu", "webgpu"];

for (const expected of trl.losses) {
  const { data, loss_type: lossType, label_smoothing: labelSmoothing } = expected;
  const title = `${lossType}${labelSmoothing === undefined ? "" : ` with label smoothing ${labelSmoothing}`} on ${data}`;
  const run = async (device: Device) => {
    const pairs = (await pairsOf(data)).slice(0, trl.batch);
    const options = { lossType, labelSmoothing, beta: trl.beta, padId, gradNorms: true };
    const evaluated = leavesNothing(device, () => evaluatePreferences(policy, sft, pairs, options, device));
    agrees(title, await evaluated, expected, device);
  };
  check(`${title}: loss, metrics and gradient norms are TRL's`, run, devicesOf(lossType, data, labelSmoothing));
}

for (const expected of trl.kto) {
  const title = `kto, ${expected.model} against ${expected.ref}`;
  const run = async (device: Device) => {
    const rows = rowsOfKind(await goldenRows("preferences", expected.data), "unpaired").slice(0, trl.batch);
    const { sequences } = tokenizeAnswers(rows, tokenizer, { maxLength: trl.max_length });
    const { desirable_weight: desirableWeight, undesirable_weight: undesirableWeight } = expected;
    const weights = { beta: trl.beta, desirableWeight, undesirableWeight };
    const models = expected.model === "policy" ? ([policy, sft] as const) : ([sft, policy] as const);
    const options = { ...weights, padId, gradNorms: true, maxLength: trl.max_length };
    const evaluated = leavesNothing(device, () => evaluateKto(...models, sequences, options, device));
    agrees(title, await evaluated, expected, device);
  };
  // Of the two, this is the one whose KL is above 0. The oracle has its say on pairs; on KTO's sums in losses-kto.test.ts.
  const on = expected.metrics.kl > 0 ? (["cpu", "webgpu"] as const) : (["cpu"] as const);
  check(`${title}: loss, metrics and gradient norms are TRL's`, run, on);
}

test("kto's batches hold TRL's token ids: answers, then each prompt with the answer of the row before", async () => {
  const [{ data, completion_ids, kl_ids, label }] = trl.kto;
  const rows = rowsOfKind(await goldenRows("preferences", data), "unpaired").slice(0, trl.batch);
  const { sequences } = tokenizeAnswers(rows, tokenizer, { maxLength: trl.max_length });
  const batch = ktoSource(sequences, { batchSize: trl.batch, padId, shuffle: false, maxLength: trl.max_length }).at(0);
  const unpadded = (ids: ArrayLike<number>) =>
    Array.from(ids)
      .join()
      .replace(/(,420)+$/, "");
  const got = Array.from({ length: batch.rows }, (_, i) =>
    unpadded(batch.ids.subarray(i * batch.length, (i + 1) * batch.length)),
  );
  assert.equal(padId, 420);
  assert.deepEqual(got, [...completion_ids, ...kl_ids].map(unpadded));
  assert.deepEqual(Array.from(batch.desirable ?? []).map(Boolean), label);
});

/** DPOTrainer.evaluate() of TRL 1.13 on the first eight rows of plain.jsonl, max_length 16: it leaves six of them out. */
const shortened = {
  loss: 0.8068437576293945,
  entropy: 5.890285491943359,
  num_tokens: 0,
  "logits/chosen": -0.010408106659139906,
  "logits/rejected": 0.0038437340408563614,
  mean_token_accuracy: 0,
  "rewards/chosen": -0.07635383307933807,
  "rewards/rejected": 0.13924331963062286,
  "rewards/accuracies": 0,
  "rewards/margins": -0.21559715270996094,
  "logps/chosen": -43.56639099121094,
  "logps/rejected": -42.32367706298828,
};

check("a length that leaves some rows no completion: loss and metrics are TRL's", async (device) => {
  const rows = rowsOfKind(await goldenRows("preferences", "plain.jsonl"), "paired").slice(0, trl.batch);
  const { pairs } = tokenizePairs(rows, tokenizer, { maxLength: 16 });
  const { loss, metrics } = await evaluatePreferences(policy, sft, pairs, { beta: trl.beta, padId }, device);
  for (const [name, value] of Object.entries({ loss, ...metrics }))
    assert.ok(Math.abs(value - shortened[name as keyof typeof shortened]) <= 1e-4, `${name}: ${value}`);
});

/** The oracle takes seconds a step here, and has its say on loss and gradients above; cpu walks the whole path, webgpu its start. */
const START = 3;
for (const run of trl.runs)
  check(
    `the ${run.steps}-step ${run.optimizer} run of ${run.loss_type}: each loss is TRL's, on webgpu the first ${START}`,
    async (device) => {
      const { betas, eps, weight_decay: weightDecay, batch: batchSize, loss_type: lossType } = run;
      const steps = device.name === "webgpu" ? START : run.steps;
      let [lossOff, normOff, othersOff] = [0, 0, 0];
      const options = {
        objective: preferenceObjective(policy.config, { lossType, beta: trl.beta, tokenMetrics: false }),
        params: policy.params,
        optimizer: trainingOptimizer({ betas, eps, weightDecay }),
        batches: batchesFrom(pairSource(await pairsOf("chat.jsonl"), { batchSize, padId, shuffle: false })),
        steps,
        learningRate: run.learning_rate,
        maxGradNorm: run.max_grad_norm,
        reference: sft,
      };
      const seen: number[] = [];
      const before = device.stats().liveBuffers;
      const trained = await lastOf(train(options, device), ({ record = { step: 0, loss: Number.NaN } }) => {
        const { loss, grad_norm, ...others } = run.log[record.step - 1];
        seen.push(record.step);
        lossOff = Math.max(lossOff, Math.abs(record.loss - loss));
        normOff = Math.max(normOff, Math.abs(record.grad_norm / grad_norm - 1));
        for (const [name, value] of Object.entries(others))
          othersOff = Math.max(othersOff, Math.abs(record[name] - value) / Math.max(1, Math.abs(value)));
        // Math.max forgets nothing: a NaN stays, and fails below.
      });
      console.log(
        `${steps} steps of ${lossType} [${device.name}]: losses off by ${lossOff.toExponential(1)}, gradient norms ${normOff.toExponential(1)} relative, other metrics ${othersOff.toExponential(1)}`,
      );
      assert.deepEqual(
        seen,
        Array.from({ length: steps }, (_, i) => i + 1),
      );
      assert.ok(lossOff <= 5e-3 && normOff <= 5e-3 && othersOff <= 5e-3, String([lossOff, normOff, othersOff]));
      dispose(trained);
      assert.equal(device.stats().liveBuffers, before);
    },
    run.loss_type === "sigmoid" ? ["cpu", "webgpu"] : ["cpu"],
  );
