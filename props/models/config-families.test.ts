/** What published configurations of the families mean, and what of them is refused. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type ModelConfig, parseConfig } from "../../models/config.js";
import type { FamilyName } from "../../models/families.js";
import type { JsonObject } from "../../models/files/json.js";
import type { RopeConfig } from "../../models/rope.js";
import { refused } from "../golden/refused.js";

const sizes = { num_hidden_layers: 4, num_attention_heads: 8, hidden_size: 64, intermediate_size: 32, vocab_size: 100 };
const read = (model_type: FamilyName, more: JsonObject = {}): ModelConfig =>
  parseConfig({ ...sizes, num_key_value_heads: 8, model_type, ...more });

const windowsOf = ({ kinds }: ModelConfig) => kinds.map(({ window }) => window);
const basesOf = ({ kinds }: ModelConfig) => kinds.map(({ rope }) => rope?.theta);
const ropeOf = (config: ModelConfig): RopeConfig => config.kinds[0].rope as RopeConfig;
const near = (got: number, want: number) =>
  assert.ok(Math.abs(got - want) <= 1e-12 * Math.abs(want), `${got}: ${want}`);

test("fields that are not there have the values of the family's class", () => {
  const of = (name: FamilyName) => {
    const { headDim, kvHeads, tied, rmsNormEps, maxPositions, activation } = read(name, {
      num_attention_heads: 64,
      num_key_value_heads: undefined,
    });
    return { headDim, kvHeads, tied, rmsNormEps, maxPositions, activation };
  };
  const plain = { headDim: 1, kvHeads: 64, tied: false, rmsNormEps: 1e-6, activation: "silu" };
  refused(() => of("llama"), /head_dim/); // 64 / 64: nothing to rotate
  assert.deepEqual(of("qwen3"), { ...plain, headDim: 128, kvHeads: 32, maxPositions: 32768 });
  const gemma = { ...plain, headDim: 256, kvHeads: 4, tied: true, activation: "geluTanh" };
  assert.deepEqual(of("gemma2"), { ...gemma, maxPositions: 8192 });
  assert.deepEqual(of("gemma3_text"), { ...gemma, maxPositions: 131072 });
  const eps = (["llama", "mistral", "smollm3", "olmo2", "phi3", "granite"] as const).map(
    (name) => read(name).rmsNormEps,
  );
  assert.deepEqual(eps, [1e-6, 1e-6, 1e-6, 1e-5, 1e-5, 1e-6]);
  const groups = (["mistral", "smollm3", "olmo2"] as const).map(
    (name) => read(name, { num_attention_heads: 16, num_key_value_heads: undefined }).kvHeads,
  );
  assert.deepEqual(groups, [8, 4, 16]);
  assert.equal(read("mistral", { num_attention_heads: 16, num_key_value_heads: null }).kvHeads, 16);
  // 32 by its class, which no model of 8 heads can have.
  assert.equal(read("qwen2", { num_attention_heads: 8, num_key_value_heads: undefined }).kvHeads, 8);
  assert.deepEqual(basesOf(read("gemma3_text")), [1e4, 1e4, 1e4, 1e4]);
  assert.deepEqual(basesOf(read("smollm3")), [2e6, 2e6, 2e6, undefined]);
  const two = read("gemma2");
  assert.deepEqual([two.attentionCap, two.logitCap, two.attentionScale], [50, 30, 1 / 16]);
  assert.equal(two.embeddingMultiplier, Math.fround(Math.sqrt(64)));
  const three = read("gemma3_text");
  assert.deepEqual([three.attentionCap, three.logitCap], [undefined, undefined]);
  assert.equal(read("granite").attentionScale, 1);
});

test("null says none where transformers has none, and nothing elsewhere", () => {
  const open = { attn_logit_softcapping: null, final_logit_softcapping: null };
  const { attentionCap, logitCap } = read("gemma2", open);
  assert.deepEqual([attentionCap, logitCap], [undefined, undefined]);
  assert.deepEqual(windowsOf(read("mistral", { sliding_window: null })), new Array(4).fill(undefined));
  assert.deepEqual(windowsOf(read("mistral")), new Array(4).fill(4096));
  assert.equal(read("gemma2", { rms_norm_eps: null }).rmsNormEps, 1e-6);
  refused(() => read("gemma2", { sliding_window: null }), /sliding_window is null: layer 0 attends in a window/);
});

test("which layers attend in a window", () => {
  const none = undefined;
  const cases: [FamilyName, JsonObject, (number | undefined)[]][] = [
    ["qwen2", { sliding_window: 8 }, [none, none, none, none]],
    ["qwen2", { sliding_window: 8, use_sliding_window: true, max_window_layers: 2 }, [none, none, 8, 8]],
    ["qwen3", { sliding_window: 8, use_sliding_window: true, max_window_layers: 0 }, [8, 8, 8, 8]],
    ["qwen3", { use_sliding_window: true, sliding_window: null, max_window_layers: 0 }, [none, none, none, none]],
    ["gemma2", { sliding_window: 8 }, [8, none, 8, none]],
    ["gemma3_text", { sliding_window: 8, sliding_window_pattern: 3 }, [8, 8, none, 8]],
    ["gemma3_text", { sliding_window: 8 }, [8, 8, 8, 8]],
    ["phi3", { sliding_window: 8 }, [8, 8, 8, 8]],
    ["phi3", {}, [none, none, none, none]],
    ["smollm3", { sliding_window: 8, use_sliding_window: true }, [none, none, none, 8]],
    ["smollm3", { sliding_window: 8, no_rope_layers: [0, 1, 0, 1], use_sliding_window: true }, [8, none, 8, none]],
    ["llama", { sliding_window: null }, [none, none, none, none]],
  ];
  for (const [name, more, want] of cases) assert.deepEqual(windowsOf(read(name, more)), want, `${name} ${more}`);
  const [F, S] = ["full_attention", "sliding_attention"];
  assert.deepEqual(windowsOf(read("gemma2", { layer_types: [F, S, S, F], sliding_window: 5 })), [none, 5, 5, none]);
  assert.deepEqual(windowsOf(read("mistral", { layer_types: [S, S, S, S], sliding_window: 5 })), [5, 5, 5, 5]);
  assert.deepEqual(basesOf(read("gemma3_text", { layer_types: [F, S, S, F] })), [1e6, 1e4, 1e4, 1e6]);
});

test("rotary positions by layer: Gemma 3's two bases, old and new; SmolLM3's layers without", () => {
  const pattern = { sliding_window_pattern: 2 };
  const scaled = { rope_type: "linear", factor: 8 };
  const old = read("gemma3_text", { ...pattern, rope_theta: 5e5, rope_local_base_freq: 2e4, rope_scaling: scaled });
  const now = read("gemma3_text", {
    ...pattern,
    rope_parameters: { full_attention: { ...scaled, rope_theta: 5e5 }, sliding_attention: { rope_theta: 2e4 } },
  });
  assert.deepEqual(now.kinds, old.kinds);
  assert.deepEqual(basesOf(old), [2e4, 5e5, 2e4, 5e5]);
  assert.deepEqual(
    old.kinds.slice(0, 2).map(({ rope }) => rope?.frequencies[0]),
    [1, 1 / 8],
  );
  assert.deepEqual(basesOf(read("smollm3", { no_rope_layer_interval: 2 })), [2e6, undefined, 2e6, undefined]);
  assert.deepEqual(basesOf(read("smollm3", { no_rope_layers: [0, 1, 1, 1] })), [undefined, 2e6, 2e6, 2e6]);
});

/** Frequencies of heads of 128 without a scaling. */
const plain = (theta: number, i: number, size = 128): number => theta ** ((-2 * i) / size);

