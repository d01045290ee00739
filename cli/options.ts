import { PROFILE_NAMES } from "../kernels/webgpu/profile-names.js";
import type { Option } from "../run/options/kinds.js";
import { comparing, shared, takes } from "../run/options/takes.js";
import { type OptionName, options } from "./option-table.js";
import { sweeping } from "./sweeping/options.js";

export { type OptionName, options };

interface CommandSpec {
  readonly summary: string;
  /** What stands after the command in --help. */
  readonly usage: string;
  readonly required: readonly OptionName[];
  readonly options: readonly OptionName[];
  /** Training commands spell options as their YAML keys: learning_rate, not learning-rate. */
  readonly keys: boolean;
  /** Options that may also be given by their place, without a name. */
  readonly places?: readonly OptionName[];
  readonly defaults: Readonly<Partial<Record<OptionName, unknown>>>;
  /** What an option does here, where that is not what it does elsewhere. */
  readonly about?: Readonly<Partial<Record<OptionName, string>>>;
}

/** How a model is asked to go on. */
const speaking = [
  "model",
  "adapter_name_or_path",
  "chat_template_path",
  "system",
  "template_kwargs",
  "stop",
  "max_new_tokens",
  "greedy",
  "temperature",
  "top_k",
  "top_p",
  "min_p",
  "typical_p",
  "repetition_penalty",
  "seed",
  "device",
  "adapter",
] as const satisfies readonly OptionName[];

/** What some of them are here. */
const spoken = {
  adapter_name_or_path: "folder of a PEFT adapter for the model",
  adapter: "a folder as above; or which of several WebGPU adapters: its number in doctor, or a part of its name",
  seed: "decides what is sampled; asks for sampling",
} as const satisfies Partial<Record<OptionName, string>>;

