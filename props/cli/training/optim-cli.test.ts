/** `taugrad dpo` and `sft` with every optimizer: keys from YAML, warnings, refusals. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { OPTIMIZER_NAMES } from "../../../align/training/rules/settings.js";
import { goldenPath } from "../../golden/files.js";
import { succeeds } from "../cli.js";
import { calls, folder, policy, refused } from "../cli-refuses.js";

const sft = goldenPath("preferences", "sft");

const usual = [
  ...["dpo", "--model_name_or_path", policy, "--ref_model_name_or_path", sft, "--device", "cpu", "--max_steps", "3"],
  ...["--dataset_name", goldenPath("preferences", "chat.jsonl"), "--logging_steps", "1"],
  ...["--learning_rate", "1e-3", "--lr_scheduler_type", "constant", "--no-shuffle_dataset"],
  ...["--per_device_train_batch_size", "4"],
];

/** Three steps; the losses and what was said. */
const steps = async (name: string, keys: Readonly<Record<string, unknown>>) => {
  const out = join(folder, name);
  writeFileSync(
    `${out}.yaml`,
    Object.entries(keys)
      .map(([key, value]) => `${key}: ${value}\n`)
      .join(""),
  );
  const { stderr } = await succeeds([...usual, "--config", `${out}.yaml`, "--output_dir", out]);
  const lines = readFileSync(join(out, "metrics.jsonl"), "utf8").trimEnd().split("\n");
  const records = lines.map((line) => JSON.parse(line) as { loss: number; learning_rate: number });
  return { losses: records.map(({ loss }) => loss), rate: records[0].learning_rate, stderr };
};

const merging = { base_model_name_or_path: policy, alpha: 0.05, reserve_p: 0.5 };
const KEYS: Readonly<Record<(typeof OPTIMIZER_NAMES)[number], Readonly<Record<string, unknown>>>> = {
  adamw: { weight_decay: 0.1, l2_reference: 0.5 },
  sgd: { momentum: 0.5 },
  lion: { adam_beta2: 0.9 },
  muon: { momentum: 0.5 },
  adafactor: {},
  schedule_free_adamw: { adam_beta1: 0.5 },
  ondare: { ...merging, base_optim: "muon", compensated: true },
  onties: { ...merging, merge_preset: "official", rescale: "l1", optim_state_dtype: "bf16", lr_by_reserve: true },
  ondare_ties: { ...merging, base_optim: "lion", projection_rank: 2, projection_interval: 2 },
  onmagnitude: { ...merging, base_optim: "sgd", momentum: 0.5, online_step: 2 },
  childtuning_f: { reserve_p: 0.5, adam_epsilon: 1e-6 },
  childtuning_d: { reserve_p: 0.25, fisher_batches: 2 },
  ema: { ema_variant: "pullback", ema_coefficient: 0.5, precompute_ref_log_probs: true },
};

const plainSteps = steps("plain", {});

for (const optim of OPTIMIZER_NAMES)
  test(`dpo takes optim ${optim} with its keys, and its third loss is its own`, async () => {
    const [plain, own] = [await plainSteps, await steps(optim, { optim, ...KEYS[optim] })];
    assert.ok(own.losses.every(Number.isFinite));
    assert.ok(Math.abs(own.losses[0] - plain.losses[0]) < 1e-4, "the first loss is that of the starting weights");
    if (optim !== "adamw") assert.ok(Math.abs(own.losses[2] - plain.losses[2]) > 1e-6, `${own.losses} as with AdamW`);
    assert.equal(own.rate, optim === "onties" ? 1e-3 / Math.sqrt(merging.reserve_p) : 1e-3);
    if (optim === "childtuning_d") assert.match(own.stderr, /dpo: Fisher information from 2 batches/);
  });

test("law 13: dpo warns when float32 would absorb α·τ, and not if weights are compensated; and of a τ of nothing", async () => {
  const tiny = { optim: "onties", ...merging, alpha: 1e-9 };
  assert.match(
    (await steps("absorbed", tiny)).stderr,
    /warning: alpha 1e-9 .*\d+ % of the float32 .*compensated: true/,
  );
  assert.doesNotMatch((await steps("kept", { ...tiny, compensated: true })).stderr, /warning/);
  const large = await steps("large", { ...tiny, alpha: 0.1 });
  assert.doesNotMatch(large.stderr, /warning/);
  assert.match(large.stderr, /onties drifts by A = 0\.300 reference deltas in 3 steps/);
  // Of each update's length, whatever τ's is.
  const scaled = await steps("scaled", { ...tiny, tau_scale: "update" });
  assert.doesNotMatch(scaled.stderr, /warning|drifts by A/);
  const nothing = await steps("nothing", { ...tiny, base_model_name_or_path: sft, tau_scale: "update" });
  assert.match(nothing.stderr, /warning: the reference delta is 0 everywhere, and nothing drifts/);
  const own = await steps("scaled-large", { ...tiny, alpha: 0.1, tau_scale: "update" });
  assert.ok(Math.abs(own.losses[2] - large.losses[2]) > 1e-6, `${own.losses} as without tau_scale`);
});

