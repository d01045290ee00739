/** `taugrad sft` and `taugrad dpo` with an adapter: what they train, and the plain model they leave. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { openWeights } from "../models/index.js";
import { scratch, succeeds } from "./cli.js";
import { calls, refused } from "./cli-refuses.js";
import { goldenPath } from "./golden/files.js";

const policy = goldenPath("preferences", "policy");
const folder = scratch();

const losses = (out: string): number[] =>
  readFileSync(join(out, "metrics.jsonl"), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => (JSON.parse(line) as { loss: number }).loss);

/** Names of tensors in which two model folders differ. */
const changed = (a: string, b: string): string[] => {
  const [x, y] = [openWeights(a), openWeights(b)];
  assert.deepEqual([...x.names].sort(), [...y.names].sort());
  return x.names.filter((name) => {
    const [u, v] = [x.read(name).data, y.read(name).data];
    return u.some((value, i) => !Object.is(value, v[i]));
  });
};

const common = [
  ...["--model_name_or_path", policy, "--device", "cpu", "--logging_steps", "1", "--lr_scheduler_type", "constant"],
  ...["--dataset_name", goldenPath("preferences", "chat.jsonl"), "--max_length", "64", "--learning_rate", "1e-2"],
];

test("dpo with use_peft starts at ln 2, learns, and leaves plain folders in which only the targets moved", async () => {
  const config = join(folder, "dpo.yaml");
  writeFileSync(
    config,
    "use_peft: true\nlora_r: 4\nlora_alpha: 8\nlora_target_modules:\n  - q_proj\n  - mlp.down_proj\n",
  );
  const out = join(folder, "dpo");
  const { stderr } = await succeeds([
    ...["dpo", "--config", config, ...common, "--max_steps", "6", "--save_steps", "4", "--output_dir", out],
  ]);
  // Each of two layers: q [64, 64] and down [64, 160].
  assert.match(stderr, new RegExp(`adapter: ${2 * 4 * (64 + 64 + 64 + 160)} trainable parameters`));
  const logged = losses(out);
  assert.ok(Math.abs(logged[0] - Math.LN2) < 1e-6, `first loss ${logged[0]}`);
  assert.ok(logged[5] < logged[0] - 0.05, logged.join());
  for (const model of [out, join(out, "checkpoint-4")]) {
    const moved = changed(policy, model);
    assert.equal(moved.length, 4);
    for (const name of moved) assert.match(name, /(q_proj|mlp\.down_proj)\.weight$/);
  }
  assert.equal(changed(out, join(out, "checkpoint-4")).length, 4, "the run went on after the checkpoint");
});

test("sft with use_peft: all linear layers by default, the same with gradient checkpointing, other with another seed", async () => {
  const data = join(folder, "completions.jsonl");
  const rows = readFileSync(goldenPath("preferences", "plain.jsonl"), "utf8").trimEnd().split("\n").slice(0, 8);
  writeFileSync(
    data,
    rows
      .map((line) => JSON.parse(line) as { prompt: string; chosen: string })
      .map(({ prompt, chosen }) => `${JSON.stringify({ prompt, completion: chosen })}\n`)
      .join(""),
  );
  const trained = async (name: string, ...more: string[]): Promise<string> => {
    const out = join(folder, name);
    await succeeds([
      "sft",
      ...common,
      "--dataset_name",
      data,
      "--max_steps",
      "4",
      "--use_peft",
      "--output_dir",
      out,
      ...more,
    ]);
    return out;
  };
  const [plain, all, again, other] = await Promise.all([
    trained("sft", "--lora_target_modules", "all-linear"),
    trained("default"),
    trained("recomputed", "--gradient_checkpointing"),
    trained("seeded", "--seed", "7", "--no-shuffle_dataset"),
  ]);
  assert.equal(changed(policy, plain).length, 14);
  assert.deepEqual(changed(plain, all), []);
  const [a, b] = [losses(plain), losses(again)];
  for (const [i, loss] of a.entries()) assert.ok(Math.abs(loss - b[i]) < 1e-4, `step ${i + 1}: ${loss} and ${b[i]}`);
  assert.ok(a[3] < a[0], a.join());
  assert.equal(changed(plain, other).length, 14);
});

refused("an adapter that cannot be is refused", () => [
  [[...calls.dpo, "--use_peft", "--lora_r", "0"], /--lora_r is "0"; it must be an integer ≥ 1/],
  [[...calls.dpo, "--use_peft", "--lora_alpha", "-1"], /--lora_alpha is "-1"/],
  [
    [...calls.dpo, "--use_peft", "--lora_target_modules", "q_prj"],
    /no linear layer is called "q_prj"; there are q_proj/,
  ],
  [[...calls.sft, "--use_peft", "--lora_target_modules", "q_proj,,"], /it must be names, such as q_proj,v_proj/],
  [
    [...calls.dpo, "--use_peft", "--optim", "ondare", "--base_model_name_or_path", policy],
    /use_peft: optim ondare looks at/,
  ],
  [[...calls.dpo, "--lora_rank", "4"], /no option --lora_rank/],
]);