test("rotary scalings by their formulas, worked by hand", () => {
  const head = { head_dim: 128, num_attention_heads: 1, hidden_size: 128, num_key_value_heads: 1 };
  // Qwen3 in its long setting: 64 · ln(32768 / (32 · 2π)) / ln(10⁶) = 23.6 and 64 · ln(32768 / 2π) / ln(10⁶) = 39.7.
  const yarn = { rope_type: "yarn", factor: 4, original_max_position_embeddings: 32768 };
  const long = ropeOf(read("qwen3", { ...head, rope_theta: 1e6, rope_scaling: yarn }));
  for (const i of [0, 23]) near(long.frequencies[i], plain(1e6, i));
  for (const i of [40, 63]) near(long.frequencies[i], plain(1e6, i) / 4);
  near(long.frequencies[31], plain(1e6, 31) * (1 - (8 / 17) * 0.75));
  near(long.magnitude, 1 + 0.1 * Math.log(4));
  const untruncated = ropeOf(read("qwen3", { ...head, rope_theta: 1e6, rope_scaling: { ...yarn, truncate: false } }));
  const [low, high] = [32, 1].map((turns) => (64 * Math.log(32768 / (turns * 2 * Math.PI))) / Math.log(1e6));
  near(untruncated.frequencies[31], plain(1e6, 31) * (1 - ((31 - low) / (high - low)) * 0.75));
  const scaled = { ...yarn, factor: 40, mscale: 0.7, mscale_all_dim: 1.4 };
  const deep = ropeOf(read("qwen3", { ...head, rope_scaling: scaled })).magnitude;
  near(deep, (1 + 0.07 * Math.log(40)) / (1 + 0.14 * Math.log(40)));
  near(ropeOf(read("qwen3", { ...head, rope_scaling: { ...yarn, attention_factor: 1.5 } })).magnitude, 1.5);

  // Phi-4-mini: three quarters of a head turn; the model's own original length counts before the scaling's.
  const factors = { short_factor: new Array(48).fill(2), long_factor: Array.from({ length: 48 }, (_, i) => i + 1) };
  const phi = ropeOf(
    read("phi3", {
      ...{ ...head, partial_rotary_factor: 0.75, max_position_embeddings: 131072 },
      rope_scaling: { type: "longrope", ...factors, original_max_position_embeddings: 7 },
    }),
  );
  assert.equal(phi.frequencies.length, 48);
  near(phi.frequencies[5], plain(1e4, 5, 96) / 2);
  near(phi.long?.frequencies[5] as number, plain(1e4, 5, 96) / 6);
  assert.equal(phi.long?.over, 4096);
  near(phi.magnitude, Math.sqrt(1 + Math.log(32) / Math.log(4096)));

  const linear = ropeOf(read("llama", { ...head, rope_scaling: { type: "linear", factor: 2.5 } }));
  near(linear.frequencies[9], plain(1e4, 9) / 2.5);
});

