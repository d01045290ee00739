/** The losses on the command line: `taugrad eval`, `dpo` and `kto` with each kind of them. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { Evaluation } from "../../../align/training/evaluate.js";
import { goldenJson, goldenPath } from "../../golden/files.js";
import { document, scratch, succeeds } from "../cli.js";

const at = (name: string) => goldenPath("preferences", name);
const folder = scratch();

interface Golden {
  readonly loss: number;
  readonly metrics: Readonly<Record<string, number>>;
}
const trl = goldenJson<{
  losses: readonly (Golden & { data: string; loss_type: string; label_smoothing?: number })[];
  kto: readonly (Golden & { data: string; model: string; ref: string; undesirable_weight: number })[];
}>("preferences", "trl.json");

const agrees = (got: Golden, { loss, metrics }: Golden): void => {
  assert.deepEqual(Object.keys(got.metrics).sort(), Object.keys(metrics).sort());
  for (const [name, value] of Object.entries({ loss, ...metrics })) {
    const found = name === "loss" ? got.loss : got.metrics[name];
    assert.ok(Math.abs(found - value) <= 1e-4, `${name}: ${found}, expected ${value}`);
  }
};

const evaluation = (model: string, ref: string, data: string, lossType: string, ...more: readonly string[]) =>
  document<Evaluation>([
    ...["eval", "--model", at(model), "--ref-model", at(ref), "--data", at(data), "--loss-type", lossType],
    ...["--max-length", "128", "--limit", "8", "--device", "cpu", ...more],
  ]);

for (const golden of trl.losses.filter(({ loss_type }) => ["exo_pair", "sppo_hard"].includes(loss_type)))
  test(`eval of ${golden.loss_type} is TRL's`, async () => {
    const smoothing = String(golden.label_smoothing ?? 0);
    agrees(await evaluation("policy", "sft", golden.data, golden.loss_type, "--label-smoothing", smoothing), golden);
  });

for (const golden of trl.kto.filter(({ metrics }) => metrics.kl > 0))
  test("eval of kto on labelled rows is TRL's", async () => {
    const weight = ["--undesirable-weight", String(golden.undesirable_weight)];
    agrees(await evaluation(golden.model, golden.ref, golden.data, "kto", ...weight), golden);
  });

test("eval of kto takes pairs apart; several losses add up with their weights", async () => {
  const [pairs, dpo, sft, both] = await Promise.all([
    evaluation("policy", "sft", "plain.jsonl", "kto", "--batch-size", "16"),
    evaluation("policy", "sft", "plain.jsonl", "sigmoid"),
    evaluation("policy", "sft", "plain.jsonl", "sft"),
    evaluation("policy", "sft", "plain.jsonl", "sigmoid,sft", "--loss-weights", "1,0.25"),
  ]);
  for (const name of ["rewards/chosen", "rewards/rejected", "rewards/margins", "logps/chosen", "logps/rejected"])
    assert.ok(Math.abs(pairs.metrics[name] - dpo.metrics[name]) <= 1e-4, name);
  assert.ok(Math.abs(both.loss - (dpo.loss + 0.25 * sft.loss)) <= 1e-4);
  assert.deepEqual(both.metrics, dpo.metrics);
});

const training = (command: string, data: string, out: string, ...more: readonly string[]) => [
  ...[command, "--model_name_or_path", at("sft"), "--dataset_name", at(data), "--output_dir", join(folder, out)],
  ...["--max_steps", "2", "--logging_steps", "1", "--learning_rate", "1e-3", "--device", "cpu", ...more],
];
const logged = (out: string): Record<string, number>[] =>
  readFileSync(join(folder, out, "metrics.jsonl"), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, number>);

test("kto trains on pairs; with the reference asked once it takes the same steps, and the next run asks no more", async () => {
  const inOrder = [
    "--no-shuffle_dataset",
    "--ref_model_name_or_path",
    at("policy"),
    "--per_device_train_batch_size",
    "4",
  ];
  const once = [...inOrder, "--precompute_ref_log_probs", "--ref_log_probs_cache", join(folder, "known")];
  const [, first] = await Promise.all([
    succeeds(training("kto", "chat.jsonl", "kto-a", ...inOrder)),
    succeeds(training("kto", "chat.jsonl", "kto-b", ...once)),
  ]);
  const second = await succeeds(training("kto", "chat.jsonl", "kto-c", ...once));
  assert.match(first.stderr, /reference log-probabilities: computing those of 128 rows\n/);
  assert.match(second.stderr, /reference log-probabilities: those of 128 rows are taken from .*known/);
  assert.deepEqual(logged("kto-b"), logged("kto-c"));
  const [asked, known] = [logged("kto-a"), logged("kto-b")];
  assert.equal(asked.length, 2);
  assert.ok(asked.every(({ kl }) => kl >= 0));
  asked.forEach((record, i) => {
    for (const [name, value] of Object.entries(record))
      assert.ok(Math.abs(known[i][name] - value) <= 1e-4 * Math.max(1, Math.abs(value)), `${name} at ${i + 1}`);
  });
});

test("dpo by a loss that knows no reference; loss_type and loss_weights as lists in YAML", async () => {
  const config = join(folder, "simpo.yaml");
  writeFileSync(config, "loss_type: [simpo, sft]\nloss_weights: [1, 0.5]\nbeta: 2\nsimpo_gamma: 1\n");
  await succeeds(training("dpo", "chat.jsonl", "simpo", "--config", config));
  const steps = logged("simpo");
  assert.equal(steps.length, 2);
  assert.ok(steps.every((step) => step["rewards/chosen"] < 0 && Number.isFinite(step.loss)));
});
