import { PACKING_STRATEGIES } from "../../align/data/packing/pack.js";
import { PAIR_LOSS_TYPES, SMOOTHED } from "../../align/objectives/losses.js";
import { STEERINGS } from "../../align/training/retained/steer.js";
import { OPTIMIZER_NAMES, PROPOSALS } from "../../align/training/rules/settings.js";
import type { DeviceName } from "../../kernels/index.js";
import { SCHEDULES } from "../../optim/index.js";
import {
  automatic,
  choice,
  choices,
  flag,
  flagOr,
  flagOrUnset,
  integer,
  names,
  number,
  numberOrName,
  numbers,
  type Option,
  onOff,
  settings,
  stepsOrShare,
  text,
} from "./kinds.js";
import { orRuleFile, ruleArgs } from "./rule-file.js";

/** More rows, tokens or steps than these are a slip of the hand, and would take the memory or the patience that nobody has. */
export const [MOST_ROWS, MOST_TOKENS, MOST_STEPS] = [2 ** 16, 2 ** 24, 1e9];

/** Names that a device can be asked for by. */
const devices = ["auto", "webgpu", "cpu", "reference"] as const satisfies readonly DeviceName[];

/**
 * Every key of a training run, by its name. Flags of the command line, keys of a YAML file, the options that a program gives
 * (`RunOptions`), --help and "did you mean" follow from this table. The keys are TRL's; their defaults too, except where `about`
 * says otherwise.
 */
