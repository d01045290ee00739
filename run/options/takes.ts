import type { TrainingKind } from "../fit/kinds.js";
import type { Option } from "./kinds.js";
import { type KeyName, keys } from "./table.js";

/** Keys that every kind of training takes. */
export const shared = [
  "model_name_or_path",
  "dataset_name",
  "dataset_config",
  "dataset_train_split",
  "dataset_test_split",
  "max_inflation",
  "max_row_bytes",
  "limit",
  "chat_template_path",
  "chat_template",
  "output_dir",
  "overwrite_output_dir",
  "learning_rate",
  "lr_scheduler_type",
  "lr_scheduler_kwargs",
  "warmup_steps",
  "per_device_train_batch_size",
  "gradient_accumulation_steps",
  "max_steps",
  "num_train_epochs",
  "max_length",
  "truncation_mode",
  "shuffle_dataset",
  "group_by_length",
  "dataloader_drop_last",
  "seed",
  "data_seed",
  "optim",
  "optim_args",
  "lr_by_reserve",
  "base_optim",
  "momentum",
  "fisher_batches",
  "ema_variant",
  "ema_coefficient",
  "l2_reference",
  "retain",
  "retain_dataset",
  "retain_rows",
  "retain_every",
  "retain_share",
  "projection_rank",
  "projection_interval",
  "bema",
  "bema_update_freq",
  "bema_ema_power",
  "bema_bias_power",
  "bema_lag",
  "bema_update_after",
  "bema_multiplier",
  "bema_min_ema_multiplier",
  "compensated",
  "optim_state_dtype",
  "dtype",
  "precision",
  "weight_decay",
  "adam_beta1",
  "adam_beta2",
  "adam_epsilon",
  "max_grad_norm",
  "gradient_checkpointing",
  "offload",
  "ddp_timeout",
  "wire",
  "communicate",
  "communicate_steps",
  "meet",
  "outer_learning_rate",
  "outer_momentum",
  "device_memory",
  "use_peft",
  "adapter_name_or_path",
  "lora_r",
  "lora_alpha",
  "lora_target_modules",
  "lora_modules_to_save",
  "use_rslora",
  "use_dora",
  "logging_strategy",
  "logging_steps",
  "logging_first_step",
  "save_strategy",
  "save_steps",
  "save_total_limit",
  "load_best_model_at_end",
  "metric_for_best_model",
  "greater_is_better",
  "resume",
  "push_to_hub",
  "hub_model_id",
  "hub_private_repo",
  "eval_dataset",
  "eval_tasks",
  "eval_strategy",
  "eval_steps",
  "eval_delay",
  "eval_on_start",
  "per_device_eval_batch_size",
  "dry_run",
  "device",
  "adapter",
] as const satisfies readonly KeyName[];

/** Keys that do something only where a reference delta is merged in. */
export const mergingKeys = [
  "base_model_name_or_path",
  "alpha",
  "reserve_p",
  "online_step",
  "rescale",
  "merge_preset",
  "tau_scale",
] as const satisfies readonly KeyName[];

/** Keys of training against a reference model. */
export const comparing = [
  "ref_model_name_or_path",
  ...mergingKeys,
  "precompute_ref_log_probs",
  "ref_log_probs_cache",
  "sync_ref_model",
  "ref_model_mixup_alpha",
  "ref_model_sync_steps",
  "bema_update_ref_model",
  "bema_ref_model_update_freq",
  "bema_ref_model_update_after",
] as const satisfies readonly KeyName[];

const trained = ["model_name_or_path", "dataset_name", "output_dir"] as const;

/** What one who reads keys takes. */
interface Takes {
  readonly required: readonly KeyName[];
  readonly options: readonly KeyName[];
  /** Where they are not the table's. */
  readonly defaults: Readonly<Partial<Record<KeyName, unknown>>>;
}

/** Every kind of training with the keys it takes. */
export const takes = {
  sft: {
    required: trained,
    options: [
      ...([...shared, "completion_only_loss", "packing", "packing_strategy", "eval_packing"] as const),
      ...(["assistant_only_loss", "lora_dropout"] as const),
      ...(["padding_free", "eos_token", "ref_model_name_or_path", ...mergingKeys] as const),
    ],
    defaults: { learning_rate: 2e-5 },
  },
  dpo: {
    required: trained,
    options: [
      ...([...shared, "loss_type", "loss_weights", "beta", "label_smoothing", "simpo_gamma"] as const),
      ...(["max_prompt_length", "max_completion_length", "padding_free"] as const),
      ...comparing,
    ],
    defaults: { learning_rate: 1e-6 },
  },
  kto: {
    required: trained,
    options: [...([...shared, "loss_type", "beta", "desirable_weight", "undesirable_weight"] as const), ...comparing],
    defaults: { learning_rate: 1e-6, loss_type: ["kto"] },
  },
} as const satisfies Record<TrainingKind, Takes>;

/** The keys that a kind of training takes. */
export type KeyOf<K extends TrainingKind> = (typeof takes)[K]["options"][number];
/** Those that have a value in every run of that kind. */
type Sure<K extends TrainingKind> = (typeof takes)[K]["required"][number] | keyof (typeof takes)[K]["defaults"];
type ValueOf<N extends KeyName> = (typeof keys)[N]["fallback"];

/** What a run of that kind goes by: every key it takes, read, checked and with its default. */
export type Values<K extends TrainingKind> = {
  readonly [N in KeyOf<K>]: N extends Sure<K> ? NonNullable<ValueOf<N>> : ValueOf<N>;
};

/** What all kinds of training take; each takes more. */
export type TrainingValues = Pick<Values<"sft">, KeyOf<"sft"> & KeyOf<"dpo"> & KeyOf<"kto">>;

/** The keys that a kind takes with what the table says of them. */
export const optionsFor = (kind: TrainingKind): ReadonlyMap<KeyName, Option<unknown>> =>
  new Map(takes[kind].options.map((name) => [name, keys[name]]));
