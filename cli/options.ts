import { OPTIMIZER_NAMES, PROPOSALS } from "../align/optimizer.js";
import type { DeviceName } from "../kernels/index.js";
import type { ScheduleName } from "../optim/index.js";
import { choice, flag, integer, names, number, type Option, onOff, text } from "./option-kinds.js";

/** Names that a device can be asked for by. */
const devices = ["auto", "webgpu", "cpu", "reference"] as const satisfies readonly DeviceName[];
const schedules = ["constant", "constant_with_warmup", "linear", "cosine"] as const satisfies readonly ScheduleName[];

/**
 * Every option there is, by its name. Types, --help, the check of YAML keys and "did you mean" follow from this table. The
 * training keys are TRL's; their defaults too, except where `about` says otherwise.
 */
export const options = {
  device: choice(devices, "where to compute; auto: a hardware WebGPU adapter, else cpu", "auto"),
  json: flag("one JSON document on stdout, everything else on stderr", false),

  model: text("DIR", "model folder in Hugging Face layout"),
  ref_model: text("DIR", "reference model folder"),
  ids_file: text("FILE", 'JSON file {"ids": [[…], …]}; no special token is added'),
  text: text("TEXT", "text to tokenize and score"),
  prompt: text("TEXT", "text to continue, as it is: no chat template"),
  ids: text("IDS", 'token ids to continue, such as "1,2,3"'),
  greedy: flag("always take the likeliest token", false),
  max_new_tokens: integer({ from: 1 }, "at most so many tokens are added", 64),
  temperature: number({ above: 0 }, "divides the logits", 1),
  top_p: number({ above: 0, to: 1 }, "sample from the fewest tokens that hold this probability", 1),
  top_k: integer({ from: 0 }, "sample from the k likeliest tokens; 0 is all", 0),
  repetition_penalty: number({ above: 0 }, "above 1: tokens that occurred become less likely", 1),
  data: text("FILE", "preference rows, JSONL or a JSON array"),
  label_smoothing: number(
    { from: 0, below: 0.5 },
    "probability that a label is flipped; sigmoid ignores it, as TRL's does",
    0,
  ),
  batch_size: integer({ from: 1 }, "pairs a batch; the result does not depend on it", 8),
  limit: integer({ from: 1 }, "only the first N rows"),
  grad_norms: flag("also the gradient norm of each parameter", false),

  recipe: text("CONFIG.yaml", "what to merge and how, in mergekit's YAML"),
  out: text("OUT", "folder for the merged model"),
  out_shard_size: text("N", "at most so many parameters a file, such as 5B; default: the files of the base model"),

  config: text("FILE", "YAML with the keys below; options on the command line win"),
  model_name_or_path: text("DIR", "model folder to train"),
  ref_model_name_or_path: text("DIR", "reference model; default: the model before training"),
  base_model_name_or_path: text("DIR", "base model θ_b of the merging rules; τ = reference − base"),
  dataset_name: text("FILE", "rows, JSONL or a JSON array"),
  output_dir: text("DIR", "where metrics.jsonl, checkpoints and the model go"),
  loss_type: choice(["sigmoid"], "DPO's loss", "sigmoid"),
  beta: number({ above: 0 }, "strength of the pull to the reference model", 0.1),
  learning_rate: number({ from: 0 }, "peak learning rate"),
  per_device_train_batch_size: integer({ from: 1 }, "rows (pairs) a batch", 8),
  gradient_accumulation_steps: integer({ from: 1 }, "batches a step", 1),
  max_steps: integer({ from: -1 }, "steps; −1: as num_train_epochs says", -1),
  num_train_epochs: number({ above: 0 }, "passes over the rows", 3),
  max_length: integer({ from: 2 }, "longer sequences lose their end", 1024),
  weight_decay: number({ from: 0 }, "decoupled; not on biases and norm weights", 0),
  adam_beta1: number({ from: 0, below: 1 }, "decay of the first moment; default 0.9"),
  adam_beta2: number({ from: 0, below: 1 }, "decay of the second moment; default 0.999, 0.99 for lion"),
  adam_epsilon: number({ from: 0 }, "Adam's ε; default 1e-8, 1e-6 for merge_preset official"),
  max_grad_norm: number({ from: 0 }, "gradients are scaled down to this global norm; 0: never", 1),
  lr_scheduler_type: choice(schedules, "how the learning rate falls", "linear"),
  warmup_steps: integer({ from: 0 }, "steps over which the learning rate rises", 0),
  seed: integer({ from: 0 }, "decides everything random", 42),
  logging_steps: integer({ from: 1 }, "steps between lines of metrics.jsonl", 10),
  save_steps: integer({ from: 1 }, "steps between folders checkpoint-N; default: none but the final model"),
  save_total_limit: integer({ from: 1 }, "keep the last N folders checkpoint-N"),
  gradient_checkpointing: flag("recompute layers in the backward pass: less memory, more time", false),
  precompute_ref_log_probs: flag("ask the reference model once, before training", false),
  shuffle_dataset: flag("new order of rows in every epoch", true),
  // The names alone fill the line.
  use_peft: flag("train a low-rank adapter (LoRA), saved merged in and as OUT/adapter", false),
  adapter_name_or_path: text("DIR", "the reference's adapter (PEFT), to go on from; τ is its factors"),
  lora_r: integer({ from: 1 }, "rank of the adapter; default 16"),
  lora_alpha: number({ above: 0 }, "the adapter counts lora_alpha / lora_r; default 32"),
  lora_target_modules: names("NAMES", "modules with an adapter: q_proj,v_proj or all-linear; default all-linear"),
  optim: { ...choice(OPTIMIZER_NAMES, "", "adamw"), about: OPTIMIZER_NAMES.join(" ") },
  base_optim: choice(PROPOSALS, "what proposes the update that other rules merge, mask or average", undefined),
  momentum: number({ from: 0, below: 1 }, "sgd: decay of the gathered gradient; default 0"),
  alpha: number({ from: 0, to: 1 }, "merging: weight of the reference delta; default 0"),
  reserve_p: number({ from: 0, to: 1 }, "merging, childtuning: share of elements kept; merging's default 1"),
  online_step: integer({ from: 1 }, "merging: merge every K-th step; default 1"),
  rescale: onOff(choice(["none", "l1"], "merging, official: keep the update's L1 norm; default none", undefined), {
    on: "l1",
    off: "none",
  }),
  merge_preset: choice(
    ["paper", "official"],
    "merging: the paper's equations, or the released code; default paper",
    undefined,
  ),
  fisher_batches: integer({ from: 1 }, "childtuning_d: batches that its mask is estimated from; default one epoch"),
  ema_variant: choice(["shadow", "pullback"], "ema: hand out the average, or pull to the reference", undefined),
  ema_coefficient: number({ from: 0, to: 1 }, "ema: how far a step moves average or weights; default 1e-3"),
  l2_reference: number({ from: 0 }, "λ of a penalty (λ/2)·‖w − reference‖²; default 0"),
  optim_state_dtype: choice(["f32", "bf16"], "how moments and reference delta are stored", "f32"),
  compensated: flag("keep what rounding takes from the weights: one more tensor like them", false),
} satisfies Record<string, Option<unknown>>;

