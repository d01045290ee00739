import fc from "fast-check";
import { add, type Device, evaluate, foldInName, key, mul, normal, treeMap } from "../../core/index.js";
import { type ModelConfig, parseConfig } from "../../models/config.js";
import type { Model } from "../../models/files/load.js";
import { initParams } from "../../models/init.js";

/** A configuration small enough to compute by definition, with the features that change the graph. */
export const tinyConfig = (change: Readonly<Record<string, unknown>> = {}): ModelConfig =>
  parseConfig({
    model_type: "llama",
    hidden_size: 12,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    head_dim: 4,
    intermediate_size: 10,
    vocab_size: 19,
    max_position_embeddings: 64,
    rope_theta: 100,
    ...change,
  });

/** Rotary scalings, old and new spellings. */
const scalings = [
  {},
  {
    rope_scaling: {
      ...{ rope_type: "llama3", factor: 4, low_freq_factor: 1, high_freq_factor: 4 },
      original_max_position_embeddings: 16,
    },
  },
  { rope_parameters: { rope_type: "linear", factor: 2, rope_theta: 50 } },
  { rope_scaling: { type: "yarn", factor: 4, original_max_position_embeddings: 16, beta_fast: 2, beta_slow: 0.25 } },
];

/** What a family has of its own, on; the second layer differs where layers may. */
const designs: readonly Readonly<Record<string, unknown>>[] = [
  { model_type: "llama", embedding_multiplier: 8 },
  { model_type: "llama", attention_bias: true, mlp_bias: true },
  { model_type: "qwen2", hidden_act: "gelu" },
  { model_type: "qwen2", embedding_multiplier: 8 },
  { model_type: "qwen3", attention_bias: true },
  { model_type: "qwen2", use_sliding_window: true, sliding_window: 2, max_window_layers: 1 },
  { model_type: "mistral", sliding_window: 3 },
  {
    ...{ model_type: "gemma2", sliding_window: 3, query_pre_attn_scalar: 7, attn_logit_softcapping: 1.5 },
    ...{ final_logit_softcapping: 2, attention_bias: true },
  },
  {
    ...{ model_type: "gemma3_text", sliding_window: 2, sliding_window_pattern: 2, query_pre_attn_scalar: 3 },
    ...{ rope_local_base_freq: 30, final_logit_softcapping: 3 },
  },
  { model_type: "smollm3", no_rope_layers: [1, 0], mlp_bias: true },
  { model_type: "olmo2", attention_bias: true },
  {
    ...{ model_type: "granite", embedding_multiplier: 3, residual_multiplier: 0.5, attention_multiplier: 0.75 },
    ...{ logits_scaling: 1.5, mlp_bias: true },
  },
  { model_type: "phi3", sliding_window: 4 },
  {
    ...{ model_type: "phi3", head_dim: 4, partial_rotary_factor: 0.5, original_max_position_embeddings: 32 },
    rope_scaling: { type: "longrope", short_factor: [1.5], long_factor: [4] },
  },
];

/** Families, head sizes, grouping, biases, tying, multipliers and scaled frequencies, all combined. */
export const tinyConfigs = (): fc.Arbitrary<ModelConfig> =>
  fc
    .record({
      groups: fc.constantFrom(1, 2, 4),
      head_dim: fc.constantFrom(2, 4, 6),
      num_hidden_layers: fc.constantFrom(1, 2),
      tie_word_embeddings: fc.boolean(),
      design: fc.constantFrom(...designs),
      scaling: fc.constantFrom(...scalings),
    })
    .map(({ groups, design, scaling, ...rest }) => {
      // Phi-3 has no such scalings, and Gemma 3 spells them by layer type.
      const plain = ["phi3", "gemma3_text"].includes(design.model_type as string);
      return tinyConfig({ num_key_value_heads: groups, ...rest, ...(plain ? {} : scaling), ...design });
    });

/** Fresh weights on a device. Biases and norms get noise, so that none of them is without effect. */
export const tinyModel = (config: ModelConfig, device: Device, seed = 0): Model => {
  const params = evaluate(
    treeMap(
      (w, name) => (w.shape.length > 1 ? w : add(w, mul(0.3, normal(foldInName(key(seed + 1), name), w.shape)))),
      initParams(config, key(seed)),
    ),
    device,
  );
  return { config, params, layout: { kind: "single", names: [] }, dtype: "F32" };
};

/** Rows of token ids of different lengths. */
export const idRows = (
  config: ModelConfig,
  rows: { min: number; max: number },
  longest: number,
): fc.Arbitrary<number[][]> =>
  fc.array(fc.array(fc.nat(config.vocabSize - 1), { minLength: 1, maxLength: longest }), {
    minLength: rows.min,
    maxLength: rows.max,
  });
