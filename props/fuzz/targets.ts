/** What is spoiled, and the call that must survive it. */
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { gzipSync } from "node:zlib";
import { parquetWriteBuffer } from "hyparquet-writer";
import {
  type Dataset,
  type DatasetOptions,
  exampleDataset,
  labelledDataset,
  pairDataset,
} from "../../align/data/dataset.js";
import { resolveValues } from "../../cli/config.js";
import { planMerge } from "../../cli/merge/plan.js";
import { readRecipe } from "../../cli/merge/recipe.js";
import { readIdsFile } from "../../cli/token-ids.js";
import { readYamlObject } from "../../cli/yaml.js";
import { parseTasks } from "../../lab/evaluate/index.js";
import { readConfig } from "../../models/config.js";
import { openModelWeights } from "../../models/files/load.js";
import { generationDefaults } from "../../models/generation/defaults.js";
import { loadTokenizer, type Tokenizer } from "../../models/text/tokenizer.js";
import { goldenPath } from "../golden/files.js";
import type { FileKind } from "./mutate.js";

const policy = goldenPath("preferences", "policy");
const sft = goldenPath("preferences", "sft");
const sharded = goldenPath("llama3-tiny");
const head = (name: string, count = 6): string[] =>
  readFileSync(goldenPath("preferences", name), "utf8").split("\n").slice(0, count);
const lines = (rows: readonly unknown[]): Buffer => Buffer.from(rows.map((row) => `${JSON.stringify(row)}\n`).join(""));

/** A file to spoil: what it holds when it is whole, and the call, given the place of the spoiled one and of the output. */
export interface Target {
  readonly name: string;
  readonly kind: FileKind;
  readonly whole: Buffer;
  readonly args: (place: string, out: string) => readonly string[];
  /** What the call reads it with, given its place. */
  readonly gate: (place: string) => unknown;
  /** The folder beside whose files it belongs, and its name there; the call gets the folder. */
  readonly in?: readonly [folder: string, name: string];
}

const CPU = ["--device", "cpu"];
const oneStep = (out: string): string[] => ["--output_dir", out, "--max_steps", "1", "--warmup_steps", "0", ...CPU];
const dpo = (rows: string, out: string): string[] => [
  ...["dpo", "--model_name_or_path", policy, "--dataset_name", rows, "--per_device_train_batch_size", "2"],
  ...["--max_length", "128", ...oneStep(out)],
];
const train = (command: string, rows: string, out: string): string[] => [command, ...dpo(rows, out).slice(1)];
const ids = (folder: string): string => join(folder, "..", "ids.json");

const config = `# every kind of value
model_name_or_path: ${policy}
base_model_name_or_path: ${sft}
dataset_name: ${goldenPath("preferences", "plain.jsonl")}
output_dir: runs/nowhere
optim: ondare
alpha: 1e-6
reserve_p: 0.5
online_step: 2
merge_preset: official
rescale: l1
learning_rate: 1.0e-3
lr_scheduler_type: cosine
per_device_train_batch_size: 2
gradient_accumulation_steps: 2
max_length: 64
beta: 0.1
max_grad_norm: 1.0
adam_beta1: 0.9
seed: 7
gradient_checkpointing: true
shuffle_dataset: false
optim_state_dtype: "f32"
logging_steps: 1
`;

const plain = head("plain.jsonl").map((line) => JSON.parse(line) as Record<string, string>);
const columns = Object.keys(plain[0]).map((name) => ({ name, data: plain.map((row) => row[name]) }));
const alpaca = plain.map(({ prompt, chosen }) => ({
  instruction: prompt,
  input: "",
  output: chosen,
  history: [["a", "b"]],
}));
const shareGpt = plain.map(({ prompt, chosen, rejected }) => ({
  conversations: [
    { from: "system", value: "s" },
    { from: "human", value: prompt },
  ],
  chosen: { from: "gpt", value: chosen },
  rejected: { from: "gpt", value: rejected },
}));
const recipe = `merge_method: dare_ties
base_model: ${policy}
models:
  - model: ${sft}
    parameters: {weight: 0.5, density: [0.2, 0.9]}
  - model: ${policy}
    parameters:
      weight: 1
parameters:
  normalize: true
dtype: float32
`;

/** Reads rows as a training command does. */
const rowsBy =
  <T>(read: (path: string, tokenizer: Tokenizer, options: DatasetOptions) => Promise<Dataset<T>>) =>
  async (path: string): Promise<void> => {
    tokenizer ??= loadTokenizer(policy);
    (await read(path, tokenizer, { maxLength: 128, vocabSize: readConfig(policy).vocabSize })).close();
  };
let tokenizer: Tokenizer | undefined;
const pairs = rowsBy(pairDataset);
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

