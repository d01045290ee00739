import type { Reader } from "./config-reader.js";
import type { JsonObject } from "./files/json.js";

/** The norms of a layer, each by the name of its weight: around attention and around the feed-forward network. */
export interface Norms {
  readonly beforeAttention?: string;
  readonly afterAttention?: string;
  readonly beforeMlp?: string;
  readonly afterMlp?: string;
}

/** What sets a family of models apart. All else is common: `transformer.ts` reads it, `config.ts` fills in the numbers. */
export interface Family {
  readonly norms: Norms;
  /** Norms multiply by 1 + w, not by w. */
  readonly onePlus?: true;
  /** Queries and keys pass a norm of their own: head by head, or the whole projection at once. */
  readonly qkNorm?: "head" | "projection";
  /** Always there, whatever the config says. */
  readonly qkvBias?: true;
  /** The one matrix that makes all of q, k and v, one below the other, and the one that makes gate and up. */
  readonly fused?: { readonly self_attn: string; readonly mlp: string };
  /** Embeddings are multiplied by √hidden_size, rounded to f32 as where transformers computes in it. */
  readonly rootEmbedding?: true;
  /** `embedding_multiplier` is no field of the family's own class: it is folded into the weights where a model is saved. */
  readonly foldsMultiplier?: true;
  /** Whether layer i attends in a window of `sliding_window` slots where `layer_types` does not say. Default: none does. */
  readonly slides?: (read: Reader, layer: number) => boolean;
  /** What kinds of rotary scaling its class takes; default all. */
  readonly ropes?: readonly string[];
  /** Windowed layers have a base of their own: `rope_parameters` by layer type, or `rope_local_base_freq`. */
  readonly localRope?: true;
  /** Optional fields that it reads, with the values its class gives them; null: none. */
  readonly fields: JsonObject;
}

/** Of every family's class, unless its row says otherwise. */
export const COMMON: JsonObject = {
  rms_norm_eps: 1e-6,
  rope_theta: 10000,
  tie_word_embeddings: false,
  num_key_value_heads: null,
  head_dim: null,
};

const PRE: Norms = { beforeAttention: "input_layernorm", beforeMlp: "post_attention_layernorm" };
const POST: Norms = { afterAttention: "post_attention_layernorm", afterMlp: "post_feedforward_layernorm" };
const BOTH: Norms = { ...POST, beforeAttention: "input_layernorm", beforeMlp: "pre_feedforward_layernorm" };

/** Qwen's windows start at a layer, and are off unless the config says so. */
const QWEN_FIELDS = { sliding_window: 4096, use_sliding_window: false, max_window_layers: 28, layer_types: null };
const qwenSlides = (read: Reader, i: number): boolean => hasWindow(read) && i >= read.natural("max_window_layers");

const GEMMA_FIELDS = { attention_bias: false, query_pre_attn_scalar: 256, sliding_window: 4096, layer_types: null };
const GEMMA_SIZES = { head_dim: 256, num_key_value_heads: 4, tie_word_embeddings: true };

/** The length of `sliding_window`, unless it is none or switched off. */
export const windowOf = (read: Reader): number | undefined =>
  read.object.sliding_window == null || !read.flag("use_sliding_window", true)
    ? undefined
    : read.count("sliding_window");

const hasWindow = (read: Reader): boolean => windowOf(read) !== undefined;

/** Whether layer i rotates its queries and keys; SmolLM3 leaves it out in every fourth. */
export const rotates = (read: Reader, i: number): boolean => {
  const listed = read.object.no_rope_layers;
  if (listed == null) return (i + 1) % read.count("no_rope_layer_interval") !== 0;
  if (!Array.isArray(listed) || ![0, 1, true, false].includes(listed[i]))
    throw read.refuse("no_rope_layers", "must have a 1 (rotated) or 0 (not) for every layer");
  return Boolean(listed[i]);
};

/**
 * The families that are known, by `model_type`. A family is its row: norms, projections, windows and fields of its class.
 * Sources: the configuration and modeling files of the same names in huggingface/transformers, and the papers beside.
 */
