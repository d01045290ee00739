import { existsSync } from "node:fs";
import { idle, isOneOf, type Keys, mapped, only, own, renamed, spelled } from "./row.js";

const isList = (value: unknown): value is readonly unknown[] => Array.isArray(value);

/** RPO: the loss, and α times the mean negative log-likelihood of chosen tokens, which is loss_type sft. */
const rpo: Keys[string]["read"] = (value, { loss_type: given = "sigmoid", loss_weights: weights }) => {
  if (isOneOf(value, [])) return { idle: true };
  const types = isList(given) ? given : String(given).split(",");
  const before = isList(weights) ? weights : types.map(() => 1);
  return { instead: { loss_type: [...types, "sft"], loss_weights: [...before, Number(value)] } };
};

/** A revision is part of a repository's name. */
const revision: Keys[string]["read"] = (value, { model_name_or_path: name }) => {
  if (isOneOf(value, ["main"])) return { set: {} };
  return typeof name === "string" && !name.includes("@") && !existsSync(name)
    ? { instead: { model_name_or_path: `${name}@${value}` } }
    : { refused: "a folder holds one revision; give a repository's name as model_name_or_path, or leave it out" };
};

/** Keys that all of TRL's configurations have. */
export const trlKeys: Keys = {
  ...own("max_length", "truncation_mode", "chat_template_path"),
  ...idle("padding is never seen", "label_pad_token_id", "padding_value", "pad_token", "pad_to_multiple_of"),
  ...idle("rows are read by one process", "dataset_num_proc"),
  ...idle("activations are planned; offload: optimizer moves moments", "activation_offloading"),
  ...idle("no model has experts", "router_aux_loss_coef"),
};

/** Keys of all that compare with a reference model. */
const comparing: Keys = {
  ...own("sync_ref_model", "ref_model_mixup_alpha", "ref_model_sync_steps"),
  ...idle(
    "numbers do not depend on it",
    "precompute_ref_batch_size",
    "use_logits_to_keep",
    "use_liger_loss",
    "use_num_logits_to_keep",
  ),
  ...idle("the reference is ref_model_name_or_path, or the model before training", "force_use_ref_model"),
  ...only([false], "taugrad generate shows what a checkpoint answers", "generate_during_eval"),
  ...only([false], "models are decoders", "is_encoder_decoder"),
  ...only(
    [],
    "one adapter is trained; adapter_name_or_path is the reference's",
    "model_adapter_name",
    "ref_adapter_name",
  ),
  ...only([], "the reference is loaded as the model is", "ref_model_init_kwargs"),
  ...only([], "tools stand in the rows", "tools"),
  ...only([true], "no dropout is applied", "disable_dropout"),
  ...idle("with disable_dropout, which is TRL's default, dropout is off in adapters too", "lora_dropout"),
  ...idle("names a part of PyTorch's model", "base_model_attribute_name"),
};

/** Keys of DPOConfig, and of the CPOConfig and ORPOConfig of earlier TRL. */
export const dpoKeys: Keys = {
  ...comparing,
  ...own("beta", "loss_weights", "label_smoothing", "simpo_gamma", "precompute_ref_log_probs", "loss_type"),
  ...own("max_prompt_length", "max_completion_length", "padding_free"),
  ...renamed("max_completion_length", "max_target_length"),
  ...mapped("`loss_type: [sigmoid, sft]`, `loss_weights: [1, rpo_alpha]`", rpo, "rpo_alpha"),
  ...only([1], "every token counts alike; leave it out", "ld_alpha"),
  ...only([false], "pairs are not weighted; leave it out", "use_weighting"),
  ...only([false], "loss_type simpo and orpo need no reference", "reference_free"),
  ...only(["reverse_kl"], "other divergences are not there", "f_divergence_type"),
  ...only([1, 0.5], "only read with another f_divergence_type", "f_alpha_divergence_coef"),
  ...only(
    [0],
    "the likelihood of whole rows is no part of a loss on pairs; sft in loss_type is that of chosen answers",
    "cpo_alpha",
  ),
  ...idle("only read with loss_type discopop", "discopop_tau"),
};

