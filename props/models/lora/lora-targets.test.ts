/** Which modules an adapter changes, and how each counts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { InputError } from "../../../core/index.js";
import { type LoraOptions, loraTargets, targetsOf } from "../../../models/index.js";
import { tinyConfig } from "../../generators/tiny-models.js";
import { trainedConfig } from "../../generators/tiny-training.js";

const PROJECTIONS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];

/** Asserts that such a choice is refused. */
const refuses = (choice: LoraOptions, pattern: RegExp, config = trainedConfig): void => {
  assert.throws(
    () => loraTargets(config, choice),
    (e) => e instanceof InputError && pattern.test(e.message),
  );
};

test("lora: targets are found by the end of their name; by default every linear layer but the output matrix", () => {
  const modules = (choice: LoraOptions, config = trainedConfig) =>
    loraTargets(config, choice).map(([name]) => name.split(".").at(-2));
  assert.deepEqual(modules({}).sort(), [...PROJECTIONS].sort());
  assert.deepEqual(modules({}, tinyConfig({ num_hidden_layers: 3 })).length, 3 * PROJECTIONS.length);
  assert.deepEqual(modules({ targets: ["lm_head"] }), ["lm_head"]);
  assert.deepEqual(modules({ targets: ["mlp.up_proj", "q_proj"] }).sort(), ["q_proj", "up_proj"]);
  refuses({ targets: ["proj"] }, /no linear layer is called "proj"; there are q_proj/);
  refuses({ targets: ["embed_tokens"] }, /"embed_tokens"/);
  refuses({ targets: ["lm_head"] }, /"lm_head"/, tinyConfig({ tie_word_embeddings: true }));
  refuses({ targets: [] }, /no target/);
  refuses({ rank: 0 }, /rank is 0/);
  refuses({ rank: 1.5 }, /rank is 1.5/);
  refuses({ alpha: 0 }, /alpha is 0/);
});

test("lora: ranks and scales: the first expression that ends a name counts; α/r, or α/√r", () => {
  const choice: LoraOptions = {
    ...{ rank: 8, alpha: 16, targets: ["q_proj", "v_proj", "up_proj"] },
    ...{ ranks: { "[qv]_proj": 4, v_proj: 2, "model.layers.0.mlp.up_proj": 16 }, alphas: { up_proj: 1 } },
  };
  const told = (options: LoraOptions) =>
    targetsOf(trainedConfig, options).map(({ name, rank, scale }) => [name.split(".").at(-2), rank, scale]);
  assert.deepEqual(told(choice), [["q_proj", 4, 4], ["v_proj", 4, 4], ["up_proj", 16, 1 / 16]]); // biome-ignore format: one line
  assert.deepEqual(told({ ...choice, rsLora: true }), [["q_proj", 4, 8], ["v_proj", 4, 8], ["up_proj", 16, 1 / 4]]); // biome-ignore format: one line
});

test("lora: layers, what is left out, and expressions choose among modules as in PEFT", () => {
  const config = tinyConfig({ num_hidden_layers: 3 });
  const modules = (choice: LoraOptions) =>
    loraTargets(config, choice).map(([name]) => name.replace(/^model\.layers\.|\.weight$/g, ""));
  assert.deepEqual(modules({ targets: ["q_proj"], layers: [0, 2] }), ["0.self_attn.q_proj", "2.self_attn.q_proj"]);
  assert.deepEqual(modules({ targets: ["q_proj"], exclude: ["layers.1.self_attn.q_proj"] }), [
    "0.self_attn.q_proj",
    "2.self_attn.q_proj",
  ]);
  assert.deepEqual(modules({ targets: ["q_proj"], exclude: ".*[01].*" }), ["2.self_attn.q_proj"]);
  assert.deepEqual(modules({ targets: "model\\.layers\\.1\\..*(k|v)_proj" }), [
    "1.self_attn.k_proj",
    "1.self_attn.v_proj",
  ]);
  assert.deepEqual(modules({ targets: ["q_proj", "model.layers.1.mlp.up_proj"], layers: [0] }), [
    "0.self_attn.q_proj",
    "1.mlp.up_proj",
  ]);
  assert.deepEqual(modules({ targets: ["q_proj", "up_proj"], modulesToSave: ["mlp"], layers: [2] }), [
    "2.self_attn.q_proj",
  ]);
  refuses({ targets: "(" }, /"\(" is no regular expression/);
  refuses({ targets: "(?P<x>q_proj)" }, /only|Python's/);
  refuses({ targets: ".*" }, /matches model.embed_tokens, which is no linear layer/);
  refuses({ targets: "([a-z._0-9]+)+!" }, /takes more than 2 s/);
  refuses({ targets: ["q_proj"], layers: [3] }, /no linear layer is left/);
  refuses({ modulesToSave: ["embd"] }, /no module is called "embd"; there are embed_tokens/);
  refuses({ modulesToSave: ["lm_head"] }, /"lm_head" is tied/, tinyConfig({ tie_word_embeddings: true }));
  refuses({ ranks: { q_proj: 0 } }, /rank is 0/);
});