/** A file of a model folder, and a call that reads it. */
const part = (folder: string, name: string, kind: FileKind, { args, gate }: Pick<Target, "args" | "gate">): Target => ({
  ...{ name, kind, args, gate, in: [folder, name] },
  whole: readFileSync(join(folder, name)),
});
const score = {
  args: (folder: string) => ["logprobs", "--model", folder, "--ids-file", ids(folder), "--json", ...CPU],
  gate: weighed,
};
const say = {
  args: (folder: string) => [
    ...["generate", "--model", folder, "--prompt", "Ada has 5 keys", "--greedy", "--max-new-tokens", "2", "--json"],
    ...CPU,
  ],
  gate: (folder: string) => generationDefaults(folder, {}),
};
const chat = {
  args: (folder: string, out: string) => [
    ...dpo(join(folder, "..", "chat.jsonl"), out),
    ...["--model_name_or_path", folder, "--dry_run"],
  ],
  gate: chatted,
};
const tasks = {
  sampling: { max_new_tokens: 4, temperature: 0.7, seed: 1 },
  tasks: [
    { name: "a", type: "exact_match", data: goldenPath("preferences", "plain.jsonl"), prompt: "{prompt}", stop: ["."] },
    { name: "b", category: "c", type: "scripts", data: goldenPath("preferences", "plain.jsonl"), limit: 3 },
  ],
};

export const targets: readonly Target[] = [
  {
    ...{ name: "dpo.yaml", kind: "text", whole: Buffer.from(config) },
    args: (place, out) => ["dpo", "--config", place, ...oneStep(out)],
    gate: (place) => resolveValues("dpo", new Map([["config", place]])),
  },
  {
    ...{ name: "merge.yaml", kind: "text", whole: Buffer.from(recipe) },
    args: (place, out) => ["merge", place, out, ...CPU],
    gate: async (place) => planMerge(await readRecipe(place)),
  },
  {
    ...{ name: "tasks.yaml", kind: "text", whole: Buffer.from(JSON.stringify(tasks, null, 1)) },
    args: (place) => ["evaluate", "--model", policy, "--tasks", place, "--limit", "2", "--json", ...CPU],
    gate: async (place) => parseTasks(await readYamlObject(place), place),
  },
  {
    ...{ name: "pairs.jsonl", kind: "text", whole: Buffer.from(head("chat.jsonl").join("\n")) },
    ...{ args: dpo, gate: pairs },
  },
  {
    ...{ name: "implicit.jsonl", kind: "text", whole: Buffer.from(head("implicit_prompt.jsonl").join("\n")) },
    ...{ args: dpo, gate: pairs },
  },
  {
    ...{ name: "pairs.json", kind: "text", whole: Buffer.from(JSON.stringify(shareGpt, null, 2)) },
    ...{ args: dpo, gate: pairs },
  },
  {
    ...{ name: "labelled.jsonl", kind: "text", whole: Buffer.from(head("unpaired.jsonl").join("\n")) },
    ...{ args: (place, out) => train("kto", place, out), gate: rowsBy(labelledDataset) },
  },
  {
    ...{ name: "alpaca.jsonl", kind: "text", whole: lines(alpaca) },
    ...{ args: (place, out) => train("sft", place, out), gate: rowsBy(exampleDataset) },
  },
  { name: "rows.jsonl.gz", kind: "bytes", whole: gzipSync(lines(plain)), args: dpo, gate: pairs },
  {
    ...{ name: "rows.parquet", kind: "bytes", args: dpo, gate: pairs },
    whole: Buffer.from(parquetWriteBuffer({ columnData: columns, rowGroupSize: 2 })),
  },
  {
    ...{ name: "ids.json", kind: "text", whole: Buffer.from('{"ids": [[1, 2, 3], [4, 5]]}') },
    args: (place) => ["logprobs", "--model", policy, "--ids-file", place, "--json", ...CPU],
    gate: (place) => readIdsFile(place, 384),
  },
  part(policy, "model.safetensors", "tensors", score),
  part(policy, "config.json", "text", score),
  part(policy, "generation_config.json", "text", say),
  part(policy, "tokenizer.json", "text", chat),
  part(policy, "tokenizer_config.json", "text", chat),
  part(policy, "chat_template.jinja", "text", chat),
  part(sharded, "model.safetensors.index.json", "text", score),
];

/** Puts a file where its call finds it, by `put`, in an empty folder; gives the call and what reads it. */
export const laid = (target: Target, put: (path: string) => void, place: string) => {
  const out = join(place, "out");
  const { name, args, gate, in: beside } = target;
  if (beside !== undefined) {
    writeFileSync(join(place, "ids.json"), '{"ids": [[1, 2, 3]]}');
    writeFileSync(join(place, "chat.jsonl"), head("chat.jsonl").join("\n"));
  }
  const folder = beside === undefined ? place : join(place, "model");
  if (beside !== undefined) {
    const [from, own] = beside;
    mkdirSync(folder);
    for (const other of readdirSync(from)) if (other !== own) symlinkSync(resolve(from, other), join(folder, other));
  }
  put(join(folder, beside?.[1] ?? name));
  const path = beside === undefined ? join(place, name) : folder;
  return { args: args(path, out), gate: () => gate(path), out };
};
