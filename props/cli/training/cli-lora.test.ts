/** `taugrad sft` and `taugrad dpo` with an adapter: what they train, and the plain model they leave. */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { loadAdapter, loadModel, mergeLora, openWeights } from "../../../models/index.js";
import { numbers } from "../../../testing/runs.js";
import { assertClose } from "../../close.js";
import { device } from "../../devices.js";
import { goldenPath } from "../../golden/files.js";
import { scratch, succeeds } from "../cli.js";
import { type Case, calls, refused } from "../cli-refuses.js";
import { inside } from "../inside.js";

const policy = goldenPath("preferences", "policy");
const folder = scratch();

/** The chosen answers as a file of completions. */
const completions = (): string => {
  const data = join(folder, "completions.jsonl");
  const rows = readFileSync(goldenPath("preferences", "plain.jsonl"), "utf8").trimEnd().split("\n").slice(0, 8);
  const pairs = rows.map((line) => JSON.parse(line) as { prompt: string; chosen: string });
  writeFileSync(
    data,
    pairs.map(({ prompt, chosen }) => `${JSON.stringify({ prompt, completion: chosen })}\n`).join(""),
  );
  return data;
};

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

/** (a − base) and (b − base) of every weight that a changed, one after the other. */
const moves = (base: string, a: string, b: string): readonly (readonly [number, number])[] =>
  changed(base, a).flatMap((name) => {
    const [w, x, y] = [base, a, b].map((model) => openWeights(model).read(name).data);
    return Array.from(w, (start, i) => [x[i] - start, y[i] - start] as const);
  });

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

/** An SFT adapter of two modules, by two steps; the folder it is left in. */
const trainedAdapter = async (name: string): Promise<string> => {
  const out = join(folder, name);
  await succeeds([
    ...["sft", ...common, "--dataset_name", completions(), "--max_steps", "2", "--use_peft", "--output_dir", out],
    ...["--lora_r", "2", "--lora_alpha", "4", "--lora_target_modules", "q_proj,mlp.down_proj"],
  ]);
  return out;
};
const adapted = trainedAdapter("adapted");

test("sft with use_peft leaves the adapter as PEFT does; base and adapter are the merged model", async () => {
  const out = await adapted;
  const raw = JSON.parse(readFileSync(join(out, "adapter", "adapter_config.json"), "utf8")) as Record<string, unknown>;
  assert.deepEqual(
    [raw.peft_type, raw.task_type, raw.r, raw.lora_alpha, raw.base_model_name_or_path, raw.bias],
    ["LORA", "CAUSAL_LM", 2, 4, policy, "none"],
  );
  const { config, params } = loadModel(policy);
  const { options, factors } = loadAdapter(join(out, "adapter"), config);
  assert.equal(Object.keys(factors).length, 8);
  const merged = mergeLora(params, factors, config, options);
  for (const name of changed(policy, out)) {
    const got = await numbers(merged[name], await device("cpu"));
    assertClose(openWeights(out).read(name).data, got, { rel: 1e-6 }, name);
  }
});

test("DoRA, rsLoRA and a module trained whole: the folder holds what base and adapter make, and training goes on from it", async () => {
  const out = join(folder, "dora");
  await succeeds([
    ...["sft", ...common, "--dataset_name", completions(), "--max_steps", "2", "--use_peft", "--output_dir", out],
    ...["--lora_r", "2", "--lora_alpha", "4", "--lora_target_modules", ".*layers.0.*(q|v)_proj"],
    ...["--use_dora", "--use_rslora", "--lora_modules_to_save", "model.norm"],
  ]);
  const adapter = join(out, "adapter");
  const raw = JSON.parse(readFileSync(join(adapter, "adapter_config.json"), "utf8")) as Record<string, unknown>;
  assert.deepEqual([raw.use_dora, raw.use_rslora, raw.modules_to_save], [true, true, ["model.norm"]]);
  const { config, params } = loadModel(policy);
  const { options, factors } = loadAdapter(adapter, config);
  assert.deepEqual(changed(policy, out).sort(), [
    ...["model.layers.0.self_attn.q_proj.weight", "model.layers.0.self_attn.v_proj.weight", "model.norm.weight"],
  ]);
  const merged = mergeLora(params, factors, config, options);
  for (const name of changed(policy, out)) {
    const got = await numbers(merged[name], await device("cpu"));
    assertClose(openWeights(out).read(name).data, got, { rel: 1e-6 }, name);
  }
  const next = join(folder, "dora-dpo");
  writeFileSync(join(adapter, "adapter_config.json"), JSON.stringify({ ...raw, lora_dropout: 0.05 }));
  const { stderr } = await succeeds([
    ...["dpo", ...common, "--max_steps", "1", "--use_peft", "--adapter_name_or_path", adapter, "--output_dir", next],
  ]);
  assert.match(stderr, /WARNING: .* has lora_dropout 0.05, which TRL would apply/);
  assert.ok(Math.abs(losses(next)[0] - Math.LN2) < 1e-5, `first loss ${losses(next)[0]}`);
  const refusedTau = await inside([...peft, adapter]);
  assert.equal(refusedTau.code, 2);
  assert.match(refusedTau.stderr, /optim ondare drifts along τ, and with DoRA weights do not move along a line/);
});

