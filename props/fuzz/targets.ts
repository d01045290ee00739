/** What is spoiled, and the call that must survive it. */
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { gzipSync } from "node:zlib";
import { parquetWriteBuffer } from "hyparquet-writer";
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

/** A file of a model folder, and a call that reads it. */
const part = (folder: string, name: string, kind: FileKind, args: Target["args"]): Target => ({
  ...{ name, kind, args, in: [folder, name] },
  whole: readFileSync(join(folder, name)),
});
const score: Target["args"] = (folder) => ["logprobs", "--model", folder, "--ids-file", ids(folder), "--json", ...CPU];
const say: Target["args"] = (folder) => [
  ...[
    "generate",
    "--model",
    folder,
    "--prompt",
    "Ada has 5 keys",
    "--greedy",
    "--max-new-tokens",
    "2",
    "--json",
    ...CPU,
  ],
];
const chat: Target["args"] = (folder, out) => [
  ...dpo(join(folder, "..", "chat.jsonl"), out),
  ...["--model_name_or_path", folder, "--dry_run"],
];

export const targets: readonly Target[] = [
  {
    ...{ name: "dpo.yaml", kind: "text", whole: Buffer.from(config) },
    args: (place, out) => ["dpo", "--config", place, ...oneStep(out)],
  },
  {
    ...{ name: "merge.yaml", kind: "text", whole: Buffer.from(recipe) },
    args: (place, out) => ["merge", place, out, ...CPU],
  },
  { name: "pairs.jsonl", kind: "text", whole: Buffer.from(head("chat.jsonl").join("\n")), args: dpo },
  { name: "implicit.jsonl", kind: "text", whole: Buffer.from(head("implicit_prompt.jsonl").join("\n")), args: dpo },
  { name: "pairs.json", kind: "text", whole: Buffer.from(JSON.stringify(shareGpt, null, 2)), args: dpo },
  {
    ...{ name: "labelled.jsonl", kind: "text", whole: Buffer.from(head("unpaired.jsonl").join("\n")) },
    args: (place, out) => train("kto", place, out),
  },
  { name: "alpaca.jsonl", kind: "text", whole: lines(alpaca), args: (place, out) => train("sft", place, out) },
  { name: "rows.jsonl.gz", kind: "bytes", whole: gzipSync(lines(plain)), args: dpo },
  {
    ...{ name: "rows.parquet", kind: "bytes", args: dpo },
    whole: Buffer.from(parquetWriteBuffer({ columnData: columns, rowGroupSize: 2 })),
  },
  {
    ...{ name: "ids.json", kind: "text", whole: Buffer.from('{"ids": [[1, 2, 3], [4, 5]]}') },
    args: (place) => ["logprobs", "--model", policy, "--ids-file", place, "--json", ...CPU],
  },
  part(policy, "model.safetensors", "tensors", score),
  part(policy, "config.json", "text", score),
  part(policy, "generation_config.json", "text", say),
  part(policy, "tokenizer.json", "text", chat),
  part(policy, "tokenizer_config.json", "text", chat),
  part(policy, "chat_template.jinja", "text", chat),
  part(sharded, "model.safetensors.index.json", "text", score),
];

/** Puts a spoiled file where its call finds it; gives the call. */
export const laid = (target: Target, bytes: Buffer, place: string): { args: readonly string[]; out: string } => {
  rmSync(place, { recursive: true, force: true });
  mkdirSync(place, { recursive: true });
  writeFileSync(join(place, "ids.json"), '{"ids": [[1, 2, 3]]}');
  writeFileSync(join(place, "chat.jsonl"), head("chat.jsonl").join("\n"));
  const out = join(place, "out");
  const { name, args, in: beside } = target;
  if (beside === undefined) {
    const path = join(place, name);
    writeFileSync(path, bytes);
    return { args: args(path, out), out };
  }
  const [from, own] = beside;
  const folder = join(place, "model");
  mkdirSync(folder);
  for (const other of readdirSync(from)) if (other !== own) symlinkSync(resolve(from, other), join(folder, other));
  writeFileSync(join(folder, own), bytes);
  return { args: args(folder, out), out };
};