/** Every command with the options it takes. */
export const commands = {
  doctor: {
    summary: "adapters, limits, features; what --device auto picks and why",
    usage: "[--device D] [--adapter N|NAME] [--json]",
    required: [],
    options: ["device", "adapter", "json"],
    keys: false,
    defaults: {},
  },
  tune: {
    summary:
      "time the tiles of matrix products on a GPU, for all later runs there; training does so itself on a GPU new to it",
    usage: "[--adapter N|NAME] [--json]",
    required: [],
    options: ["adapter", "json"],
    keys: false,
    defaults: {},
  },
  logprobs: {
    summary: "log-probability of each token given those before it",
    usage: "--model DIR (--ids-file FILE | --text TEXT) [--json]",
    required: ["model"],
    options: ["model", "ids_file", "text", "device", "adapter", "json"],
    keys: false,
    defaults: {},
  },
  generate: {
    summary: "continue prompts, or answer them",
    usage: "--model DIR (--prompt TEXT | --ids IDS | --prompts FILE) [--chat] [--stream] [--greedy] [--json]",
    required: ["model"],
    options: [
      ...(["prompt", "ids", "prompts", "chat", ...speaking] as const),
      ...(["stream", "num_return_sequences", "batch_size", "json"] as const),
    ],
    keys: false,
    defaults: { seed: undefined },
    about: {
      ...spoken,
      prompt: "text to continue, as it is; with --chat what a user says",
      batch_size: "prompts that are continued at a time; changes no text",
      json: "one JSON document on stdout (several prompts or samples: one a line), everything else on stderr",
    },
  },
  chat: {
    summary: "talk with a model",
    usage: "--model DIR [--adapter DIR] [--system TEXT]",
    required: ["model"],
    options: speaking,
    keys: false,
    defaults: { seed: undefined },
    about: {
      ...spoken,
      max_new_tokens: "at most so many tokens an answer; default: generation_config.json's, else 1024",
    },
  },
  eval: {
    summary: "loss and metrics of a model against a reference on preference rows",
    usage: "--model DIR --ref-model DIR --data FILE [--json]",
    required: ["model", "ref_model", "data"],
    options: [
      ...(["model", "ref_model", "data", "loss_type", "loss_weights", "beta", "label_smoothing"] as const),
      ...(["simpo_gamma", "desirable_weight", "undesirable_weight", "max_length", "batch_size"] as const),
      ...(["limit", "max_inflation", "max_row_bytes", "grad_norms", "device", "adapter", "json"] as const),
    ],
    keys: false,
    defaults: {},
    about: { data: "preference rows: JSONL, JSON (.gz too) or Parquet, a file, or a folder, of it the test files" },
  },
  evaluate: {
    summary:
      "score a model on benchmarks: choices, mathematics, code in a sandbox, instructions, reading, calls, judges",
    usage: "--model DIR --tasks FILE [--output-dir DIR] [--json]",
    required: ["model", "tasks"],
    options: ["model", "tasks", "output_dir", "batch_size", "limit", "unsandboxed", "device", "adapter", "json"],
    keys: false,
    defaults: {},
    about: {
      output_dir:
        "where answers are kept, NAME.jsonl a task, so that a call that was cut off goes on; default: nowhere",
      batch_size: "prompts (choices) a batch",
      limit: "only the first N rows of each task",
    },
  },
  probe: {
    summary: "whether a drift along τ = model − base can help on some rows, before any training",
    usage: "--model DIR --base-model DIR --data FILE [--drifts NUMBERS] [--json]",
    required: ["model", "base_model", "data"],
    options: [
      "model",
      "base_model",
      "data",
      "drifts",
      "max_length",
      "batch_size",
      "limit",
      "max_inflation",
      "max_row_bytes",
      "device",
      "adapter",
      "json",
    ],
    keys: false,
    defaults: {},
    about: { batch_size: "rows (pairs) a batch" },
  },
  sft: {
    ...takes.sft,
    summary: "train on instructions with answers, or on documents",
    usage: "--config FILE [--key value …]",
    options: ["config", ...takes.sft.options, "json"],
    keys: true,
  },
  dpo: {
    ...takes.dpo,
    summary: "train on preference pairs",
    usage: "--config FILE [--key value …]",
    options: ["config", ...takes.dpo.options, "json"],
    keys: true,
  },
  kto: {
    ...takes.kto,
    summary: "train on labelled answers (KTO); pairs are taken apart",
    usage: "--config FILE [--key value …]",
    options: ["config", ...takes.kto.options, "json"],
    keys: true,
  },
  fit: {
    summary: "will a training run fit: what it takes, by length and batch size, from config.json alone",
    usage:
      "--model DIR [--for dpo|kto|sft] [--adapter NAME|FILE] [--memory 24GiB] [--ranks N] [--key value …] [--json]",
    required: ["model"],
    options: [
      ...(["model", "for", "memory", "ranks", "config", ...shared, "loss_type", "loss_weights", "beta"] as const),
      ...(["label_smoothing", "simpo_gamma", "desirable_weight", "undesirable_weight", ...comparing, "json"] as const),
      ...(["max_prompt_length", "max_completion_length", "completion_only_loss", "eos_token"] as const),
      ...(["assistant_only_loss", "lora_dropout", "packing", "packing_strategy", "eval_packing"] as const),
      "padding_free",
    ],
    keys: true,
    defaults: { adapter: "this", max_length: undefined, per_device_train_batch_size: undefined },
    about: {
      config: "YAML of a training run; of it, and of the keys below, those count that change memory",
      max_length: "longer sequences are cut; default: several are shown",
      per_device_train_batch_size: "rows (pairs) a batch; default: several are shown",
      adapter: `where it would run: ${PROFILE_NAMES.join(", ")}, cpu, this machine (this, or N of doctor), or what doctor --json wrote elsewhere`,
      model: "folder with config.json, or that file",
    },
  },
  merge: {
    summary: "merge models of one architecture by a mergekit recipe",
    usage: "CONFIG.yaml OUT [--seed N] [--out-shard-size N] [--overwrite-output-dir] [--json]",
    required: ["recipe", "out"],
    options: ["recipe", "out", "out_shard_size", "overwrite_output_dir", "seed", "device", "adapter", "json"],
    keys: false,
    places: ["recipe", "out"],
    defaults: { device: "cpu" },
  },
  export: {
    summary: "write a model as one GGUF file, for llama.cpp and what is built on it",
    usage: "--model DIR --out FILE.gguf [--type f16|q8_0|bf16|f32] [--overwrite] [--json]",
    required: ["model", "out"],
    options: ["model", "out", "type", "overwrite", "json"],
    keys: false,
    defaults: {},
    about: { out: "the GGUF file" },
  },
  demo: {
    summary: "train, tune and align a small model from scratch, four ways",
    usage: "[--device D] [--output-dir DIR] [--seed N]",
    required: [],
    options: ["device", "adapter", "output_dir", "seed"],
    keys: false,
    defaults: { output_dir: "runs/demo", seed: 0 },
    about: { output_dir: "where the models and metrics.jsonl go" },
  },
  compare: {
    summary: "methods × learning rates × seeds on your own model and data, and which keeps most skill at equal style",
    usage: "GRID.yaml [--output-dir DIR] [--dry-run | --status | --scheduler S [--submit]] [--retry] [--json]",
    required: ["grid"],
    options: ["grid", "output_dir", "processes", "dry_run", ...sweeping, "json"],
    keys: false,
    places: ["grid"],
    defaults: { processes: 1 },
    about: {
      memory: "of each task of a scheduler, such as 40GiB",
      output_dir: "where report.html, results.json and the cache of finished jobs go; default: output_dir of the file",
      processes: "jobs at a time, which share the cores",
      dry_run: "check everything, and tell what there is to do and what memory it takes; write nothing",
    },
  },
  lab: {
    summary: "the alignment-tax experiments and their report",
    usage: "[--quick] [--seeds N] [--output-dir DIR] [--processes N] [--dry-run | --status | --scheduler S [--submit]]",
    required: [],
    options: ["quick", "smoke", "seeds", "output_dir", "processes", "dry_run", ...sweeping, "json"],
    keys: false,
    defaults: { output_dir: "runs/lab" },
    about: {
      memory: "of each task of a scheduler, such as 2GiB",
      output_dir: "where report.html, results.json and the cache of finished jobs go",
      dry_run: "only tell how many jobs there are to do, and how long they take; write nothing",
    },
  },
} as const satisfies Record<string, CommandSpec>;

export type CommandName = keyof typeof commands;

/** The specification of a command without its exact type. */
export const specOf = (name: CommandName): CommandSpec => commands[name];

/** The options a command takes, without their exact types. */
export const optionsOf = (name: CommandName): ReadonlyMap<OptionName, Option<unknown>> => {
  const { options: own, about } = specOf(name);
  return new Map(
    own.map((key) => {
      const option: Option<unknown> = options[key];
      return [key, { ...option, about: about?.[key] ?? option.about }];
    }),
  );
};

type ValueOf<K extends OptionName> = (typeof options)[K]["fallback"];
type Sure<C extends CommandName> = (typeof commands)[C]["required"][number] | keyof (typeof commands)[C]["defaults"];

/** What a command runs on: every option it takes, read, checked and with its default. */
export type Values<C extends CommandName> = {
  readonly [K in (typeof commands)[C]["options"][number]]: K extends Sure<C> ? NonNullable<ValueOf<K>> : ValueOf<K>;
};

/** An option as the user of this command spells it: --max-new-tokens, --learning_rate. */
export const spelled = (command: CommandName, name: string): string =>
  `--${specOf(command).keys ? name : name.replaceAll("_", "-")}`;
