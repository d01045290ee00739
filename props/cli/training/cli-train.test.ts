/** `taugrad sft` and `taugrad dpo`: what they compute and what they leave. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { Evaluation } from "../../../align/training/evaluate.js";
import { goldenJson, goldenPath } from "../../golden/files.js";
import { document, scratch, succeeds } from "../cli.js";
import { inside } from "../inside.js";

const policy = goldenPath("preferences", "policy");
const sft = goldenPath("preferences", "sft");
const folder = scratch();

const close = (got: number, expected: number, tolerance: number, what: string): void =>
  assert.ok(Math.abs(got - expected) <= tolerance, `${what}: ${got}, expected ${expected} ± ${tolerance}`);

interface GoldenRun {
  readonly loss_type: string;
  readonly log: readonly { readonly loss: number; readonly grad_norm: number }[];
}

const trl = goldenJson<{ max_length: number; runs: GoldenRun[] }>("preferences", "trl.json");

const records = (out: string): Record<string, number>[] =>
  readFileSync(join(out, "metrics.jsonl"), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, number>);

/** The settings of the golden runs. */
const onChat = [
  ...["dpo", "--model_name_or_path", policy, "--ref_model_name_or_path", sft, "--device", "cpu"],
  ...["--dataset_name", goldenPath("preferences", "chat.jsonl"), "--max_length", String(trl.max_length)],
  ...["--lr_scheduler_type", "constant", "--weight_decay", "0.01", "--no-shuffle_dataset"],
];
const asTrl = [...onChat, "--learning_rate", "1e-3", "--logging_steps", "1"];

test("dpo follows TRL's twelve AdamW steps, and leaves metrics, checkpoints and a model that loads", async () => {
  const steps = trl.runs.find(({ loss_type }) => loss_type === "sigmoid")?.log ?? [];
  assert.equal(steps.length, 12);
  const out = join(folder, "dpo");
  const { stderr } = await succeeds([
    ...asTrl,
    "--max_steps",
    "12",
    "--output_dir",
    out,
    "--save_steps",
    "5",
    "--save_total_limit",
    "1",
  ]);
  assert.match(stderr, /dpo 12\/12 {2}loss 0\.\d+/);
  const logged = records(out);
  assert.deepEqual(
    logged.map(({ step }) => step),
    steps.map((_, i) => i + 1),
  );
  logged.forEach((record, i) => {
    close(record.loss, steps[i].loss, 5e-3, `loss of step ${i + 1}`);
    close(record.grad_norm, steps[i].grad_norm, 1e-3 * steps[i].grad_norm, `gradient norm of step ${i + 1}`);
    assert.equal(record.learning_rate, 1e-3);
  });
  const left = readdirSync(out).filter((name) => name.startsWith("checkpoint") || name.includes("tmp"));
  assert.deepEqual(left, ["checkpoint-10"]);
  const model = readdirSync(policy);
  const outputs = [
    "metrics.jsonl",
    "trainer_state.json",
    ".taugrad.json",
    "README.md",
    "loss.svg",
    "rewards.svg",
    "runs",
  ];
  assert.deepEqual(readdirSync(out).sort(), [...model, ...outputs, "checkpoint-10"].sort());
  const state = ["training_state.safetensors", "run.json", "manifest.json"];
  assert.deepEqual(readdirSync(join(out, "checkpoint-10")).sort(), [...model, ...state].sort());
  const args = ["--ref-model", sft, "--data", goldenPath("preferences", "chat.jsonl"), "--device", "cpu"];
  const [before, after] = await Promise.all(
    [policy, out].map((model) => document<Evaluation>(["eval", "--model", model, ...args])),
  );
  assert.ok(after.loss < before.loss - 0.1, `trained ${after.loss}, before ${before.loss}`);
});

test("dpo with the reference asked beforehand takes the same steps", async () => {
  const losses = await Promise.all(
    [["--precompute_ref_log_probs"], ["--gradient_checkpointing"], []].map(async (more, i) => {
      const out = join(folder, `same-${i}`);
      await succeeds([...asTrl, "--max_steps", "3", "--output_dir", out, ...more]);
      return records(out).map(({ loss }) => loss);
    }),
  );
  for (const other of losses.slice(1))
    for (const [i, loss] of other.entries()) close(loss, losses[0][i], 1e-5, `step ${i + 1}`);
});

test("ondare and onties run from YAML, and depend on alpha", async () => {
  const last = async (optim: string, alpha: string): Promise<number> => {
    const out = join(folder, `${optim}-${alpha}`);
    const config = `${out}.yaml`;
    const keys = { optim, alpha, reserve_p: 0.5, merge_preset: "official", base_model_name_or_path: policy };
    writeFileSync(
      config,
      `# merging\n${Object.entries(keys)
        .map(([key, value]) => `${key}: ${value}\n`)
        .join("")}`,
    );
    await succeeds([...asTrl, "--config", config, "--max_steps", "3", "--output_dir", out]);
    return records(out)[2].loss;
  };
  for (const optim of ["ondare", "onties"]) {
    const [none, some] = await Promise.all([last(optim, "0"), last(optim, "0.05")]);
    assert.ok(Number.isFinite(none) && Number.isFinite(some));
    assert.notEqual(none, some, optim);
  }
});

test("sft learns the completions it is shown, and --json reports the run", async () => {
  const out = join(folder, "sft");
  const data = join(folder, "completions.jsonl");
  const lines = readFileSync(goldenPath("preferences", "plain.jsonl"), "utf8").trimEnd().split("\n").slice(0, 8);
  const rows = lines.map((line) => JSON.parse(line) as { prompt: string; chosen: string });
  writeFileSync(data, rows.map(({ prompt, chosen }) => `${JSON.stringify({ prompt, completion: chosen })}\n`).join(""));
  const report = await document<{ output_dir: string; steps: number; loss: number }>([
    ...["sft", "--model_name_or_path", sft, "--dataset_name", data, "--output_dir", out, "--device", "cpu"],
    ...["--learning_rate", "3e-3", "--max_steps", "8", "--logging_steps", "1", "--gradient_accumulation_steps", "2"],
    ...["--per_device_train_batch_size", "4", "--warmup_steps", "2", "--lr_scheduler_type", "cosine"],
  ]);
  const logged = records(out);
  assert.deepEqual([report.output_dir, report.steps, report.loss], [out, 8, logged[7].loss]);
  assert.ok(logged[7].loss < logged[0].loss - 0.2, `${logged[0].loss} → ${logged[7].loss}`);
  assert.equal(logged[0].learning_rate, 0, "warm-up starts at 0");
  assert.ok(logged[7].learning_rate < logged[3].learning_rate, "cosine falls");
});

test("a run that diverges names step, tensor and rows, and leaves metrics and a checkpoint but no model", async () => {
  const out = join(folder, "diverged");
  const args = [...onChat, "--learning_rate", "1e30", "--max_steps", "9", "--output_dir", out, "--logging_steps", "50"];
  const { code, stderr } = await inside(args);
  assert.equal(code, 2);
  assert.match(
    stderr,
    /\ntaugrad: step 2: the loss is NaN, and the gradient of "\S+" holds NaN at element \d+ \(rows \S+chat\.jsonl:9, .*\); the weights are those of step 1; the run has diverged: lower learning_rate[^\n]*\n$/,
  );
  assert.deepEqual(
    readdirSync(out).filter((name) => /^checkpoint|safetensors/.test(name)),
    ["checkpoint-1"],
  );
});