test("published configurations are read, with what they hold besides", () => {
  const cases: [FamilyName, JsonObject][] = [
    ["llama", { pretraining_tp: 1, rope_interleaved: false, is_llama_config: true, mlp_bias: false }],
    ["qwen2", { sliding_window: 131072, max_window_layers: 70, use_mrope: false, num_key_value_heads: 2 }],
    ["qwen3", { sliding_window: null, max_window_layers: 28, attention_bias: false, num_key_value_heads: 8 }],
    ["mistral", { attention_bias: false, sliding_window: null, head_dim: 128 }],
    ["smollm3", { pretraining_tp: 2, max_window_layers: 28, layer_types: new Array(4).fill("full_attention") }],
    ["gemma2", { hidden_act: "gelu_pytorch_tanh", cache_implementation: "hybrid", attn_implementation: "eager" }],
    ["gemma3_text", { _sliding_window_pattern: 6, use_bidirectional_attention: false, attn_logit_softcapping: null }],
    ["olmo2", { rope_scaling: null, use_cache: false }],
    ["phi3", { full_attn_mod: 1, interpolate_factor: 1, lm_head_bias: false, mlp_bias: false, sliding_window: 2047 }],
    ["granite", { attention_dropout: 0.1, attention_multiplier: 0.015625, logits_scaling: 8, mlp_bias: false }],
  ];
  for (const [name, more] of cases) assert.equal(read(name, more).modelType, name);
});