export type OptionName = keyof typeof options;

/** The options that a YAML file may hold. */
const training = [
  "model_name_or_path",
  "dataset_name",
  "output_dir",
  "learning_rate",
  "lr_scheduler_type",
  "warmup_steps",
  "per_device_train_batch_size",
  "gradient_accumulation_steps",
  "max_steps",
  "num_train_epochs",
  "max_length",
  "shuffle_dataset",
  "seed",
  "optim",
  "base_optim",
  "momentum",
  "fisher_batches",
  "ema_variant",
  "ema_coefficient",
  "l2_reference",
  "compensated",
  "optim_state_dtype",
  "weight_decay",
  "adam_beta1",
  "adam_beta2",
  "adam_epsilon",
  "max_grad_norm",
  "gradient_checkpointing",
  "use_peft",
  "adapter_name_or_path",
  "lora_r",
  "lora_alpha",
  "lora_target_modules",
  "logging_steps",
  "save_steps",
  "save_total_limit",
  "device",
] as const satisfies readonly OptionName[];

/** Keys that do something only where a reference delta is merged in. */
export const mergingKeys = [
  "base_model_name_or_path",
  "alpha",
  "reserve_p",
  "online_step",
  "rescale",
  "merge_preset",
] as const satisfies readonly OptionName[];

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
}