/** Keys of KTOConfig. */
export const ktoKeys: Keys = {
  ...comparing,
  ...own("beta", "desirable_weight", "undesirable_weight", "precompute_ref_log_probs", "loss_type"),
  ...only([false], "rows are padded for kto", "padding_free"),
  ...only(
    [],
    "prompts stay whole for kto, since they meet other answers; leave it out, or shorten the prompts in the data",
    ...["max_prompt_length", "max_completion_length"],
  ),
};

/** Keys of SFTConfig. */
export const sftKeys: Keys = {
  ...own("shuffle_dataset", "completion_only_loss", "eos_token"),
  ...own("packing", "eval_packing", "padding_free", "assistant_only_loss", "lora_dropout"),
  ...spelled("packing_strategy", { "bfd-requeue": { packing_strategy: "bfd_split" } }),
  ...renamed("max_length", "max_seq_length"),
  ...only(["nll", "chunked_nll"], "the loss of sft is the mean cross-entropy of its tokens", "loss_type"),
  ...only(["text"], "text stands in the field text; rename it in the data", "dataset_text_field"),
  ...mapped(
    "only `add_special_tokens: false` and `append_concat_token: false`, which is what is done with messages",
    (value) => {
      const entries = Object.entries((value ?? {}) as object);
      const known = ["add_special_tokens", "append_concat_token", "skip_prepare_dataset"];
      return entries.every(([key, said]) => known.includes(key) && isOneOf(said, [false]))
        ? { idle: true }
        : { refused: "rows are always rendered by the chat template, and tokenized with its special tokens alone" };
    },
    "dataset_kwargs",
  ),
  ...idle("rows are packed by packing", "num_of_sequences", "chars_per_token", "dataset_batch_size"),
  ...idle("numbers do not depend on it", "use_liger"),
};

/** Keys of ModelConfig. */
export const modelKeys: Keys = {
  ...own("model_name_or_path", "use_peft", "lora_r", "lora_alpha", "lora_target_modules", "lora_modules_to_save"),
  ...own("use_rslora", "use_dora"),
  ...only([], "matrices of linear layers have adapters, by lora_target_modules", "lora_target_parameters"),
  ...spelled("dtype", {}, { values: ["float16"], why: "weights that are trained are float32 or bfloat16" }),
  ...renamed("dtype", "torch_dtype"),
  ...idle("attention is one kernel, whose numbers are those of the formula", "attn_implementation"),
  ...idle("no code of a model is run", "trust_remote_code"),
  ...mapped(
    "each key in it as if it stood alone",
    (value) =>
      typeof value === "object" && value !== null
        ? {
            set: Object.fromEntries(
              Object.entries(value).map(([key, said]) => [key === "revision" ? "model_revision" : key, said]),
            ),
          }
        : { refused: "it holds keys with their values" },
    "model_init_kwargs",
  ),
  ...idle("memory is planned", "device_map", "low_cpu_mem_usage"),
  ...mapped("`model_name_or_path: NAME@REVISION`, of a repository of the Hub", revision, "model_revision"),
  ...only(["CAUSAL_LM"], "models are language models", "lora_task_type"),
  ...only(
    [false],
    "base weights keep the type of their file; train with use_peft on a bf16 checkpoint instead",
    "load_in_4bit",
    "load_in_8bit",
  ),
  ...idle(
    "only read with load_in_4bit",
    ...["bnb_4bit_quant_type", "use_bnb_nested_quant", "bnb_4bit_quant_storage", "bnb_4bit_compute_dtype"],
  ),
};

/** Keys of ScriptArguments. */
export const scriptKeys: Keys = {
  ...own("dataset_name", "dataset_config", "dataset_train_split", "dataset_test_split"),
  ...idle("what is recomputed gives the same numbers", "gradient_checkpointing_use_reentrant"),
  ...idle("rows are always read one by one", "dataset_streaming", "streaming"),
  ...idle("one device trains", "ignore_bias_buffers"),
  ...idle("no number is decided by it here", "env"),
  ...only([], "name one file or folder as dataset_name, with the rows of all", "datasets"),
  ...only([], "name the rows to evaluate on as eval_dataset", "test_split_size"),
};
