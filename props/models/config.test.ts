import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import { InputError } from "../../core/errors.js";
import { type ModelConfig, parseConfig, readConfig } from "../../models/config.js";
import { FAMILY_NAMES, type Family, families } from "../../models/families.js";
import { copyTokenizerFiles, saveConfig } from "../../models/files/folder.js";
import type { JsonObject } from "../../models/files/json.js";
import { sideFilesOf } from "../../models/files/side-files.js";
import type { RopeConfig } from "../../models/rope.js";
import { besideCheckout, goldenJson, goldenPath } from "../golden/files.js";
import { refused } from "../golden/refused.js";

const folder = mkdtempSync(join(tmpdir(), "taugrad-config-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const llama: JsonObject = {
  model_type: "llama",
  hidden_size: 64,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  intermediate_size: 160,
  vocab_size: 293,
};

/** The rotary positions of a layer that has some. */
const ropeOf = ({ kinds }: ModelConfig, layer = 0): RopeConfig => kinds[layer].rope as RopeConfig;

test("the reference models' configs read as transformers understands them", () => {
  const { raw: _, kinds, ...tiny } = readConfig(goldenPath("llama3-tiny"));
  assert.equal(kinds.length, tiny.layers);
  assert.ok(kinds.every((kind) => kind === kinds[0] && kind.window === undefined));
  const { type, theta, magnitude, long } = kinds[0].rope as RopeConfig;
  assert.deepEqual({ type, theta, magnitude, long }, { type: "llama3", theta: 5e5, magnitude: 1, long: undefined });
  assert.deepEqual(tiny, {
    modelType: "llama",
    hiddenSize: 64,
    layers: 2,
    heads: 4,
    kvHeads: 2,
    headDim: 16,
    intermediateSize: 160,
    vocabSize: 293,
    maxPositions: 512,
    rmsNormEps: 1e-5,
    activation: "silu",
    attentionScale: 0.25,
    attentionCap: undefined,
    logitCap: undefined,
    bias: { qkv: false, o: false, mlp: false },
    tied: false,
    embeddingMultiplier: 1,
    residualMultiplier: 1,
    headMultiplier: 1,
    bosId: 1,
    eosIds: [2],
    padId: undefined,
    dtype: "bfloat16",
  });
  const old = readConfig(goldenPath("qwen1.5-tiny"));
  assert.deepEqual(
    [old.modelType, old.kvHeads, old.headDim, ropeOf(old).theta, old.bias, old.tied, old.eosIds, old.dtype],
    ["qwen2", 4, 12, 1e6, { qkv: true, o: false, mlp: false }, false, [], "float32"],
  );
  const grouped = readConfig(goldenPath("qwen2-gqa-tied-tiny"));
  assert.deepEqual(
    [grouped.heads, grouped.kvHeads, grouped.headDim, grouped.tied, ropeOf(grouped).theta],
    [8, 2, 8, true, 10000],
  );
  const chat = readConfig(goldenPath("preferences", "base"));
  assert.deepEqual([chat.eosIds, chat.padId, chat.bosId], [[422], 420, undefined]);
});

test("stories260K", () => {
  const path = besideCheckout("models", "stories260K");
  if (path === undefined) return;
  const config = readConfig(path);
  const { headDim, kvHeads, tied, rmsNormEps } = config;
  assert.deepEqual(
    { headDim, kvHeads, tied, theta: ropeOf(config).theta, rmsNormEps },
    { headDim: 8, kvHeads: 4, tied: true, theta: 10000, rmsNormEps: 1e-5 },
  );
});

const qwen2: JsonObject = { model_type: "qwen2", num_key_value_heads: 4 };

test("old and new rope spellings mean the same", () => {
  const scaling = { factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 64 };
  const spellings = [
    { rope_theta: 5e5, rope_scaling: { type: "llama3", ...scaling } },
    { rope_theta: 5e5, rope_scaling: { rope_type: "llama3", ...scaling } },
    { rope_parameters: { rope_type: "llama3", rope_theta: 5e5, ...scaling } },
    { rope_theta: 5e5, rope_parameters: { rope_type: "llama3", ...scaling } },
  ];
  const read = spellings.map((spelling) => ropeOf(parseConfig({ ...llama, ...spelling })));
  for (const rope of read) assert.deepEqual(rope, read[0]);
  assert.equal(read[0].type, "llama3");
  const none = ropeOf(parseConfig({ ...llama, rope_scaling: null }));
  assert.deepEqual([none.type, none.theta, none.frequencies[1]], ["default", 10000, 10000 ** (-2 / 16)]);
});

test("defaults and choices", () => {
  const read = (more: JsonObject) => parseConfig({ ...llama, ...more });
  assert.deepEqual([read({}).kvHeads, read({}).tied, read({}).rmsNormEps], [4, false, 1e-6]);
  assert.deepEqual(read({ attention_bias: true, mlp_bias: true }).bias, { qkv: true, o: true, mlp: true });
  assert.deepEqual(read({ ...qwen2, attention_bias: false }).bias, { qkv: true, o: false, mlp: false });
  assert.deepEqual(read({ eos_token_id: [3, 4], pad_token_id: -1 }).eosIds, [3, 4]);
  assert.equal(read({ pad_token_id: -1 }).padId, undefined);
  assert.equal(read({ torch_dtype: "float16" }).dtype, "float16");
  assert.equal(read({ embedding_multiplier: 8 }).embeddingMultiplier, 8);
  assert.deepEqual(
    parseConfig({ ...llama, eos_token_id: 2 }, "c", { eos_token_id: [2, 5], pad_token_id: 0 }).eosIds,
    [2, 5],
  );
  const windowOff = { ...qwen2, sliding_window: 4096, use_sliding_window: false, max_window_layers: 1 };
  assert.equal(read(windowOff).layers, 2);
  assert.equal(read({ ...windowOff, use_sliding_window: true, max_window_layers: 2 }).layers, 2);
});

test("what would be computed wrongly is refused by name", () => {
  const cases: [JsonObject, RegExp][] = [
    [{ model_type: "gpt5" }, /model_type is "gpt5": supported are "llama", .*"granite".*models\/families/],
    [
      { model_type: "mixtral", num_local_experts: 8 },
      /"mixtral": supported .*mixtures of experts \(num_local_experts\)/,
    ],
    [{ model_type: undefined }, /model_type is nothing/],
    [{ hidden_act: "relu" }, /hidden_act is "relu": supported are "silu"/],
    [{ quantization_config: { bits: 4 } }, /quantization_config/],
    [{ sliding_window: 128 }, /sliding_window is 128: a llama model has none/],
    [{ attn_logit_softcapping: 50 }, /attn_logit_softcapping is 50: a llama model has none/],
    [{ num_local_experts: 4 }, /num_local_experts is 4: mixtures of experts: not supported/],
    [
      { layer_types: ["full_attention", "sliding_attention"] },
      /layer_types is \[.*\]: layers of this model_type are all/,
    ],
    [{ layer_types: ["full_attention", "chunked_attention"] }, /"chunked_attention" layers/],
    [{ layer_types: ["full_attention"] }, /layer_types.*list of 2/],
    [{ ...qwen2, layer_types: ["full_attention", "sliding_attention"] }, /sliding_window.*layer 1 attends in a window/],
    [
      { rope_scaling: { type: "dynamic", factor: 2 } },
      /rope_scaling: type is "dynamic": supported are "default", "linear"/,
    ],
    [{ rope_parameters: { rope_type: "linear", factor: 0 } }, /rope_parameters: factor is 0/],
    [
      { rope_parameters: { rope_type: "linear", factr: 2 } },
      /rope_parameters: factr is 2: rotary positions of type "linear" have no such field/,
    ],
    [
      { rope_scaling: { type: "longrope", short_factor: [1], long_factor: [1] } },
      /short_factor is \[1\]: must be a list of 8/,
    ],
    [{ rope_scaling: { type: "llama3", factor: 8 } }, /low_freq_factor is missing/],
    [{ rope_parameters: { full_attention: { rope_theta: 5 } } }, /differs by layer type \(full_attention\)/],
    [{ rope_scaling: 3 }, /rope_scaling is 3: must be an object/],
    [{ partial_rotary_factor: 0.5 }, /partial_rotary_factor/],
    [{ hidden_size: undefined }, /hidden_size is missing/],
    [{ hidden_size: -64 }, /hidden_size is -64: must be a positive integer/],
    [{ hidden_size: 64.5 }, /hidden_size/],
    [{ hidden_size: "64" }, /hidden_size is "64"/],
    [{ num_attention_heads: 5 }, /num_attention_heads is 5.*divide hidden_size/],
    [{ num_key_value_heads: 3 }, /num_key_value_heads is 3.*divide num_attention_heads/],
    [{ head_dim: 7 }, /head_dim.*even/],
    [{ rms_norm_eps: 0 }, /rms_norm_eps/],
    [{ tie_word_embeddings: "yes" }, /tie_word_embeddings/],
    [{ eos_token_id: 293 }, /eos_token_id.*293 is outside of the vocabulary of 293/],
    [{ eos_token_id: ["a"] }, /eos_token_id/],
    [{ dtype: "int8" }, /dtype is "int8"/],
  ];
  assert.equal(parseConfig({ ...llama, num_hidden_layers: 512 }).layers, 512);
  refused(
    () => parseConfig({ ...llama, num_hidden_layers: 3000 }),
    /num_hidden_layers is 3000: 512 layers are planned for at most/,
  );
  for (const [change, pattern] of cases) refused(() => parseConfig({ ...llama, ...change }), pattern);
  refused(() => readConfig(folder), /holds no config.json/);
  refused(() => readConfig(join(folder, "absent")), /no such folder/);
  writeFileSync(join(folder, "config.json"), "{ \n 'a': 1 }");
  refused(() => readConfig(folder), /config.json: is not JSON/);
  writeFileSync(join(folder, "config.json"), "[]");
  refused(() => readConfig(folder), /must hold a JSON object/);
});

test("any JSON object is read or refused with one line", () => {
  const rows: readonly Family[] = Object.values(families);
  const keys = [
    ...Object.keys(llama),
    ...new Set(rows.flatMap(({ fields }) => Object.keys(fields))),
    "rope_scaling",
    "rope_parameters",
    "layer_types",
    "eos_token_id",
    "head_dim",
    "dtype",
  ];
  const part = fc.dictionary(
    fc.constantFrom("rope_type", "type", "factor", "full_attention", "truncate"),
    fc.jsonValue(),
  );
  const values = fc.oneof(fc.jsonValue(), part, fc.constantFrom(0, 1, 2, 64, "constructor", "yarn"));
  fc.assert(
    fc.property(fc.constantFrom(...FAMILY_NAMES), fc.dictionary(fc.constantFrom(...keys), values), (type, change) => {
      try {
        parseConfig({ ...llama, model_type: type, ...(change as JsonObject) });
      } catch (error) {
        assert.ok(error instanceof InputError, String(error));
        assert.ok(!error.message.includes("\n"), error.message);
      }
    }),
    { numRuns: 500 },
  );
});

test("llama3 frequencies: short waves kept, long waves divided, monotone and between the two elsewhere", () => {
  const { frequencies: scaled, theta } = ropeOf(readConfig(goldenPath("llama3-tiny")));
  const plain = ropeOf(parseConfig({ ...llama, rope_theta: theta })).frequencies;
  assert.equal(scaled.length, 8);
  assert.equal(scaled[0], 1);
  plain.forEach((frequency, i) => {
    const wavelength = (2 * Math.PI) / frequency;
    if (wavelength < 16) assert.equal(scaled[i], frequency);
    else if (wavelength > 64) assert.equal(scaled[i], frequency / 8);
    else assert.ok(scaled[i] < frequency && scaled[i] > frequency / 8);
    if (i > 0) assert.ok(scaled[i] < scaled[i - 1]);
  });
  // Worked by hand from the paper's formula: i = 1 has wavelength 32.4, between 64/4 and 64/1.
  assert.ok(Math.abs(scaled[1] - 0.0794030091792082) < 1e-12);
});

test("a saved folder holds what transformers wants, unchanged but for the dtype", () => {
  const source = goldenPath("preferences", "base");
  const config = readConfig(source);
  const target = join(folder, "saved");
  saveConfig(target, config, { from: sideFilesOf(source) });
  copyTokenizerFiles(sideFilesOf(source), target);
  for (const name of ["generation_config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"]) {
    assert.deepEqual(readFileSync(join(target, name)), readFileSync(join(source, name)), name);
  }
  const text = readFileSync(join(target, "config.json"), "utf8");
  assert.deepEqual(JSON.parse(text), goldenJson("preferences", "base", "config.json"));
  assert.match(text, /"rope_theta": 1000000\.0,/, "Python's strict configs want a float to look like one");
  assert.match(text, /"vocab_size": 423\n/);
  saveConfig(target, config, { dtype: "bfloat16" });
  assert.equal(readConfig(target).dtype, "bfloat16");
  const { dtype: _, ...others } = JSON.parse(readFileSync(join(target, "config.json"), "utf8"));
  const { dtype: __, ...before } = goldenJson<JsonObject>("preferences", "base", "config.json");
  assert.deepEqual(others, before);
});