refused("optimizers with keys that mean nothing to them, or without those they need", () => [
  [[...calls.dpo, "--optim", "adam"], /--optim is "adam"; did you mean "adamw"\?$/m],
  [[...calls.dpo, "--optim", "none-such"], /--optim is "none-such"; it must be one of adamw, sgd, lion, muon/],
  [[...calls.dpo, "--optim", "onties", "--tau_scale", "updates"], /--tau_scale is "updates"; did you mean "update"\?/],
  [
    [...calls.dpo, "--optim", "sgd", "--adam_beta2", "0.9"],
    /optim "sgd": adam_beta1 or adam_beta2 has no meaning there/,
  ],
  [
    [...calls.sft, "--projection_interval", "5"],
    /projection_interval has no meaning there; it belongs to runs with proj/,
  ],
  [
    [...calls.sft, "--optim", "schedule_free_adamw", "--projection_rank", "4"],
    /projection_rank has no meaning there; it belongs to optimizers that hand out no average/,
  ],
  [[...calls.dpo, "--projection_rank", "4096"], /projection_rank is 4096, .* nothing would be projected; lower it/],
  [[...calls.sft, "--optim", "lion", "--adam_epsilon", "1e-8"], /optim "lion": adam_epsilon has no meaning there/],
  [[...calls.dpo, "--optim", "sgd", "--base_optim", "lion"], /base_optim has no meaning there/],
  [[...calls.dpo, "--ema_coefficient", "0.1"], /optim "adamw": ema_coefficient .* it belongs to ema/],
  [[...calls.dpo, "--lr_by_reserve"], /lr_by_reserve belongs to optim onties .*; optim is adamw, leave/],
  [[...calls.dpo, "--fisher_batches", "2"], /optim adamw: fisher_batches .* it belongs to childtuning_d/],
  [[...calls.dpo, "--optim", "childtuning_d"], /optim "childtuning_d" needs reserve_p/],
  [[...calls.dpo, "--momentum", "1"], /--momentum is "1"; it must be a number in \[0, 1\)/],
  [[...calls.dpo, "--optim", "onmagnitude"], /optim onmagnitude needs base_model_name_or_path/],
]);

test("dpo moves its reference and hands out an average by TRL's keys; with α = 0 the reference stays", async () => {
  const { losses } = await plainSteps;
  const still = await steps("still", { sync_ref_model: true, ref_model_mixup_alpha: 0, ref_model_sync_steps: 1 });
  assert.deepEqual(still.losses, losses);
  const moving = await steps("moving", {
    sync_ref_model: true,
    ref_model_sync_steps: 1,
    bema: true,
    bema_update_freq: 2,
  });
  assert.deepEqual(moving.losses.slice(0, 1), losses.slice(0, 1));
  assert.ok(Math.abs(moving.losses[2] - losses[2]) > 1e-3, "the reference moved");
  const { stderr } = await steps("rests", {
    ...{ sync_ref_model: true, ref_model_mixup_alpha: 0.6, bema_lag: 3, wire: "bf16" },
  });
  assert.match(stderr, /note: wire does nothing in one process/);
  assert.match(stderr, /note: bema_lag does nothing without bema/);
  assert.match(stderr, /warning: sync_ref_model: the run has 3 steps, in which the reference model does not move/);
});

const moves = [...calls.dpo, "--sync_ref_model"];

refused("references that move, and averages, beside what they do not go with", () => [
  [[...moves, "--precompute_ref_log_probs"], /sync_ref_model: the reference model moves, and precompute_ref_log_probs/],
  [[...moves, "--use_peft"], /sync_ref_model: with use_peft the reference is the model below the adapter/],
  [[...moves, "--loss_type", "simpo"], /sync_ref_model moves the reference model, and loss_type simpo knows none/],
  [[...moves, "--bema", "--bema_update_ref_model"], /sync_ref_model and bema_update_ref_model both move/],
  [[...moves, "--ref_model_mixup_alpha", "1.5"], /--ref_model_mixup_alpha is "1.5"; it must be a number in \[0, 1\]/],
  [[...calls.sft, "--sync_ref_model"], /sync_ref_model/],
  [[...calls.dpo, "--bema", "--optim", "ema"], /bema: ema hands out an average of its own/],
  [
    [
      ...calls.dpo,
      "--bema",
      "--optim",
      "onties",
      "--base_optim",
      "schedule_free_adamw",
      "--base_model_name_or_path",
      policy,
    ],
    /bema: schedule_free_adamw hands out/,
  ],
  [
    [...calls.dpo, "--bema", "--bema_lag", "0", "--bema_multiplier", "0"],
    /bema: lag \+ multiplier · t is 0 at the first/,
  ],
  [[...calls.dpo, "--bema", "--max_steps", "3"], /bema: the run has 3 steps, in which no average is made/],
]);
