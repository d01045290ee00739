import { COMMON, FAMILY_NAMES, type Family, type FamilyName, families } from "./families.js";
import { isObject, type JsonObject } from "./files/json.js";

/** What no family here has, by the fields of a config that call for it. */
const MISSING: Readonly<Record<string, readonly string[]>> = {
  "mixtures of experts": [
    ...["num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts", "moe_intermediate_size"],
    "enable_moe_block",
  ],
  "latent attention": ["kv_lora_rank", "q_lora_rank"],
  "images or sound": ["vision_config", "audio_config", "vision_feature_layer"],
  "an encoder": ["is_encoder_decoder", "encoder_layers", "add_cross_attention"],
  "tokens that see later ones": ["use_bidirectional_attention"],
  "layer norms with means": ["layer_norm_eps", "layer_norm_epsilon", "layernorm_epsilon", "norm_epsilon", "norm_eps"],
  "learned or ALiBi positions": ["n_positions", "alibi", "use_alibi"],
  "attention and feed-forward side by side": ["parallel_attn", "use_parallel_residual", "parallel_residual"],
  "state-space or recurrent layers": [
    ...["ssm_cfg", "state_size", "mamba_d_state", "ssm_state_size", "mamba_expand", "lru_width", "conv_L_cache"],
    ...["linear_num_value_heads", "full_attention_interval", "attn_layer_period"],
  ],
  "rotary positions of another kind": ["rotary_pct", "rotary_dim", "rope_interleaved", "mrope_section"],
  "chunks or temperatures of attention": ["attention_chunk_size", "attn_temperature_tuning"],
  "clipped queries, keys and values": ["clip_qkv"],
  "norms of queries and keys of another kind": ["qk_layernorm", "use_qk_norm"],
  "other scales": [
    "logit_scale",
    "scale_emb",
    "scale_depth",
    "dim_model_base",
    "mup_width_scale",
    "lm_head_multiplier",
  ],
  "embeddings a layer": ["hidden_size_per_layer_input", "vocab_size_per_layer_input"],
  "layers that share keys and values": ["num_kv_shared_layers", "cla_share_factor"],
  "gates of attention": ["attn_output_gate", "gating"],
  "a bias of the output matrix": ["lm_head_bias"],
  "several tokens at a time": ["num_nextn_predict_layers", "n_future_tokens"],
};

/** Does nothing: off, none, zero, or empty. */
const isOff = (value: unknown): boolean =>
  value == null || value === false || value === 0 || (Array.isArray(value) && value.length === 0);

const lacking = (raw: JsonObject): { readonly what: string; readonly key: string }[] =>
  Object.entries(MISSING).flatMap(([what, keys]) => {
    const key = keys.find((name) => !isOff(raw[name]));
    return key === undefined ? [] : [{ what, key }];
  });

/** Every field that some family reads, and the values that leave a model of another family as it is. */
const NEUTRAL: Readonly<Record<string, readonly unknown[]>> = {
  embedding_multiplier: [1],
  residual_multiplier: [1],
  logits_scaling: [1],
  partial_rotary_factor: [1],
};
/** Say nothing by themselves, or are spelled in files of families that do not read them. */
const HARMLESS = new Set([
  ...["hidden_activation", "max_position_embeddings", "layer_types", "original_max_position_embeddings"],
  ...["max_window_layers", "no_rope_layer_interval", "sliding_window_pattern"],
]);
const OPTIONAL = new Set(Object.values<Family>(families).flatMap(({ fields }) => Object.keys(fields)));

/**
 * The first field that calls for what this family does not compute, and why; undefined if there is none. transformers ignores
 * such a field, or has another class for it: either way its author meant other numbers.
 */
export const unsupportedField = (raw: JsonObject, modelType: FamilyName): [key: string, why: string] | undefined => {
  const [first] = lacking(raw);
  if (first !== undefined) return [first.key, `${first.what}: not supported`];
  const { fields }: Family = families[modelType];
  const foreign = [...OPTIONAL].find(
    (key) =>
      !(key in fields || key in COMMON || HARMLESS.has(key)) && !isOff(raw[key]) && !NEUTRAL[key]?.includes(raw[key]),
  );
  return foreign === undefined ? undefined : [foreign, `a ${modelType} model has none`];
};

/** Say nothing of what is computed, whatever the family. */
const INERT = new Set([
  ...["model_type", "architectures", "auto_map", "transformers_version", "torch_dtype", "dtype", "_name_or_path"],
  ...["use_cache", "initializer_range", "bos_token_id", "eos_token_id", "pad_token_id", "attention_dropout"],
  ...["hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size", "hidden_act"],
  ...["rope_scaling", "rope_parameters", "pretraining_tp", "cache_implementation"],
]);

/** Fields that no family reads, as a hint of what it would take. */
const strangers = (raw: JsonObject): string => {
  const keys = Object.keys(raw).filter(
    (key) => !(INERT.has(key) || OPTIONAL.has(key) || key in COMMON || isOff(raw[key])),
  );
  return keys.length === 0 ? "" : `; no family here reads its ${keys.slice(0, 6).join(", ")}`;
};

/** Why a model_type is not read: which are, and what this one has that they do not. */
export const unknownType = (raw: JsonObject): string => {
  const known = `supported are ${FAMILY_NAMES.map((name) => `"${name}"`).join(", ")}`;
  const text = isObject(raw.text_config) ? { ...raw, ...raw.text_config } : raw;
  const missing = lacking(text).map(({ what, key }) => `${what} (${key})`);
  if (missing.length > 0) return `${known}; this one has ${missing.join(", ")}`;
  return `${known}${strangers(raw)}; it takes a row in models/families.ts, or the name of one that computes the same`;
};
