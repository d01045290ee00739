import { type ModelConfig, parseConfig } from "../models/index.js";

const config = (raw: Readonly<Record<string, unknown>>): ModelConfig =>
  parseConfig({ hidden_act: "silu", rope_theta: 10000, rms_norm_eps: 1e-6, ...raw });

/** Shapes of the models that speed and memory are judged by; weights are random where they run. */
export const SHAPES = {
  /** SmolLM2-135M. */
  a: config({
    ...{
      model_type: "llama",
      hidden_size: 576,
      intermediate_size: 1536,
      num_hidden_layers: 30,
      num_attention_heads: 9,
    },
    ...{ num_key_value_heads: 3, vocab_size: 49152, max_position_embeddings: 8192, tie_word_embeddings: true },
    torch_dtype: "bfloat16",
  }),
  /** Qwen2.5-0.5B. */
  b: config({
    ...{
      model_type: "qwen2",
      hidden_size: 896,
      intermediate_size: 4864,
      num_hidden_layers: 24,
      num_attention_heads: 14,
    },
    ...{ num_key_value_heads: 2, vocab_size: 151936, max_position_embeddings: 32768, tie_word_embeddings: true },
    torch_dtype: "bfloat16",
  }),
  /** Qwen1.5-1.8B. */
  c: config({
    ...{
      model_type: "qwen2",
      hidden_size: 2048,
      intermediate_size: 5504,
      num_hidden_layers: 24,
      num_attention_heads: 16,
    },
    ...{ num_key_value_heads: 16, vocab_size: 151936, max_position_embeddings: 32768, tie_word_embeddings: false },
    torch_dtype: "bfloat16",
  }),
} as const satisfies Record<string, ModelConfig>;

export type ShapeName = keyof typeof SHAPES;
export const NAMES: Readonly<Record<ShapeName, string>> = {
  a: "SmolLM2-135M",
  b: "Qwen2.5-0.5B",
  c: "Qwen1.5-1.8B",
};
