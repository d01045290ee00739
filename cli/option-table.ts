import { SCHEDULERS } from "../lab/sweep/schedulers/errand.js";
import { type GgufType, TYPES } from "../models/gguf/format.js";
import { TRAINING_KINDS } from "../run/fit/kinds.js";
import { bytes, choice, flag, integer, named, names, number, type Option, text, texts } from "../run/options/kinds.js";
import { keys, MOST_ROWS, MOST_TOKENS } from "../run/options/table.js";

/**
 * Every option there is, by its name: the keys of a training run, and what other commands take. Types, --help, the check of YAML
 * keys and "did you mean" follow from this table.
 */
export const options = {
  ...keys,

  json: flag("one JSON document on stdout, everything else on stderr", false),

  model: text("DIR", "model folder in Hugging Face layout, or owner/name of the Hub"),
  ref_model: text("DIR", "reference model folder"),
  ids_file: text("FILE", 'JSON file {"ids": [[…], …]}; no special token is added'),
  text: text("TEXT", "text to tokenize and score"),
  prompt: text("TEXT", "text to continue, as it is: no chat template"),
  ids: text("IDS", 'token ids to continue, such as "1,2,3"'),
  prompts: text("FILE", "many: a line each, or JSON lines: texts, {prompt}, {messages}, {ids}; - is standard input"),
  chat: flag("prompts are what a user says: the chat template is applied, the answer alone is printed", false),
  system: text("TEXT", "the system's message of a conversation"),
  template_kwargs: named("variables for the chat template", '{"enable_thinking": false}'),
  stop: texts("TEXT", "end before this text; may be given several times; a special token counts as such"),
  stream: flag("print the text as it comes", false),
  num_return_sequences: integer({ from: 1, most: MOST_ROWS }, "so many samples of each prompt", 1),
  greedy: { ...flag("always take the likeliest token", false), fallback: undefined as boolean | undefined },
  max_new_tokens: integer(
    { from: 1, most: MOST_TOKENS },
    "at most so many tokens are added; default: generation_config.json's, else 64",
  ),
  temperature: number(
    { above: 0 },
    "divides the logits; this and the next four: default as generation_config.json says",
  ),
  top_k: integer({ from: 0 }, "sample from the k likeliest tokens; 0 is all"),
  top_p: number({ above: 0, to: 1 }, "sample from the fewest tokens that hold this probability"),
  min_p: number({ from: 0, to: 1 }, "sample from tokens that are at least so likely beside the likeliest"),
  typical_p: number({ above: 0, to: 1 }, "sample from the most typical tokens that hold this probability"),
  repetition_penalty: number({ above: 0 }, "above 1: tokens that occurred become less likely"),
  data: text("PATH", "preference rows: JSONL, JSON (.gz too) or Parquet, a file or a folder"),
  batch_size: integer({ from: 1, most: MOST_ROWS }, "rows (pairs) a batch; matters to kto, kto_pair and sft alone", 8),
  grad_norms: flag("also the gradient norm of each parameter", false),
  tasks: text("FILE", "YAML with the tasks: name, type, data; see docs/evaluate.md"),
  unsandboxed: flag("run generated programs without a sandbox: they may do whatever you may", false),
  base_model: text("DIR", "base model folder θ_b; τ = model − base"),
  drifts: names("NUMBERS", "values of c in model + cτ", ["-0.5", "0.25", "0.5", "1", "2"]),
  for: choice(TRAINING_KINDS, "what would be trained", "dpo"),
  ranks: integer(
    { from: 1, most: 2 ** 16 },
    "processes that train the model together, by MPI: what one of them takes",
    1,
  ),
  memory: bytes("what the device has, such as 24GiB; default: what it tells, if it does"),
  type: choice(Object.keys(TYPES) as GgufType[], "how matrices are stored; vectors are f32", "f16"),

  overwrite: flag("replace a file of that name", false),

  grid: text("GRID.yaml", "methods, learning rates, seeds, and what is asked of every model; see docs/compare.md"),
  recipe: text("CONFIG.yaml", "what to merge and how, in mergekit's YAML"),
  out: text("OUT", "folder for the merged model"),
  out_shard_size: text("N", "at most so many parameters a file, such as 5B; default: the files of the base model"),
  config: text("FILE", "YAML with the keys below; options on the command line win"),
  quick: flag("a small lab: one world, few learning rates, no analyses; three minutes on two cores", false),
  smoke: flag("everything in miniature, in seconds: shows that the lab runs here; its numbers mean nothing", false),
  seeds: integer(
    { from: 1, to: 64 },
    "seeds 0 … N−1; more make intervals narrower, and only theirs is done anew; default 3, smoke 1",
  ),
  processes: integer(
    { from: 1, to: 256 },
    "jobs at a time, one thread each; default: as many as cores, and 1 in each task of a scheduler",
  ),
  scheduler: choice(
    ["local", ...SCHEDULERS],
    "who runs it: this machine, or many tasks that share the folder, for which a script or manifest is written",
    "local",
  ),
  submit: flag("also hand what was written to the scheduler", false),
  array: integer({ from: 1, to: 1000 }, "tasks of a scheduler at a time, at most; default 4"),
  sbatch: texts("OPTION", "an option of sbatch for all tasks: --sbatch=--partition=long; may be given several times"),
  image: text("IMAGE", "container image in which taugrad starts, for Kubernetes"),
  volume_claim: text("NAME", "claim of a volume that all pods may write, for Kubernetes"),
  stage: integer({ from: 0 }, "only jobs before which at most N others have to be done, as a scheduler's tasks do"),
  status: flag("only tell what is done, runs, has failed and why, and how long the rest takes", false),
  retry: flag("try again what failed", false),
} satisfies Record<string, Option<unknown>>;

export type OptionName = keyof typeof options;
