import { amongst } from "../../core/suggest.js";
import { idle, isOn, isOneOf, type Keys, mapped, only, own, renamed, spelled } from "./row.js";

const NO_8_BIT = "moments are kept in f32, or in bf16 by optim_state_dtype; optim: adamw with it takes about as much";
const HERE = "metrics go to metrics.jsonl and to TensorBoard events in output_dir; nothing is sent anywhere";

/** Optimizers that update as torch's AdamW does, however they are computed. */
const ADAMW = ["adamw_torch", "adamw_torch_fused", "adamw_torch_xla", "adamw_torch_npu_fused", "adamw_apex_fused"];
const PAGED = ["paged_adamw", "paged_adamw_32bit"];
/** bitsandbytes' Lion takes the betas of Adam. */
const LION = ["lion_32bit", "paged_lion_32bit"];
const QUANTIZED = [
  ...["adamw_8bit", "adamw_bnb_8bit", "paged_adamw_8bit", "adamw_torch_8bit", "adamw_torch_4bit"],
  ...["lion_8bit", "paged_lion_8bit"],
];

/** Another name of warmup_steps below 1; transformers 4 lets steps win, 5 the share. */
const warmupRatio: Keys[string]["read"] = (value, { warmup_steps: steps }) => {
  if (isOneOf(value, [0])) return { set: { warmup_steps: steps ?? 0 } };
  if (Number(value) >= 1)
    return { refused: `${value} is no share of the steps below 1; warmup_steps takes a number of steps` };
  if (!isOneOf(steps, [0, value as number]))
    return {
      refused: `warmup_steps is ${steps} beside it, and versions of transformers differ in which one wins; leave one out`,
    };
  return { set: { warmup_steps: value } };
};

/** Products round their operands; what transformers does beside that is written in docs/trl.md. */
const halves =
  (name: "bf16" | "fp16"): Keys[string]["read"] =>
  (value) =>
    isOn(value)
      ? {
          set: { precision: "f16" },
          note:
            name === "bf16"
              ? "note: bf16: products of the layers and the head round their operands to f16, which WebGPU has, not to bf16: finer (11 bits, not 8), with a smaller range (65504); sums, weights and everything else are f32"
              : "note: fp16: products of the layers and the head round their operands to f16; sums, weights, gradients and everything else are f32, so no loss scale is needed",
        }
      : { set: { precision: "f32" } };

const sampling: Keys[string]["read"] = (value) => {
  const ways: Readonly<Record<string, Readonly<Record<string, boolean>>>> = {
    random: { shuffle_dataset: true },
    sequential: { shuffle_dataset: false },
    group_by_length: { group_by_length: true },
  };
  const way = ways[String(value)];
  return way === undefined ? { refused: amongst(value, Object.keys(ways)) } : { set: way };
};

