/** A comparison of seconds: two methods and a merge of a model of two layers, a learning rate, two seeds. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { JsonObject } from "../../../models/files/json.js";
import { prepareCompare } from "../../../run/compare/compare.js";
import { specOf } from "../../../run/compare/spec.js";
import { SILENT } from "../../../run/voice.js";
import { goldenPath } from "../../golden/files.js";

const jsonl = (rows: readonly object[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join("");

/** Writes tasks and pairs into a folder; → a grid's content, of files there. */
export const tinyGrid = (folder: string) => {
  const at = (name: string): string => join(folder, name);
  mkdirSync(folder, { recursive: true });
  const questions = Array.from({ length: 8 }, (_, i) => ({
    question: `${i} + 1 =`,
    choices: ["1", "2"],
    answer: i % 2,
  }));
  writeFileSync(at("choice.jsonl"), jsonl(questions));
  writeFileSync(at("tasks.yaml"), "tasks: [{name: choice, type: multiple_choice, data: choice.jsonl}]\n");
  const pairs = readFileSync(goldenPath("preferences", "plain.jsonl"), "utf8").split("\n");
  // Of instructions there is no reference to be asked: half of the work.
  const chosen = pairs.slice(0, 16).map((line) => {
    const { prompt, chosen: completion } = JSON.parse(line) as Record<string, string>;
    return { prompt, completion };
  });
  writeFileSync(at("train.jsonl"), jsonl(chosen));
  writeFileSync(at("held-out.jsonl"), pairs.slice(16, 32).join("\n"));
  return {
    train: "sft",
    base: {
      ...{ model_name_or_path: goldenPath("preferences", "policy"), dataset_name: at("train.jsonl"), device: "cpu" },
      ...{ base_model_name_or_path: goldenPath("preferences", "sft"), max_length: 32, max_steps: 2 },
      ...{ per_device_train_batch_size: 4, save_strategy: "no", logging_strategy: "no" },
    },
    methods: { adamw: {}, ondare: { optim: "ondare", alpha: 1e-2, reserve_p: 0.5 } },
    learning_rate: [1e-3],
    seeds: [0, 1],
    evaluate: { tasks: at("tasks.yaml"), eval_dataset: at("held-out.jsonl") },
  };
};
/** A merge of what adamw made. */
export const merge = {
  of: "adamw",
  merge_method: "linear",
  models: [
    { model: "start", parameters: { weight: 1 } },
    { model: "trained", parameters: { weight: 1 } },
  ],
};

/** Checks a grid. */
export const prepared = async (grid: object, folder: string, notes: string[] = []) =>
  prepareCompare(specOf(grid as JsonObject, "grid.yaml"), folder, { ...SILENT, note: (line) => notes.push(line) });
