/**
 * TRL 1.13's own numbers: loss, metrics and gradient norms of its DPOTrainer on eight rows, and a 12-step AdamW run. The
 * limits are the project's; what was reached is printed.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { readRows, rowsOfKind } from "../align/data.js";
import { evaluatePreferences } from "../align/evaluate.js";
import { preferenceObjective } from "../align/objective.js";
import { trainingOptimizer } from "../align/optimizer.js";
import { batchesFrom, pairSource } from "../align/source.js";
import { tokenizePairs } from "../align/tokenize.js";
import { lastOf, train } from "../align/train.js";
import { dispose } from "../core/index.js";
import { loadModel } from "../models/load.js";
import { loadTokenizer } from "../models/tokenizer.js";
import { goldenJson, goldenPath } from "./golden/files.js";
import { check } from "./law.js";

interface Trl {
  readonly beta: number;
  readonly batch: number;
  readonly max_length: number;
  readonly losses: readonly {
    readonly data: string;
    readonly loss_type: string;
    readonly label_smoothing?: number;
    readonly loss: number;
    readonly metrics: Readonly<Record<string, number>>;
    readonly grad_norms: Readonly<Record<string, number>>;
  }[];
  readonly runs: readonly {
    readonly loss_type: string;
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
const policy = loadModel(goldenPath("preferences", "policy"));
const sft = loadModel(goldenPath("preferences", "sft"));
const tokenizer = loadTokenizer(goldenPath("preferences", "policy"));
const padId = tokenizer.padId as number;

const pairsOf = (data: string) =>
  tokenizePairs(rowsOfKind(readRows(goldenPath("preferences", data)), "paired"), tokenizer, {
    maxLength: trl.max_length,
    vocabSize: policy.config.vocabSize,
  }).pairs;

const recorded = trl.losses.filter(({ loss_type, label_smoothing }) => loss_type === "sigmoid" && !label_smoothing);

test("TRL recorded sigmoid for both kinds of data, with eleven metrics and every parameter", () => {
  assert.deepEqual(recorded.map(({ data }) => data).sort(), ["chat.jsonl", "plain.jsonl"]);
  for (const { metrics, grad_norms } of recorded) {
    assert.equal(Object.keys(metrics).length, 11);
    assert.deepEqual(Object.keys(grad_norms).sort(), Object.keys(policy.params).sort());
  }
});

for (const expected of recorded)
  check(`sigmoid on the first rows of ${expected.data}: loss, metrics and gradient norms are TRL's`, async (device) => {
    const pairs = pairsOf(expected.data).slice(0, trl.batch);
    const options = { beta: trl.beta, padId, gradNorms: true };
    const { loss, metrics, grad_norms = {} } = await evaluatePreferences(policy, sft, pairs, options, device);
    const off = (got: number, want: number) => Math.abs(got - want);
    const metricsOff = Object.keys(expected.metrics).map((name) => off(metrics[name], expected.metrics[name]));
    const normsOff = Object.keys(expected.grad_norms).map((name) =>
      off(grad_norms[name] / expected.grad_norms[name], 1),
    );
    const worst = [off(loss, expected.loss), Math.max(...metricsOff), Math.max(...normsOff)];
    console.log(
      `${expected.data} [${device.name}]: loss off by ${worst[0].toExponential(1)}, metrics ${worst[1].toExponential(1)}, gradient norms ${worst[2].toExponential(1)} relative`,
    );
    assert.deepEqual(Object.keys(metrics).sort(), Object.keys(expected.metrics).sort());
    assert.deepEqual(Object.keys(grad_norms).sort(), Object.keys(expected.grad_norms).sort());
    // Written so that a NaN fails.
    assert.ok(worst[0] <= 1e-4 && worst[1] <= 1e-4 && worst[2] <= 1e-3, String(worst));
    assert.equal(device.stats().liveBuffers, 0);
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
  const rows = rowsOfKind(readRows(goldenPath("preferences", "plain.jsonl")), "paired").slice(0, trl.batch);
  const { pairs } = tokenizePairs(rows, tokenizer, { maxLength: 16 });
  const { loss, metrics } = await evaluatePreferences(policy, sft, pairs, { beta: trl.beta, padId }, device);
  for (const [name, value] of Object.entries({ loss, ...metrics }))
    assert.ok(Math.abs(value - shortened[name as keyof typeof shortened]) <= 1e-4, `${name}: ${value}`);
});

/** The oracle takes seconds a step here, and has its say on loss and gradients above; the fast devices walk the path. */
for (const run of trl.runs.filter(({ loss_type }) => loss_type === "sigmoid"))
  check(
    `the ${run.steps}-step ${run.optimizer} run: each loss is TRL's`,
    async (device) => {
      const { betas, eps, weight_decay: weightDecay, batch: batchSize, steps } = run;
      let [lossOff, normOff, othersOff] = [0, 0, 0];
      const options = {
        objective: preferenceObjective(policy.config, { beta: trl.beta, tokenMetrics: false }),
        params: policy.params,
        optimizer: trainingOptimizer({ betas, eps, weightDecay }),
        batches: batchesFrom(pairSource(pairsOf("chat.jsonl"), { batchSize, padId, shuffle: false })),
        steps,
        learningRate: run.learning_rate,
        maxGradNorm: run.max_grad_norm,
        reference: sft,
      };
      const seen: number[] = [];
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
        `${steps} steps [${device.name}]: losses off by ${lossOff.toExponential(1)}, gradient norms ${normOff.toExponential(1)} relative, other metrics ${othersOff.toExponential(1)}`,
      );
      assert.deepEqual(
        seen,
        Array.from({ length: steps }, (_, i) => i + 1),
      );
      assert.ok(lossOff <= 5e-3 && normOff <= 5e-3 && othersOff <= 5e-3, String([lossOff, normOff, othersOff]));
      dispose(trained);
      assert.equal(device.stats().liveBuffers, 0);
    },
    ["cpu", "webgpu"],
  );
