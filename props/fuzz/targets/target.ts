/** What is spoiled, and the call that must survive it. */
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { goldenPath } from "../../golden/files.js";
import type { Took } from "../attempt.js";
import type { FileKind } from "../mutate.js";

/** A file to spoil: what it holds when it is whole, and the call, given the place of the spoiled one and of the output. */
export interface Target {
  readonly name: string;
  readonly kind: FileKind;
  readonly whole: Uint8Array;
  readonly args: (place: string, out: string) => readonly string[];
  /** What the call reads it with, given its place. */
  readonly gate: (place: string) => unknown;
  /** Its name in a folder, and what lays the files beside it; the call gets the folder. */
  readonly in?: readonly [name: string, others: (folder: string) => void];
}

export const policy = goldenPath("preferences", "policy");
export const sft = goldenPath("preferences", "sft");
export const CPU = ["--device", "cpu"];

/** The first rows of a golden file. */
export const head = (name: string, count = 6): string[] =>
  readFileSync(goldenPath("preferences", name), "utf8").split("\n").slice(0, count);
export const lines = (rows: readonly unknown[]): Buffer =>
  Buffer.from(rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
export const plain = head("plain.jsonl").map((line) => JSON.parse(line) as Record<string, string>);

export const oneStep = (out: string): string[] => [
  ...["--output_dir", out, "--max_steps", "1", "--warmup_steps", "0", ...CPU],
];
export const dpo = (rows: string, out: string, model = policy): string[] => [
  ...["dpo", "--model_name_or_path", model, "--dataset_name", rows, "--per_device_train_batch_size", "2"],
  ...["--max_length", "128", ...oneStep(out)],
];

export const recipeOf = (donor: string): string => `merge_method: dare_ties
base_model: ${policy}
models:
  - model: ${donor}
    parameters: {weight: 0.5, density: [0.2, 0.9]}
  - model: ${policy}
    parameters:
      weight: 1
parameters:
  normalize: true
dtype: float32
`;

/** Files by name. */
export const files =
  (made: Readonly<Record<string, string | Uint8Array>>) =>
  (folder: string): void => {
    for (const [name, content] of Object.entries(made)) writeFileSync(join(folder, name), content);
  };

/** A folder's files by links, but one. */
export const linked =
  (from: string, but: string) =>
  (folder: string): void => {
    for (const name of readdirSync(from)) if (name !== but) symlinkSync(resolve(from, name), join(folder, name));
  };

/** A call that was refused leaves no model behind. */
export const leftIn =
  (out: string) =>
  async ({ code }: Took): Promise<string | undefined> =>
    code !== 0 &&
    (existsSync(`${out}.gguf`) || (existsSync(out) && readdirSync(out).some((name) => name.endsWith(".safetensors"))))
      ? "half an output"
      : undefined;

/** Puts a file where its call finds it, by `put`, in an empty folder; gives the call, what reads it, and what it may not leave. */
export const laid = ({ name, args, gate, in: beside }: Target, put: (path: string) => void, place: string) => {
  const out = join(place, "out");
  const folder = beside === undefined ? place : join(place, "model");
  if (beside !== undefined) {
    const [, others] = beside;
    mkdirSync(folder);
    others(folder);
    files({
      "ids.json": '{"ids": [[1, 2, 3]]}',
      "chat.jsonl": head("chat.jsonl").join("\n"),
      "merge.yaml": recipeOf(folder),
    })(place);
  }
  const path = join(folder, beside?.[0] ?? name);
  put(path);
  const found = beside === undefined ? path : folder;
  return { args: args(found, out), gate: () => gate(found), lost: leftIn(out), path };
};