test("keys of an adapter without use_peft are told to do nothing, dropout as the others", async () => {
  const common = [
    "--model_name_or_path",
    policy,
    "--dataset_name",
    completions(),
    "--output_dir",
    join(folder, "idle"),
  ];
  const { stderr } = await succeeds(["sft", ...common, "--lora_r", "4", "--lora_dropout", "0.1", "--dry_run"]);
  assert.match(stderr, /note: lora_r, lora_dropout do nothing without use_peft/);
});

test("laws 4 and 7 over an adapter: dpo drifts its factors by α·τ, so that weights move along reference − base", async () => {
  const sft = await adapted;
  const trained = async (name: string, ...more: string[]): Promise<string> => {
    const out = join(folder, name);
    await succeeds([
      ...["dpo", ...common, "--max_steps", "1", "--use_peft", "--adapter_name_or_path", join(sft, "adapter")],
      ...["--output_dir", out, ...more],
    ]);
    assert.ok(Math.abs(losses(out)[0] - Math.LN2) < 1e-5, `${name}: policy and reference are one at first`);
    return out;
  };
  const [dare, ties, plain] = await Promise.all([
    trained("adapter-dare", "--optim", "ondare", "--alpha", "1"),
    trained("adapter-ties", "--optim", "onties", "--alpha", "0.5", "--learning_rate", "0"),
    trained("adapter-adamw", "--precompute_ref_log_probs"),
  ]);
  // (A, B) → (A, B + α·B): twice, and one and a half times, what sft had moved.
  for (const [out, factor] of [[dare, 2], [ties, 1.5]] as const) // biome-ignore format: one line
    for (const [own, first] of moves(policy, out, sft)) assert.ok(Math.abs(own - factor * first) < 1e-6);
  assert.ok(moves(policy, sft, plain).some(([first, own]) => Math.abs(own - first) > 1e-4));
  assert.deepEqual(changed(policy, dare), changed(policy, sft));
});

test("sft with use_peft: all linear layers by default, the same with gradient checkpointing, other with another seed", async () => {
  const data = completions();
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

const peft = [...calls.dpo, "--optim", "ondare", "--use_peft", "--adapter_name_or_path"];
const sft = goldenPath("preferences", "sft");

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
    /use_peft: optim ondare looks at the reference, .* give its folder .* as adapter_name_or_path/,
  ],
  [[...calls.dpo, "--use_peft", "--optim", "onties"], /use_peft: optim onties looks at the reference/],
  [[...calls.dpo, "--adapter_name_or_path", policy], /adapter_name_or_path needs use_peft: true/],
  [[...peft, policy], /adapter_config.json: no such file/],
  [[...peft, policy, "--lora_r", "4"], /lora_r is given beside adapter_name_or_path/],
  [[...peft, policy, "--ref_model_name_or_path", policy], /the reference is model_name_or_path with the adapter/],
  [[...peft, policy, "--base_model_name_or_path", sft], /the base is model_name_or_path, leave it out/],
  [[...peft, join(folder, "gone")], /gone: no such folder/],
  ...Object.entries({ bias: "some", lora_bias: true, peft_type: "IA3", init_lora_weights: "pissa" }).map(
    ([field, value]): Case => {
      const bad = join(folder, `bad-${field}`);
      mkdirSync(bad);
      writeFileSync(join(bad, "adapter_config.json"), JSON.stringify({ peft_type: "LORA", r: 4, [field]: value }));
      return [[...peft, bad], new RegExp(`adapter_config.json: ${field} is`)];
    },
  ),
  [[...calls.dpo, "--lora_rnk", "4"], /no option --lora_rnk/],
]);
