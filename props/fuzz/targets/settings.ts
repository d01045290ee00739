/** Texts that say what to do: a run's keys, a merge, benchmarks, prompts. */
import { join } from "node:path";
import { resolveValues } from "../../../cli/config.js";
import { readPrompts } from "../../../cli/speaking/prompts.js";
import { readIdsFile } from "../../../cli/token-ids.js";
import { parseTasks } from "../../../lab/evaluate/index.js";
import { benchmarkRows } from "../../../lab/evaluate/rows/rows.js";
import { loadTokenizer } from "../../../models/text/tokenizer.js";
import { planMerge } from "../../../run/merge/plan.js";
import { readRecipe } from "../../../run/merge/recipe.js";
import { readYamlObject } from "../../../run/yaml.js";
import { goldenPath } from "../../golden/files.js";
import { CPU, files, oneStep, policy, recipeOf, sft, type Target } from "./target.js";

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

const rows = goldenPath("preferences", "plain.jsonl");
const tasks = {
  sampling: { max_new_tokens: 4, temperature: 0.7, seed: 1 },
  tasks: [
    { name: "a", type: "exact_match", data: rows, prompt: "{prompt}", stop: ["."] },
    { name: "b", category: "c", type: "scripts", data: rows, limit: 3 },
  ],
};
const choices = `question,A,B,answer
"Which is warm, or ""hot""?",ice,fire,B
Two and two?,four,five,A
`;
const chosen = { tasks: [{ name: "a", type: "multiple_choice", data: "choices.csv" }] };
const prompts = `{"prompt": "Ada has 5 keys"}
{"messages": [{"role": "user", "content": "Hello"}]}
{"ids": [1, 2, 3]}
"and a text"
`;

const evaluation = (path: string): string[] => [
  ...["evaluate", "--model", policy, "--tasks", path, "--limit", "2", "--json", ...CPU],
];

export const settings: readonly Target[] = [
  {
    ...{ name: "dpo.yaml", kind: "text", whole: Buffer.from(config) },
    args: (place, out) => ["dpo", "--config", place, ...oneStep(out)],
    gate: (place) => resolveValues("dpo", new Map([["config", place]])),
  },
  {
    ...{ name: "merge.yaml", kind: "text", whole: Buffer.from(recipeOf(sft)) },
    args: (place, out) => ["merge", place, out, ...CPU],
    gate: async (place) => planMerge(await readRecipe(place)),
  },
  {
    ...{ name: "tasks.yaml", kind: "text", whole: Buffer.from(JSON.stringify(tasks, null, 1)) },
    args: evaluation,
    gate: async (place) => parseTasks(await readYamlObject(place), place),
  },
  {
    ...{ name: "choices.csv", kind: "text", whole: Buffer.from(choices) },
    in: ["choices.csv", files({ "tasks.yaml": JSON.stringify(chosen) })],
    args: (folder) => evaluation(join(folder, "tasks.yaml")),
    gate: (folder) => benchmarkRows(join(folder, "choices.csv")),
  },
  {
    ...{ name: "prompts.jsonl", kind: "text", whole: Buffer.from(prompts) },
    args: (place) => [
      ...["generate", "--model", policy, "--prompts", place, "--greedy", "--max-new-tokens", "2", "--json", ...CPU],
    ],
    gate: (place) => {
      const nothing = { system: undefined, variables: undefined };
      return readPrompts(place, {
        ...{ tokenizer: loadTokenizer(policy), vocabSize: 423, chat: false, folder: policy },
        ...nothing,
      });
    },
  },
  {
    ...{ name: "ids.json", kind: "text", whole: Buffer.from('{"ids": [[1, 2, 3], [4, 5]]}') },
    args: (place) => ["logprobs", "--model", policy, "--ids-file", place, "--json", ...CPU],
    gate: (place) => readIdsFile(place, 384),
  },
];