test("fields that a family does not compute are refused by name", () => {
  const cases: [FamilyName, JsonObject, RegExp][] = [
    ["mistral", { attention_bias: true }, /attention_bias is true: a mistral model has none/],
    [
      "gemma3_text",
      { use_bidirectional_attention: true },
      /use_bidirectional_attention is true: tokens that see later/,
    ],
    ["gemma3_text", { attn_logit_softcapping: 50 }, /attn_logit_softcapping is 50: a gemma3_text model has none/],
    ["gemma3_text", { rope_parameters: { rope_theta: 5 } }, /rope_parameters .*must have "full_attention" and/],
    ["qwen3", { rope_parameters: { full_attention: { rope_theta: 5 } } }, /differs by layer type \(full_attention\)/],
    ["qwen3", { embedding_multiplier: 2 }, /embedding_multiplier is 2: a qwen3 model has none/],
    ["qwen3", { rope_scaling: { mrope_section: [1] } }, /rope_scaling: mrope_section is \[1\]/],
    ["qwen3", { rope_scaling: { factor: 2 } }, /rope_scaling: factor is 2: rotary positions of type "default" have no/],
    ["phi3", { rope_scaling: { type: "linear", factor: 2 } }, /type is "linear": supported are "default", "longrope"/],
    ["phi3", { partial_rotary_factor: 0.4 }, /partial_rotary_factor.*even/],
    ["olmo2", { rope_parameters: { partial_rotary_factor: 0.5 } }, /partial_rotary_factor is 0.5: this model_type/],
    ["olmo2", { clip_qkv: 8 }, /clip_qkv is 8: clipped queries, keys and values: not supported/],
    ["smollm3", { no_rope_layers: [1, 0] }, /no_rope_layers is \[1,0\]: must have a 1/],
    ["smollm3", { no_rope_layer_interval: 0 }, /no_rope_layer_interval is 0/],
    ["gemma2", { hidden_activation: "relu" }, /hidden_activation is "relu"/],
    ["gemma2", { query_pre_attn_scalar: -1 }, /query_pre_attn_scalar is -1/],
    ["granite", { logits_scaling: 0 }, /logits_scaling is 0: must be a positive number/],
    ["llama", { rope_scaling: { factor: 2 }, rope_parameters: { factor: 3 } }, /rope_scaling .*not the same/],
    ["llama", { rope_scaling: { type: "constructor" } }, /type is "constructor": supported are/],
  ];
  for (const [name, more, pattern] of cases) refused(() => read(name, more), pattern);
});

test("a model_type that is not known: what is, and what this one has that none of them do", () => {
  const cases: [JsonObject, RegExp][] = [
    [{ model_type: "qwen3_moe", num_experts: 128, moe_intermediate_size: 768 }, /mixtures of experts \(num_experts\)$/],
    [
      { model_type: "deepseek_v3", n_routed_experts: 256, kv_lora_rank: 512 },
      /experts \(n_routed_experts\), latent attention \(kv_lora_rank\)$/,
    ],
    [{ model_type: "gpt2", n_positions: 1024, layer_norm_epsilon: 1e-5 }, /layer norms with means .*positions/],
    [
      { model_type: "gemma3", text_config: { model_type: "gemma3_text" }, vision_config: { hidden_size: 8 } },
      /"gemma3_text".*this one has images or sound \(vision_config\)$/,
    ],
    [{ model_type: "helium", head_mixing: 2 }, /no family here reads its head_mixing; it takes a row/],
    [{ model_type: 7 }, /model_type is 7: supported are "llama", "qwen2"/],
  ];
  for (const [raw, pattern] of cases) refused(() => parseConfig({ ...sizes, ...raw }), pattern);
});
