/** Files of a model folder, and of an adapter. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { readConfig } from "../../../models/config.js";
import { loadAdapter } from "../../../models/files/adapter-folder.js";
import { readText } from "../../../models/files/json.js";
import { openModelWeights } from "../../../models/files/load.js";
import { elementsOf, safetensorsHeader } from "../../../models/files/safetensors-write.js";
import { generationDefaults } from "../../../models/generation/defaults.js";
import { loadTokenizer } from "../../../models/text/tokenizer.js";
import { planMerge } from "../../../run/merge/plan.js";
import { readRecipe } from "../../../run/merge/recipe.js";
import { frontMatter, parseYaml } from "../../../run/yaml.js";
import { goldenPath } from "../../golden/files.js";
import { CPU, dpo, files, linked, policy, type Target } from "./target.js";

const sharded = goldenPath("llama3-tiny");
const beside = (folder: string, name: string): string => join(folder, "..", name);

/** Reads a chat as a model folder's tokenizer and template write it. */
const chatted = (folder: string): void => {
  const reader = loadTokenizer(folder);
  reader.encode("Ada has 5 keys, ж 好");
  if (reader.hasChatTemplate) reader.encodeChat([{ role: "user", content: "Hello" }], { addGenerationPrompt: true });
};
const weighed = (folder: string): void => {
  const config = readConfig(folder);
  openModelWeights(folder, config);
};

type Call = Pick<Target, "args" | "gate">;
const score: Call = {
  args: (folder) => ["logprobs", "--model", folder, "--ids-file", beside(folder, "ids.json"), "--json", ...CPU],
  gate: weighed,
};
const say: Call = {
  args: (folder) => [
    ...["generate", "--model", folder, "--prompt", "Ada has 5 keys", "--greedy", "--max-new-tokens", "2", "--json"],
    ...CPU,
  ],
  gate: (folder) => generationDefaults(folder, {}),
};
const chat: Call = {
  args: (folder, out) => [...dpo(beside(folder, "chat.jsonl"), out, folder), "--dry_run"],
  gate: chatted,
};
const train: Call = {
  args: (folder, out) => dpo(beside(folder, "chat.jsonl"), out, folder),
  gate: (folder) => parseYaml(frontMatter(readText(join(folder, "README.md"))), "README.md"),
};
const merge: Call = {
  args: (folder, out) => ["merge", beside(folder, "merge.yaml"), out, ...CPU],
  gate: async (folder) => planMerge(await readRecipe(beside(folder, "merge.yaml"))),
};
const write: Call = {
  args: (folder, out) => ["export", "--model", folder, "--out", `${out}.gguf`, "--type", "f16"],
  gate: weighed,
};
const adapt: Call = {
  args: (folder, out) => [
    ...dpo(beside(folder, "chat.jsonl"), out),
    ...["--use_peft", "--adapter_name_or_path", folder],
  ],
  gate: (folder) => loadAdapter(folder, readConfig(policy)),
};

/** A file of a model folder, and a call that reads it. */
const part = (folder: string, name: string, kind: Target["kind"], call: Call, called = name): Target => ({
  ...{ name: called, kind, ...call, in: [name, linked(folder, name)] },
  whole: readFileSync(join(folder, name)),
});
/** A file that the folder of this model may have. */
const further = (name: string, content: string, call: Call, called = name): Target => ({
  ...{ name: called, kind: "text", ...call, in: [name, linked(policy, name)] },
  whole: Buffer.from(content),
});

const card = `---
license: other
license_name: "some: name"
license_link: https://example.org/license
tags:
- a
---
# A model
`;
const special = { pad_token: "<pad>", eos_token: { content: "<|im_end|>", lstrip: false } };

const factors = [0, 1].flatMap((layer) =>
  [
    ["A", [4, 64]],
    ["B", [64, 4]],
  ].map(([side, shape]) => ({
    name: `base_model.model.model.layers.${layer}.self_attn.q_proj.lora_${side}.weight`,
    ...{ shape: shape as number[], dtype: "F32" as const },
  })),
);
const adapter = {
  "adapter_config.json": Buffer.from(
    JSON.stringify({
      ...{ peft_type: "LORA", r: 4, lora_alpha: 8, lora_dropout: 0, bias: "none", target_modules: ["q_proj"] },
      ...{ task_type: "CAUSAL_LM", fan_in_fan_out: false, init_lora_weights: true, use_rslora: false },
    }),
  ),
  "adapter_model.safetensors": Buffer.concat([
    safetensorsHeader("adapter", factors),
    new Uint8Array(4 * factors.reduce((sum, { shape }) => sum + elementsOf(shape), 0)),
  ]),
};
const ofAdapter = (name: keyof typeof adapter, kind: Target["kind"]): Target => {
  const { [name]: whole, ...others } = adapter;
  return { name, kind, whole, ...adapt, in: [name, files(others as Readonly<Record<string, Uint8Array>>)] };
};

export const models: readonly Target[] = [
  part(policy, "model.safetensors", "tensors", score),
  part(policy, "model.safetensors", "tensors", merge, "merged model.safetensors"),
  part(policy, "model.safetensors", "tensors", write, "exported model.safetensors"),
  part(policy, "config.json", "text", score),
  part(policy, "config.json", "text", write, "exported config.json"),
  part(policy, "generation_config.json", "text", say),
  part(policy, "tokenizer.json", "text", chat),
  part(policy, "tokenizer.json", "text", write, "exported tokenizer.json"),
  part(policy, "tokenizer_config.json", "text", chat),
  part(policy, "chat_template.jinja", "text", chat),
  part(sharded, "model.safetensors.index.json", "text", score),
  further("special_tokens_map.json", JSON.stringify(special), chat),
  further("README.md", card, train, "model's README.md"),
  ofAdapter("adapter_config.json", "text"),
  ofAdapter("adapter_model.safetensors", "tensors"),
];
