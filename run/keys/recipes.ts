import { idle, isOneOf, type Keys, mapped, only, own, renamed } from "./row.js";

const MIXED = "name one file or folder as dataset_name, with the rows that are meant, and another as eval_dataset";

/** `dataset_mixer` of one data set, all of it. */
const mixer: Keys[string]["read"] = (value) => {
  const parts = Object.entries((value ?? {}) as object);
  const [[name, share] = ["", 0]] = parts;
  return parts.length === 1 && Number(share) === 1
    ? { set: { dataset_name: name } }
    : { refused: `rows are not mixed; ${MIXED}` };
};

/** Keys of alignment-handbook's recipes beside TRL's. */
export const handbookKeys: Keys = {
  ...own("chat_template"),
  ...mapped("`dataset_name`, where it is one data set with share 1", mixer, "dataset_mixer"),
  ...only([], `rows are not mixed; ${MIXED}`, "dataset_mixture"),
  ...idle("rows are shuffled by shuffle_dataset", "shuffle_train_dataloader"),
  ...only([true], "sequences are made by the chat template", "auto_insert_empty_system_msg"),
};

const TEMPLATE = "rows are rendered by the model's own chat template; leave it out, or set chat_template_path";
const OTHER_OPTIMIZER = "the optimizer is chosen by optim; leave it out";

/** LLaMA-Factory's names of what is trained. */
const finetuning: Keys[string]["read"] = (value, { lora_rank: rank = 8 }) => {
  if (value === "full") return { set: { use_peft: false } };
  if (value !== "lora") return { refused: "finetuning_type is full or lora here (use_peft)" };
  return {
    set: { use_peft: true },
    byDefault: { lora_r: rank, lora_alpha: 2 * Number(rank), lora_target_modules: "all-linear" },
  };
};

/** What is trained is what the command is called. */
const stage: Keys[string]["read"] = (value, _all, reader) => {
  if (reader !== "fit" && value !== reader)
    return { refused: "the command says what is trained: taugrad sft, dpo or kto" };
  return value === "sft" ? { byDefault: { completion_only_loss: true } } : { idle: true };
};

/** Keys of LLaMA-Factory beside transformers': mapped where that is exact, else refused with TRL's spelling. */
export const llamaFactoryKeys: Keys = {
  ...renamed("max_length", "cutoff_len"),
  ...renamed("beta", "pref_beta", "kto_beta", "dpo_beta"),
  ...renamed("loss_type", "pref_loss", "dpo_loss"),
  ...renamed("label_smoothing", "dpo_label_smoothing"),
  ...renamed("desirable_weight", "kto_chosen_weight"),
  ...renamed("undesirable_weight", "kto_rejected_weight"),
  ...renamed("ref_model_name_or_path", "ref_model"),
  ...renamed("limit", "max_samples"),
  ...mapped("`use_peft`; lora with `lora_r: 8`, `lora_alpha: 2 · lora_r` unless given", finetuning, "finetuning_type"),
  ...renamed("lora_r", "lora_rank"),
  ...mapped(
    "`lora_target_modules`; `all` is `all-linear`",
    (value) => ({ set: { lora_target_modules: value === "all" ? "all-linear" : value } }),
    "lora_target",
  ),
  ...renamed("lora_modules_to_save", "additional_target"),
  ...mapped(
    "`dtype: bfloat16` where true",
    (value) => (isOneOf(value, [false]) ? { idle: true } : { set: { dtype: "bfloat16" } }),
    "pure_bf16",
  ),
  ...mapped(
    "`shuffle_dataset: false` where true",
    (value) => (isOneOf(value, [false]) ? { idle: true } : { set: { shuffle_dataset: false } }),
    "disable_shuffling",
  ),
  ...mapped(
    "`gradient_checkpointing: false` where true",
    (value) => (isOneOf(value, [false]) ? { idle: true } : { set: { gradient_checkpointing: false } }),
    "disable_gradient_checkpointing",
  ),
  ...mapped("the name of the command; `sft` learns completions alone", stage, "stage"),
  ...mapped(
    "`dataset_name`: the path of a file or folder, not a name of dataset_info.json",
    (value) =>
      String(value).includes(",") ? { refused: `rows are not mixed; ${MIXED}` } : { set: { dataset_name: value } },
    "dataset",
  ),
  ...only([], "give the path of its file as dataset_name; there is no dataset_info.json", "dataset_dir"),
  ...only(["empty"], TEMPLATE, "template"),
  ...only([0], "name the rows to evaluate on as eval_dataset", "val_size"),
  ...only([0], "loss_type: [sigmoid, sft] with loss_weights adds the loss of chosen answers", "pref_ftx"),
  ...only(
    [false],
    "rows of messages are learned whole, {prompt, completion} by completion_only_loss",
    "train_on_prompt",
    "mask_history",
  ),
  ...only([false], "packing: true packs rows, and none sees another", "neat_packing"),
  ...only(
    [false],
    "layers are trained all, or by an adapter; leave it out",
    "use_llama_pro",
    "freeze_trainable_layers",
  ),
  ...only(
    [],
    "layers are trained all, or by an adapter; leave it out",
    "freeze_trainable_modules",
    "freeze_extra_modules",
  ),
  ...only(
    [false],
    OTHER_OPTIMIZER,
    ...["use_galore", "use_apollo", "use_badam", "use_adam_mini", "use_muon", "loraplus_lr_ratio"],
  ),
  ...idle(
    "only read with its optimizer",
    ...["galore_layerwise", "galore_target", "galore_rank", "galore_scale", "galore_update_interval"],
    ...["badam_mode", "badam_switch_mode", "badam_switch_interval", "badam_verbose", "apollo_layerwise"],
    ...["apollo_target", "apollo_rank", "apollo_scale", "apollo_scale_type"],
  ),
  ...only(
    [false],
    "the loss of sft is the mean cross-entropy; leave it out",
    "use_dft_loss",
    "use_asft_loss",
    "use_eaft_loss",
  ),
  ...only([], "weights keep the type of their file; leave it out", "quantization_bit"),
  ...idle("only read with quantization_bit", "quantization_method", "quantization_type", "double_quantization"),
  ...only([], "the vocabulary stays as it is", "resize_vocab", "add_tokens", "add_special_tokens"),
  ...only([], "frequencies are those of config.json", "rope_scaling"),
  ...only([false], "attention sees all that its model's sees", "shift_attn", "mixture_of_depths"),
  ...only(
    [false],
    "the model's chat template decides; chat_template_kwargs of a row",
    "enable_thinking",
    "default_system",
    "tool_format",
  ),
  ...only([false], "generated answers are scored by taugrad evaluate", "compute_accuracy"),
  ...idle("loss.svg is always drawn", "plot_loss"),
  ...idle(
    "tokens are made anew in each run",
    "overwrite_cache",
    "preprocessing_num_workers",
    "preprocessing_batch_size",
    "tokenized_path",
  ),
  ...idle(
    "numbers do not depend on it",
    ...["flash_attn", "enable_liger_kernel", "use_unsloth", "use_unsloth_gc", "use_reentrant_gc", "print_param_status"],
    ...[
      "use_fast_tokenizer",
      "cache_dir",
      "upcast_layernorm",
      "upcast_lmhead_output",
      "include_effective_tokens_per_second",
    ],
    ...[
      "ignore_pad_token_for_loss",
      "use_swanlab",
      "swanlab_project",
      "swanlab_run_name",
      "media_dir",
      "infer_backend",
    ],
  ),
};