/** TrainingArguments of transformers 5.x and late 4.x. */
export const transformersKeys: Keys = {
  ...own(
    "output_dir",
    "overwrite_output_dir",
    "per_device_train_batch_size",
    "per_device_eval_batch_size",
    "num_train_epochs",
    "max_steps",
  ),
  ...own(
    "learning_rate",
    "weight_decay",
    "adam_beta1",
    "adam_beta2",
    "adam_epsilon",
    "max_grad_norm",
    "seed",
    "ddp_timeout",
    "data_seed",
  ),
  ...own("gradient_accumulation_steps", "gradient_checkpointing", "dataloader_drop_last", "group_by_length"),
  ...own("logging_strategy", "logging_steps", "logging_first_step", "eval_strategy", "eval_steps", "eval_delay"),
  ...own("eval_on_start", "save_strategy", "save_steps", "save_total_limit", "load_best_model_at_end"),
  ...own("metric_for_best_model", "greater_is_better", "lr_scheduler_kwargs", "warmup_steps"),
  ...spelled(
    "lr_scheduler_type",
    {},
    {
      values: ["reduce_lr_on_plateau", "greedy"],
      why: "the rate would follow evaluations; cosine, linear and the others follow the steps alone",
    },
  ),
  ...spelled(
    "optim",
    {
      ...Object.fromEntries([...ADAMW, ...PAGED].map((name) => [name, { optim: "adamw" }])),
      ...Object.fromEntries(LION.map((name) => [name, { optim: "lion", adam_beta2: 0.999 }])),
    },
    { values: QUANTIZED, why: NO_8_BIT },
  ),
  ...mapped("`warmup_steps` of that share; refused beside other `warmup_steps`", warmupRatio, "warmup_ratio"),
  ...mapped("products round their operands to f16, which WebGPU has (`precision: f16`)", halves("bf16"), "bf16"),
  ...mapped("products round their operands to f16 (`precision: f16`)", halves("fp16"), "fp16"),
  ...mapped("`shuffle_dataset`, `group_by_length`", sampling, "train_sampling_strategy"),
  ...mapped(
    "`device: cpu` where true",
    (value) => (isOn(value) ? { set: { device: "cpu" } } : { idle: true }),
    ...["use_cpu", "no_cuda"],
  ),
  ...renamed("eval_strategy", "evaluation_strategy"),
  ...renamed("per_device_train_batch_size", "per_gpu_train_batch_size"),
  ...renamed("per_device_eval_batch_size", "per_gpu_eval_batch_size"),
  ...renamed("resume", "resume_from_checkpoint"),

  ...own("push_to_hub", "hub_model_id", "hub_private_repo"),
  ...renamed("hub_model_id", "push_to_hub_model_id"),
  ...idle(
    "the saved model is uploaded once, at the end, with the token of hf auth login or HF_TOKEN",
    ...["hub_strategy", "hub_token", "hub_always_push", "push_to_hub_token", "push_to_hub_organization"],
  ),
  ...only(["main"], "the model is uploaded to the branch main", "hub_revision", "hub_model_revision"),
  ...idle(HERE, "report_to", "run_name", "logging_dir", "project", "wandb_project", "wandb_entity"),
  ...idle(HERE, "trackio_space_id", "trackio_bucket_id", "trackio_static_space_id"),
  ...idle("progress and metrics are told alike", "log_level", "log_level_replica", "log_on_each_node", "disable_tqdm"),
  ...idle("a step that is not finite ends the run", "logging_nan_inf_filter"),
  ...idle(
    "num_tokens is always told",
    ...["include_num_input_tokens_seen", "include_tokens_per_second", "skip_memory_metrics"],
  ),
  ...idle(
    "metrics are those of the loss",
    ...["include_for_metrics", "include_inputs_for_metrics", "batch_eval_metrics", "eval_do_concat_batches"],
    ...["eval_accumulation_steps", "eval_use_gather_object", "prediction_loss_only"],
  ),
  ...idle(
    "rows are read and batched by one process",
    ...["dataloader_num_workers", "dataloader_pin_memory", "dataloader_persistent_workers"],
    ...["dataloader_prefetch_factor", "dataloader_in_order", "dataloader_multiprocessing_context"],
    "length_column_name",
  ),
  ...idle("rows are known by what they hold", "remove_unused_columns", "label_names"),
  ...idle(
    "each rank of mpirun trains with one device",
    ...["ddp_find_unused_parameters", "ddp_bucket_cap_mb", "ddp_broadcast_buffers", "ddp_backend"],
    ...["ddp_static_graph", "fsdp", "fsdp_config", "fsdp_min_num_params", "fsdp_transformer_layer_cls_to_wrap"],
    ...["deepspeed", "accelerator_config", "parallelism_config", "local_rank", "tpu_num_cores", "tpu_metrics_debug"],
    ...["average_tokens_across_devices", "dispatch_batches", "split_batches", "mp_parameters", "save_on_each_node"],
    ...["ray_scope"],
  ),
  ...idle(
    "programs are always compiled, and the numbers are the same",
    ...["torch_compile", "torch_compile_backend", "torch_compile_mode", "torchdynamo", "jit_mode_eval", "use_ipex"],
    ...["use_liger_kernel", "liger_kernel_config", "use_mps_device", "xpu_backend"],
  ),
  ...idle(
    "what is recomputed gives the same numbers",
    "gradient_checkpointing_kwargs",
    "gradient_checkpointing_use_reentrant",
  ),
  ...idle("memory is planned", "torch_empty_cache_steps", "use_cache"),
  ...idle("a run that does not fit ends before step 1 and says what would", "auto_find_batch_size"),
  ...idle("a run is always the same, bit for bit", "full_determinism"),
  ...idle(
    "products are f32, or f16 by bf16 and fp16",
    "tf32",
    "fp16_opt_level",
    "half_precision_backend",
    "fp16_backend",
  ),
  ...idle("SIGTERM always saves a checkpoint", "enable_jit_checkpoint"),
  ...idle("checkpoints hold what it takes to go on", "save_only_model", "restore_callback_states_from_checkpoint"),
  ...idle("eval_strategy says when to evaluate", "do_eval"),
  ...only([true], "training is what this command does", "do_train"),
  ...only([false], "taugrad generate and evaluate make predictions", "do_predict"),
  ...only([true], "weights are always saved as safetensors", "save_safetensors"),
  ...only([false], "evaluations have the precision of training", "bf16_full_eval", "fp16_full_eval"),
  ...only([false], "a resumed run goes on where it was; with it other rows would be learned", "ignore_data_skip"),
  ...only([0], "targets are not smoothed; leave it out", "label_smoothing_factor"),
  ...only([0, false], "no noise is added to embeddings; leave it out", "neftune_noise_alpha"),
  ...own("optim_args"),
  ...only([], "no optimizer takes it", "optim_target_modules"),
  ...mapped(
    "`optim: adafactor` where true",
    (value) => (isOn(value) ? { set: { optim: "adafactor" } } : { idle: true }),
    "adafactor",
  ),
  ...only([-1], "no output is fed back", "past_index"),
  ...only([""], "a step that is not finite is named anyway, with its tensor", "debug"),
  ...only(
    ["length"],
    "evaluations of generated text are taugrad evaluate's",
    "predict_with_generate",
    "generation_config",
  ),
};
