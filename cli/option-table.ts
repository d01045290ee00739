import { PAIR_LOSS_TYPES, SMOOTHED } from "../align/objectives/losses.js";
import { OPTIMIZER_NAMES, PROPOSALS } from "../align/training/optimizer.js";
import type { DeviceName } from "../kernels/index.js";
import type { ScheduleName } from "../optim/index.js";
import {
  automatic,
  bytes,
  choice,
  choices,
  flag,
  flagOr,
  integer,
  named,
  names,
  number,
  numberOrName,
  numbers,
  type Option,
  onOff,
  text,
  texts,
} from "./option-kinds.js";
import { TRAINING_KINDS } from "./training/fit/kinds.js";

/** Names that a device can be asked for by. */
const devices = ["auto", "webgpu", "cpu", "reference"] as const satisfies readonly DeviceName[];
const schedules = ["constant", "constant_with_warmup", "linear", "cosine"] as const satisfies readonly ScheduleName[];

/**
 * Every option there is, by its name. Types, --help, the check of YAML keys and "did you mean" follow from this table. The
 * training keys are TRL's; their defaults too, except where `about` says otherwise.
 */
export const options = {
  device: choice(devices, "where to compute; auto: a hardware WebGPU adapter, else cpu", "auto"),
  adapter: numberOrName("N|NAME", "which of several WebGPU adapters: its number in doctor, or a part of its name"),
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
  num_return_sequences: integer({ from: 1 }, "so many samples of each prompt", 1),
  greedy: { ...flag("always take the likeliest token", false), fallback: undefined as boolean | undefined },
  max_new_tokens: integer({ from: 1 }, "at most so many tokens are added; default: generation_config.json's, else 64"),
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
  batch_size: integer({ from: 1 }, "rows (pairs) a batch; matters to kto, kto_pair and sft alone", 8),
  limit: integer({ from: 1 }, "only the first N rows"),
  grad_norms: flag("also the gradient norm of each parameter", false),

  tasks: text("FILE", "YAML with the tasks: name, type, data; see lab/evaluate/README.md"),
  base_model: text("DIR", "base model folder θ_b; τ = model − base"),
  drifts: names("NUMBERS", "values of c in model + cτ", ["-0.5", "0.25", "0.5", "1", "2"]),

  for: choice(TRAINING_KINDS, "what would be trained", "dpo"),
  memory: bytes("what the device has, such as 24GiB; default: what it tells, if it does"),

  recipe: text("CONFIG.yaml", "what to merge and how, in mergekit's YAML"),
  out: text("OUT", "folder for the merged model"),
  out_shard_size: text("N", "at most so many parameters a file, such as 5B; default: the files of the base model"),

  config: text("FILE", "YAML with the keys below; options on the command line win"),
  model_name_or_path: text("DIR", "model folder to train, or owner/name of the Hub, at @revision"),
  ref_model_name_or_path: text("DIR", "reference model; default: the model before training"),
  base_model_name_or_path: text("DIR", "base model θ_b of the merging rules; τ = reference − base"),
  dataset_name: text("PATH", "rows: JSONL, JSON (.gz too) or Parquet, a file, a folder, or owner/name of the Hub"),
  dataset_train_split: text("NAME", "which split of a folder is trained on, by its file names; default train"),
  dataset_test_split: text("NAME", "which split of a folder is evaluated on; default test"),
  chat_template_path: text("PATH", "Jinja file, or model folder, whose chat template replaces the model's"),
  output_dir: text("DIR", "where metrics.jsonl, checkpoints and the model go"),
  loss_type: choices([...PAIR_LOSS_TYPES, "kto"], "one loss, or several whose sum is minimized", ["sigmoid"]),
  loss_weights: numbers("X,…", "a weight for each loss of loss_type; default 1 each"),
  label_smoothing: number(
    { from: 0, below: 0.5 },
    `probability that a label is flipped, of ${SMOOTHED.join(", ")}; sigmoid ignores it, as TRL's does`,
    0,
  ),
  simpo_gamma: number({}, "margin that simpo asks for, in nats", 0.5),
  desirable_weight: number({ from: 0 }, "kto: weight of wanted answers", 1),
  undesirable_weight: number({ from: 0 }, "kto: weight of unwanted answers", 1),
  beta: number({ above: 0 }, "strength of the pull to the reference model", 0.1),
  learning_rate: number({ from: 0 }, "peak learning rate"),
  per_device_train_batch_size: integer({ from: 1 }, "rows (pairs) a batch", 8),
  gradient_accumulation_steps: integer({ from: 1 }, "batches a step", 1),
  max_steps: integer({ from: -1 }, "steps; −1: as num_train_epochs says", -1),
  num_train_epochs: number({ above: 0 }, "passes over the rows", 3),
  max_length: integer({ from: 2 }, "longer sequences are cut", 1024),
  weight_decay: number({ from: 0 }, "decoupled; not on biases and norm weights", 0),
  adam_beta1: number({ from: 0, below: 1 }, "decay of the first moment; default 0.9"),
  adam_beta2: number({ from: 0, below: 1 }, "decay of the second moment; default 0.999, 0.99 for lion"),
  adam_epsilon: number({ from: 0 }, "Adam's ε; default 1e-8, 1e-6 for merge_preset official"),
  max_grad_norm: number({ from: 0 }, "gradients are scaled down to this global norm; 0: never", 1),
  lr_scheduler_type: choice(schedules, "how the learning rate falls", "linear"),
  warmup_steps: integer({ from: 0 }, "steps over which the learning rate rises", 0),
  seed: integer({ from: 0 }, "decides everything random", 42),
  logging_steps: integer({ from: 1 }, "steps between lines of metrics.jsonl", 10),
  save_steps: integer({ from: 1 }, "steps between folders checkpoint-N", 500),
  save_total_limit: integer({ from: 1 }, "keep the last N folders checkpoint-N"),
  eval_dataset: text("PATH", "rows to evaluate on during training"),
  eval_tasks: text("FILE", "benchmarks to score at evaluations, as taugrad evaluate takes them"),
  eval_strategy: choice(
    ["no", "steps", "epoch"],
    "when to evaluate; default, with eval_dataset: epoch, or steps where eval_steps is set",
    undefined,
  ),
  eval_steps: integer({ from: 1 }, "steps between evaluations; default: as logging_steps"),
  eval_on_start: flag("evaluate before the first step too", false),
  per_device_eval_batch_size: integer({ from: 1 }, "rows (pairs) a batch of an evaluation", 8),
  dry_run: flag(
    "only tell what would be done: settings, sample rows and memory, or a lab's jobs; write nothing",
    false,
  ),
  resume: flagOr("DIR", "go on from the newest whole checkpoint of output_dir, or from this one"),
  gradient_checkpointing: automatic("recompute layers in the backward pass; auto: as many as memory asks for"),
  precompute_ref_log_probs: automatic(
    "ask the reference model once, before training, and keep what it says on disk; auto: where it has no room beside the policy",
  ),
  offload: choice(
    ["none", "optimizer"],
    "optimizer: moments and reference delta stay on the host; the same bits, slower",
    "none",
  ),
  device_memory: number(
    { above: 0 },
    "GiB that the run may take, which auto goes by; default: what the device tells, else 8",
  ),
  ref_log_probs_cache: text("DIR", "where that is kept, for other runs too; default: .cache in output_dir"),
  truncation_mode: choice(["keep_start", "keep_end"], "which end of a longer sequence stays", "keep_start"),
  push_to_hub: flag("upload the finished model to the Hub; takes HF_TOKEN and @huggingface/hub", false),
  hub_model_id: text("OWNER/NAME", "the repository that it goes to; default: the token's owner and output_dir's name"),
  hub_private_repo: flag("where that is made, only its owner sees it", false),
  shuffle_dataset: flag("new order of rows in every epoch", true),
  group_by_length: flag("rows of about equal length share a batch: less padding", false),
  // The names alone fill the line.
  use_peft: flag("train a low-rank adapter (LoRA), saved merged in and as OUT/adapter", false),
  adapter_name_or_path: text("DIR", "the reference's adapter (PEFT), to go on from; τ is its factors"),
  lora_r: integer({ from: 1 }, "rank of the adapter; default 16"),
  lora_alpha: number({ above: 0 }, "the adapter counts lora_alpha / lora_r; default 32"),
  lora_target_modules: names(
    "NAMES",
    "modules with an adapter: q_proj,v_proj, all-linear, or an expression; default all-linear",
  ),
  lora_modules_to_save: names("NAMES", "modules that are trained whole, and saved with the adapter: embed_tokens"),
  use_rslora: flag("the adapter counts lora_alpha / √lora_r", false),
  use_dora: flag("DoRA: the length of each row is trained too", false),
  optim: { ...choice(OPTIMIZER_NAMES, "", "adamw"), about: OPTIMIZER_NAMES.join(" ") },
  base_optim: choice(PROPOSALS, "what proposes the update that other rules merge, mask or average", undefined),
  momentum: number({ from: 0, below: 1 }, "sgd: decay of the gathered gradient; default 0"),
  alpha: number({ from: 0, to: 1 }, "merging: weight of the reference delta; default 0"),
  reserve_p: number({ from: 0, to: 1 }, "merging, childtuning: share of elements kept; merging's default 1"),
  lr_by_reserve: flag("onties: learning rate times p^−1/2, as much as keeping a share p shortens its step", false),
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
  optim_state_dtype: choice(
    ["f32", "bf16"],
    "how moments, reference delta and carried gradients are stored; bf16: rounded at random",
    "f32",
  ),
  dtype: choice(["float32", "bfloat16"], "how the trained weights are kept; bfloat16: rounded at random", "float32"),
  compensated: flag("keep what rounding takes from the weights: one more tensor like them", false),

  quick: flag("a small lab: one world, few learning rates, no analyses; five minutes on two cores", false),
  smoke: flag("everything in miniature, in seconds: shows that the lab runs here; its numbers mean nothing", false),
  seeds: integer(
    { from: 1, to: 64 },
    "seeds 0 … N−1; more make intervals narrower, and only theirs is done anew; default 3, smoke 1",
  ),
  processes: integer({ from: 1, to: 256 }, "jobs at a time, one thread each; default: as many as cores"),
} satisfies Record<string, Option<unknown>>;

export type OptionName = keyof typeof options;