const trained = ["model_name_or_path", "dataset_name", "output_dir"] as const;

/** Every command with the options it takes. */
export const commands = {
  doctor: {
    summary: "adapters, limits, features; what --device auto picks and why",
    usage: "[--device D] [--json]",
    required: [],
    options: ["device", "json"],
    keys: false,
    defaults: {},
  },
  logprobs: {
    summary: "log-probability of each token given those before it",
    usage: "--model DIR (--ids-file FILE | --text TEXT) [--json]",
    required: ["model"],
    options: ["model", "ids_file", "text", "device", "json"],
    keys: false,
    defaults: {},
  },
  generate: {
    summary: "continue a prompt",
    usage: "--model DIR (--prompt TEXT | --ids IDS) [--greedy] [--json]",
    required: ["model"],
    options: [
      ...(["model", "prompt", "ids", "greedy", "max_new_tokens", "temperature", "top_p", "top_k"] as const),
      ...(["repetition_penalty", "seed", "device", "json"] as const),
    ],
    keys: false,
    defaults: {},
  },
  eval: {
    summary: "loss and metrics of a model against a reference on preference rows",
    usage: "--model DIR --ref-model DIR --data FILE [--json]",
    required: ["model", "ref_model", "data"],
    options: [
      ...(["model", "ref_model", "data", "loss_type", "beta", "label_smoothing", "max_length", "batch_size"] as const),
      ...(["limit", "grad_norms", "device", "json"] as const),
    ],
    keys: false,
    defaults: {},
  },
  sft: {
    summary: "train on instructions with answers, or on documents",
    usage: "--config FILE [--key value …]",
    required: trained,
    options: ["config", ...training, "ref_model_name_or_path", ...mergingKeys, "json"],
    keys: true,
    defaults: { learning_rate: 2e-5 },
  },
  dpo: {
    summary: "train on preference pairs",
    usage: "--config FILE [--key value …]",
    required: trained,
    options: [
      "config",
      ...training,
      "loss_type",
      "beta",
      "ref_model_name_or_path",
      ...mergingKeys,
      "precompute_ref_log_probs",
      "json",
    ],
    keys: true,
    defaults: { learning_rate: 1e-6 },
  },
  merge: {
    summary: "merge models of one architecture by a mergekit recipe",
    usage: "CONFIG.yaml OUT [--seed N] [--out-shard-size N] [--json]",
    required: ["recipe", "out"],
    options: ["recipe", "out", "out_shard_size", "seed", "device", "json"],
    keys: false,
    places: ["recipe", "out"],
    defaults: { device: "cpu" },
  },
  demo: {
    summary: "train, tune and align a small model from scratch, four ways",
    usage: "[--device D] [--output-dir DIR] [--seed N]",
    required: [],
    options: ["device", "output_dir", "seed"],
    keys: false,
    defaults: { output_dir: "runs/demo", seed: 0 },
  },
} as const satisfies Record<string, CommandSpec>;

export type CommandName = keyof typeof commands;

/** The specification of a command without its exact type. */
export const specOf = (name: CommandName): CommandSpec => commands[name];

/** The options a command takes, without their exact types. */
export const optionsOf = (name: CommandName): ReadonlyMap<OptionName, Option<unknown>> =>
  new Map(specOf(name).options.map((key) => [key, options[key] as Option<unknown>]));

type ValueOf<K extends OptionName> = (typeof options)[K] extends Option<infer T> ? T : never;
type Sure<C extends CommandName> = (typeof commands)[C]["required"][number] | keyof (typeof commands)[C]["defaults"];

/** What a command runs on: every option it takes, read, checked and with its default. */
export type Values<C extends CommandName> = {
  readonly [K in (typeof commands)[C]["options"][number]]: K extends Sure<C> ? NonNullable<ValueOf<K>> : ValueOf<K>;
};

/** An option as the user of this command spells it: --max-new-tokens, --learning_rate. */
export const spelled = (command: CommandName, name: string): string =>
  `--${specOf(command).keys ? name : name.replaceAll("_", "-")}`;