export const families = {
  /** Touvron et al. 2023; SmolLM2, TinyLlama, Yi, … */
  llama: {
    norms: PRE,
    foldsMultiplier: true,
    fields: { max_position_embeddings: 2048, attention_bias: false, mlp_bias: false, embedding_multiplier: 1 },
  },
  /** Bai et al. 2023, Yang et al. 2024. */
  qwen2: {
    norms: PRE,
    qkvBias: true,
    foldsMultiplier: true,
    slides: qwenSlides,
    fields: { ...QWEN_FIELDS, max_position_embeddings: 32768, num_key_value_heads: 32, embedding_multiplier: 1 },
  },
  /** Yang et al. 2025: q and k normed head by head. */
  qwen3: {
    norms: PRE,
    qkNorm: "head",
    slides: qwenSlides,
    fields: {
      ...QWEN_FIELDS,
      ...{ max_position_embeddings: 32768, num_key_value_heads: 32, head_dim: 128, attention_bias: false },
    },
  },
  /** Jiang et al. 2023. */
  mistral: {
    norms: PRE,
    slides: hasWindow,
    fields: { max_position_embeddings: 131072, num_key_value_heads: 8, sliding_window: 4096 },
  },
  /** Bakouch et al. 2025: some layers without rotary positions. */
  smollm3: {
    norms: PRE,
    slides: (read, i) => hasWindow(read) && !rotates(read, i),
    fields: {
      ...{ max_position_embeddings: 32768, num_key_value_heads: 4, rope_theta: 2e6, tie_word_embeddings: true },
      ...{ no_rope_layers: null, no_rope_layer_interval: 4, attention_bias: false, mlp_bias: false },
      ...{ sliding_window: null, use_sliding_window: false, layer_types: null },
    },
  },
  /** Gemma team 2024: norms on both sides, windows in every other layer, soft caps. */
  gemma2: {
    ...{ norms: BOTH, onePlus: true, rootEmbedding: true },
    slides: (_, i) => i % 2 === 0,
    fields: {
      ...{ ...GEMMA_FIELDS, ...GEMMA_SIZES, max_position_embeddings: 8192 },
      ...{ attn_logit_softcapping: 50, final_logit_softcapping: 30, hidden_activation: "gelu_pytorch_tanh" },
    },
  },
  /** Gemma team 2025: q and k normed, five windowed layers to a full one, a rotary base for each. */
  gemma3_text: {
    ...{ norms: BOTH, onePlus: true, rootEmbedding: true, qkNorm: "head", localRope: true },
    slides: (read, i) => (i + 1) % read.count("sliding_window_pattern") !== 0,
    fields: {
      ...{ ...GEMMA_FIELDS, ...GEMMA_SIZES, max_position_embeddings: 131072, rope_theta: 1e6 },
      ...{ rope_local_base_freq: 1e4, sliding_window_pattern: 6, final_logit_softcapping: null },
      hidden_activation: "gelu_pytorch_tanh",
    },
  },
  /** OLMo team 2024: norms after, q and k normed as wholes. */
  olmo2: {
    norms: POST,
    qkNorm: "projection",
    fields: { max_position_embeddings: 2048, rms_norm_eps: 1e-5, attention_bias: false },
  },
  /** Abdin et al. 2024: fused matrices; a part of each head rotated. */
  phi3: {
    norms: PRE,
    fused: { self_attn: "qkv_proj", mlp: "gate_up_proj" },
    slides: hasWindow,
    ropes: ["default", "longrope"],
    fields: {
      ...{ max_position_embeddings: 4096, original_max_position_embeddings: 4096, rms_norm_eps: 1e-5 },
      ...{ sliding_window: null, partial_rotary_factor: 1 },
    },
  },
  /** Granite team 2024: multipliers. */
  granite: {
    norms: PRE,
    fields: {
      ...{ max_position_embeddings: 2048, attention_bias: false, mlp_bias: false, attention_multiplier: 1 },
      ...{ embedding_multiplier: 1, residual_multiplier: 1, logits_scaling: 1 },
    },
  },
} as const satisfies Readonly<Record<string, Family>>;

/** A family of models, by `model_type`. */
export type FamilyName = keyof typeof families;

/** The families of models that are known, by `model_type`. */
export const FAMILY_NAMES = Object.keys(families) as readonly FamilyName[];

/** A row without its literal types. */
export const familyOf = ({ modelType }: { readonly modelType: FamilyName }): Family => families[modelType];
