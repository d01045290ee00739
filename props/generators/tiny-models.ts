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

/** Head sizes, grouping, biases, tying, scaling of embeddings and frequencies, all combined. */
export const tinyConfigs = (): fc.Arbitrary<ModelConfig> =>
  fc
    .record({
      groups: fc.constantFrom(1, 2, 4),
      head_dim: fc.constantFrom(2, 4, 6),
      num_hidden_layers: fc.constantFrom(1, 2),
      tie_word_embeddings: fc.boolean(),
      family: fc.constantFrom(
        { model_type: "qwen2" },
        { model_type: "llama" },
        { attention_bias: true, mlp_bias: true },
      ),
      embedding_multiplier: fc.constantFrom(1, 8),
      rope_scaling: fc.constantFrom(null, {
        rope_type: "llama3",
        factor: 4,
        low_freq_factor: 1,
        high_freq_factor: 4,
        original_max_position_embeddings: 16,
      }),
    })
    .map(({ groups, family, ...rest }) => tinyConfig({ num_key_value_heads: groups, ...rest, ...family }));

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