export const keys = {
  device: choice(devices, "where to compute; auto: a hardware WebGPU adapter, else cpu", "auto"),
  adapter: numberOrName("N|NAME", "which of several WebGPU adapters: its number in doctor, or a part of its name"),
  limit: integer({ from: 1 }, "only the first N rows"),
  model_name_or_path: text("DIR", "model folder to train, or owner/name of the Hub, at @revision"),
  ref_model_name_or_path: text("DIR", "reference model; default: the model before training"),
  base_model_name_or_path: text("DIR", "base model θ_b of the merging rules; τ = reference − base"),
  dataset_name: text("PATH", "rows: JSONL, JSON (.gz too) or Parquet, a file, a folder, or owner/name of the Hub"),
  dataset_config: text(
    "NAME",
    "which of the configurations that a folder's README.md declares; default: its default one",
  ),
  max_inflation: number(
    { from: 1 },
    "most bytes of rows that a byte of compressed data (.gz, Parquet) may become, beside 4 MiB",
    200,
  ),
  max_row_bytes: integer({ from: 1, most: 2 ** 27 }, "longest row of JSON; longer ones are refused", 2 ** 21),
  dataset_train_split: text("NAME", "which split of a folder is trained on, by its file names; default train"),
  dataset_test_split: text("NAME", "which split of a folder is evaluated on; default test"),
  chat_template_path: text("PATH", "Jinja file, or model folder, whose chat template replaces the model's"),
  output_dir: text("DIR", "where metrics.jsonl, checkpoints and the model go"),
  overwrite_output_dir: flag(
    "replace what another run, or another merge, has left in the output folder; its checkpoints are removed",
    false,
  ),
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
  per_device_train_batch_size: integer({ from: 1, most: MOST_ROWS }, "rows (pairs) a batch", 8),
  gradient_accumulation_steps: integer({ from: 1, most: MOST_ROWS }, "batches a step", 1),
  max_steps: integer({ from: -1, most: MOST_STEPS }, "steps; −1: as num_train_epochs says", -1),
  num_train_epochs: number({ above: 0, most: MOST_STEPS }, "passes over the rows", 3),
  max_length: integer({ from: 2, most: MOST_TOKENS }, "longer sequences are cut", 1024),
  weight_decay: number({ from: 0 }, "decoupled; not on biases and norm weights", 0),
  adam_beta1: number({ from: 0, below: 1 }, "decay of the first moment; default 0.9"),
  adam_beta2: number({ from: 0, below: 1 }, "decay of the second moment; default 0.999, 0.99 for lion"),
  adam_epsilon: number({ from: 0 }, "Adam's ε; default 1e-8, 1e-6 for merge_preset official"),
  max_grad_norm: number({ from: 0 }, "gradients are scaled down to this global norm; 0: never", 1),
  lr_scheduler_type: choice(SCHEDULES, "how the learning rate falls", "linear"),
  lr_scheduler_kwargs: settings(
    "what shapes it, by transformers' names: num_cycles, min_lr, min_lr_rate, lr_end, power, …",
  ),
  warmup_steps: stepsOrShare({ from: 0 }, "steps over which the learning rate rises, or their share of all steps", 0),
  seed: integer({ from: 0 }, "decides everything random", 42),
  data_seed: integer({ from: 0 }, "decides the order of rows; default: seed"),
  logging_steps: stepsOrShare({ above: 0 }, "steps between lines of metrics.jsonl", 10),
  logging_strategy: choice(["no", "steps", "epoch"], "when to write one; no: at the last step alone", "steps"),
  logging_first_step: flag("write one after the first step too", false),
  save_steps: stepsOrShare({ above: 0 }, "steps between folders checkpoint-N", 500),
  save_strategy: choice(
    ["no", "steps", "epoch", "best"],
    "when to write one; best: where an evaluation is better than all before",
    "steps",
  ),
  save_total_limit: integer(
    { from: 1, most: MOST_STEPS },
    "keep the last N folders checkpoint-N, the best one among them where it is asked for",
  ),
  load_best_model_at_end: flag("save the model of the best evaluation, not of the last step", false),
  metric_for_best_model: text("NAME", "what best means: a metric of evaluations, with eval_ or without; default loss"),
  greater_is_better: flagOrUnset("more of it is better; default: unless its name ends in loss"),
  eval_dataset: text("PATH", "rows to evaluate on during training"),
  eval_tasks: text("FILE", "benchmarks to score at evaluations, as taugrad evaluate takes them"),
  eval_strategy: choice(
    ["no", "steps", "epoch"],
    "when to evaluate; default, with eval_dataset: epoch, or steps where eval_steps is set",
    undefined,
  ),
  eval_steps: stepsOrShare({ above: 0 }, "steps between evaluations; default: as logging_steps"),
  eval_delay: number({ from: 0 }, "no evaluation before so many steps, or epochs with eval_strategy epoch", 0),
  eval_on_start: flag("evaluate before the first step too", false),
  per_device_eval_batch_size: integer({ from: 1, most: MOST_ROWS }, "rows (pairs) a batch of an evaluation", 8),
  dry_run: flag(
    "only tell what would be done: settings, sample rows and memory, or a lab's jobs; write nothing",
    false,
  ),
  resume: flagOr("DIR", "go on from the newest whole checkpoint of output_dir, or from this one"),
  gradient_checkpointing: automatic("recompute layers in the backward pass; auto: as many as memory asks for"),
  precompute_ref_log_probs: automatic(
    "ask the reference model once, before training, and keep what it says on disk; auto: where it has no room beside the policy",
  ),
  ddp_timeout: number({ above: 0 }, "several ranks: seconds after which one that is not heard of has failed", 1800),
  wire: choice(
    ["f32", "bf16"],
    "several ranks: how gradients travel between them; bf16: half the bytes, rounded",
    "f32",
  ),
  communicate: choice(
    ["every_step", "every_k"],
    "several ranks: share every step; every_k: each makes communicate_steps of its own, and then they meet",
    "every_step",
  ),
  communicate_steps: integer({ from: 1, most: MOST_STEPS }, "every_k: steps from one meeting to the next"),
  meet: choice(
    ["mean", "election"],
    "every_k: how updates become one, with alpha and reserve_p; election: by a vote on signs; default mean",
    undefined,
  ),
  outer_learning_rate: number({ from: 0 }, "every_k: what a meeting's step is multiplied by; default 1, DiLoCo's 0.7"),
  outer_momentum: number({ from: 0, below: 1 }, "every_k: Nesterov's momentum over meetings; default 0, DiLoCo's 0.9"),
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
  max_prompt_length: integer({ from: 1, most: MOST_TOKENS }, "longer prompts lose their beginning; default: none does"),
  max_completion_length: integer({ from: 1, most: MOST_TOKENS }, "longer answers lose their end; default: none does"),
  completion_only_loss: flagOrUnset("false: prompts are learned too; true: rows without one are refused"),
  packing: flag("several rows share a sequence of max_length tokens, and none sees another", false),
  packing_strategy: choice(
    PACKING_STRATEGIES,
    "how; bfd: best fit; ffd: first fit; bfd_split: longer rows in pieces; wrapped: rows one after the other, which do see each other",
    "bfd",
  ),
  eval_packing: flagOrUnset("rows of evaluations too; default: as packing"),
  padding_free: flag("the rows of a batch stand in one sequence, and none sees another: no padding", false),
  eos_token: text("TOKEN", "the end token that is meant; it must be the tokenizer's own"),
  assistant_only_loss: flag("of conversations, learn what the chat template's {% generation %} marks", false),
  dataloader_drop_last: flag("leave out the last batch of an epoch where it is not full", false),
  precision: choice(
    ["f32", "f16"],
    "what products of the layers and of the head round their operands to; sums are f32",
    "f32",
  ),
  chat_template: text("JINJA", "the chat template itself, in place of the model's"),
  truncation_mode: choice(["keep_start", "keep_end"], "which end of a longer sequence stays", "keep_start"),
  push_to_hub: flag("upload the finished model to the Hub; takes HF_TOKEN and @huggingface/hub", false),
  hub_model_id: text("OWNER/NAME", "the repository that it goes to; default: the token's owner and output_dir's name"),
  hub_private_repo: flag("where that is made, only its owner sees it", false),
  shuffle_dataset: flag("new order of rows in every epoch", true),
  group_by_length: flag("rows of about equal length share a batch: less padding", false),
  use_peft: flag("train a low-rank adapter (LoRA), saved merged in and as OUT/adapter", false),
  adapter_name_or_path: text("DIR", "the reference's adapter (PEFT), to go on from; τ is its factors"),
  lora_r: integer({ from: 1, most: MOST_ROWS }, "rank of the adapter; default 16"),
  lora_alpha: number({ above: 0 }, "the adapter counts lora_alpha / lora_r; default 32"),
  lora_target_modules: names(
    "NAMES",
    "modules with an adapter: q_proj,v_proj, all-linear, or an expression; default all-linear",
  ),
  lora_modules_to_save: names("NAMES", "modules that are trained whole, and saved with the adapter: embed_tokens"),
  lora_dropout: number(
    { from: 0, below: 1 },
    "share of what the adapter reads that is dropped in training; no layer is recomputed then",
    0,
  ),
  use_rslora: flag("the adapter counts lora_alpha / √lora_r", false),
  use_dora: flag("DoRA: the length of each row is trained too", false),
  // The names alone fill the line.
  optim: {
    ...orRuleFile(choice(OPTIMIZER_NAMES, "", "adamw")),
    about: `${OPTIMIZER_NAMES.join(" ")}, or a module with a rule of your own: ./my-rule.js (docs/own-optimizer.md)`,
  },
  optim_args: ruleArgs("what a rule of your own is made of: a=1,b=2"),
  base_optim: orRuleFile(
    choice(PROPOSALS, "what proposes the update that other rules merge, mask or average; ./my-rule.js too", undefined),
  ),
  momentum: number({ from: 0, below: 1 }, "sgd, muon: decay of the gathered gradient; default 0, 0.95 for muon"),
  alpha: number({ from: 0, to: 1 }, "merging: weight of the reference delta; default 0"),
  reserve_p: number({ from: 0, to: 1 }, "merging, childtuning: share of elements kept; merging's default 1"),
  lr_by_reserve: flag("onties: learning rate times p^−1/2, as much as keeping a share p shortens its step", false),
  online_step: integer({ from: 1, most: MOST_STEPS }, "merging: merge every K-th step; default 1"),
  rescale: onOff(choice(["none", "l1"], "merging, official: keep the update's L1 norm; default none", undefined), {
    on: "l1",
    off: "none",
  }),
  merge_preset: choice(
    ["paper", "official"],
    "merging: the paper's equations, or the released code; default paper",
    undefined,
  ),
  tau_scale: choice(
    ["none", "update"],
    "merging: update gives τ the norm of each step's update, tensor by tensor, and alpha no unit; default none",
    undefined,
  ),
  fisher_batches: integer(
    { from: 1, most: MOST_STEPS },
    "childtuning_d: batches that its mask is estimated from; default one epoch",
  ),
  ema_variant: choice(["shadow", "pullback"], "ema: hand out the average, or pull to the reference", undefined),
  ema_coefficient: number({ from: 0, to: 1 }, "ema: how far a step moves average or weights; default 1e-3"),
  sync_ref_model: flag("TR-DPO: the reference model moves towards the policy every ref_model_sync_steps", false),
  ref_model_mixup_alpha: number({ from: 0, to: 1 }, "how far it moves; 1: it becomes the policy; default 0.6"),
  ref_model_sync_steps: integer({ from: 1, most: MOST_STEPS }, "steps between two moves; default 512"),
  bema: flag("BEMA: hand out a bias-corrected moving average of the weights", false),
  bema_update_freq: integer({ from: 1, most: MOST_STEPS }, "steps between its moves; default 400"),
  bema_ema_power: number({ from: 0 }, "κ: the average takes (lag + t)^−κ of the weights; default 0.5"),
  bema_bias_power: number({ from: 0 }, "η: the way from the start counts (lag + t)^−η; default 0.2"),
  bema_lag: number({ from: 0 }, "how old the average is at the start; default 10"),
  bema_update_after: integer({ from: 0, most: MOST_STEPS }, "the step that counts as the start; default 0"),
  bema_multiplier: number({ from: 0 }, "how fast it ages; default 1"),
  bema_min_ema_multiplier: number({ from: 0, to: 1 }, "the least that it takes of the weights; default 0"),
  bema_update_ref_model: flag("the reference model becomes the average from time to time", false),
  bema_ref_model_update_freq: integer({ from: 1, most: MOST_STEPS }, "steps between; default 400"),
  bema_ref_model_update_after: integer({ from: 0, most: MOST_STEPS }, "not before this step; default 0"),
  l2_reference: number({ from: 0 }, "λ of a penalty (λ/2)·‖w − reference‖²; default 0"),
  retain: choice(
    [...STEERINGS, "null_space"],
    "leave the model as it is on retain_dataset: orthogonal, opposed (OGPSA), null_space (NSPO), drift (τ where it helps)",
    undefined,
  ),
  retain_dataset: names("PATH,…", "rows of SFT data to leave the model as it is on: one set or two"),
  retain_rows: integer({ from: 1, most: 2 ** 24 }, "rows taken of each; default 64, null_space 1024"),
  retain_every: integer({ from: 1, most: MOST_STEPS }, "steps between two looks at them; default 10"),
  retain_share: number({ from: 0, to: 1 }, "null_space: share of the largest eigenvalue below which; default 5e-5"),
  projection_rank: integer(
    { from: 1, most: 2 ** 20 },
    "GaLore: moments, and a merge, in so many directions of each matrix's gradient; τ stays whole",
  ),
  projection_interval: integer({ from: 1, most: MOST_STEPS }, "steps that they serve; default 200"),
  optim_state_dtype: choice(
    ["f32", "bf16"],
    "how moments, reference delta and carried gradients are stored; bf16: rounded at random",
    "f32",
  ),
  dtype: choice(
    ["float32", "bfloat16", "auto"],
    "how the trained weights are kept; bfloat16: rounded at random; auto: as their file has them; with use_peft, of the weights below the adapter",
    "float32",
  ),
  compensated: flag("keep what rounding takes from the weights: one more tensor like them", false),
} satisfies Record<string, Option<unknown>>;

export type KeyName = keyof typeof keys;
