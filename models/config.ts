import { dirname, join } from "node:path";
import { InputError } from "../core/errors.js";
import type { MatmulOptions } from "../core/index.js";
import type { JsonObject } from "./files/json.js";
import { fileExists, folderExists, isObject, readJsonObject, show } from "./files/json.js";

/** Rotary embedding: base `theta`, and Llama 3.1's frequency scaling if any. */
export type RopeConfig =
  | { readonly type: "default"; readonly theta: number }
  | {
      readonly type: "llama3";
      readonly theta: number;
      readonly factor: number;
      readonly lowFreqFactor: number;
      readonly highFreqFactor: number;
      readonly originalMaxPositions: number;
    };

/** The float formats a config may name. */
export type ModelDtype = "float32" | "float16" | "bfloat16";

/** What the transformer must know about itself. Sizes are counts; H = heads, D = hiddenSize. */
export interface ModelConfig {
  readonly modelType: "llama" | "qwen2";
  readonly hiddenSize: number;
  readonly layers: number;
  readonly heads: number;
  /** Divides `heads`: grouped-query attention. */
  readonly kvHeads: number;
  readonly headDim: number;
  readonly intermediateSize: number;
  readonly vocabSize: number;
  readonly maxPositions: number;
  readonly rmsNormEps: number;
  readonly rope: RopeConfig;
  /** Which projections carry a bias: q, k and v together; o; gate, up and down together. */
  readonly bias: { readonly qkv: boolean; readonly o: boolean; readonly mlp: boolean };
  /** Whether the output matrix is the embedding itself. */
  readonly tied: boolean;
  /** Factor on the embedding's output (1 for Llama and Qwen2; Granite's spelling). */
  readonly embeddingMultiplier: number;
  readonly bosId: number | undefined;
  /** Any of these ends a generation; may be empty. */
  readonly eosIds: readonly number[];
  readonly padId: number | undefined;
  /** The dtype that the checkpoint says it is stored in. */
  readonly dtype: ModelDtype;
  /**
   * What the layers' linear maps, and their gradients, round their operands to: `operands` of `matmul`. No model file says so.
   * Default: f32. Everything else, the output head too, is f32.
   */
  readonly precision?: MatmulOptions["operands"];
  /** config.json as it was read, for saving it back unchanged. */
  readonly raw: JsonObject;
}

/**
 * Reads `config.json` (and token ids of `generation_config.json`) of a Llama or Qwen2 folder, old and new spellings.
 * Errors: InputError naming the file, the key and what is supported, for anything that would be computed wrongly.
 * Source: LlamaConfig, Qwen2Config and modeling_rope_utils of huggingface/transformers.
 */
export const readConfig = (folder: string): ModelConfig => {
  const path = join(folder, "config.json");
  if (!fileExists(path)) {
    throw new InputError(
      folderExists(folder) ? `${folder}: holds no config.json; is it a model folder?` : `${folder}: no such folder`,
    );
  }
  const raw = readJsonObject(path);
  const generation = join(folder, "generation_config.json");
  return parseConfig(raw, path, fileExists(generation) ? readJsonObject(generation) : {});
};

/** A number that lies is refused before lists of that length are made. */
const MOST_LAYERS = 10_000;

/** The same from objects at hand; `path` names the source in messages. */
export const parseConfig = (raw: JsonObject, path = "config.json", generation: JsonObject = {}): ModelConfig => {
  const read = reader(raw, path);
  const modelType = read.oneOf("model_type", ["llama", "qwen2"]);
  const act = raw.hidden_act ?? "silu";
  if (act !== "silu" && act !== "swish") throw read.refuse("hidden_act", 'only "silu" is supported');
  if (raw.quantization_config != null)
    throw read.refuse("quantization_config", "quantized checkpoints are not supported; use the original weights");
  const layers = read.count("num_hidden_layers");
  if (layers > MOST_LAYERS) throw read.refuse("num_hidden_layers", `no model has more than ${MOST_LAYERS}`);
  refuseSlidingWindow(raw, modelType, layers, read);

  const hiddenSize = read.count("hidden_size");
  const heads = read.count("num_attention_heads");
  const kvHeads = read.count("num_key_value_heads", heads);
  if (heads % kvHeads !== 0) throw read.refuse("num_key_value_heads", `it must divide num_attention_heads (${heads})`);
  if (raw.head_dim == null && hiddenSize % heads !== 0) {
    throw read.refuse("num_attention_heads", `without head_dim it must divide hidden_size (${hiddenSize})`);
  }
  const headDim = read.count("head_dim", hiddenSize / heads);
  if (headDim % 2 !== 0) throw read.refuse("head_dim", `rotary embedding needs an even size, has ${headDim}`);

  const attentionBias = read.flag("attention_bias", false);
  const vocabSize = read.count("vocab_size");
  const readGeneration = reader(generation, join(dirname(path), "generation_config.json"));
  const ids = (key: string): readonly number[] =>
    tokenIds(generation[key] ?? raw[key], key, vocabSize, generation[key] != null ? readGeneration : read);
  return {
    modelType,
    hiddenSize,
    layers,
    heads,
    kvHeads,
    headDim,
    intermediateSize: read.count("intermediate_size"),
    vocabSize,
    maxPositions: read.count("max_position_embeddings", modelType === "llama" ? 2048 : 32768),
    rmsNormEps: read.positive("rms_norm_eps", 1e-6),
    rope: readRope(raw, path),
    bias:
      modelType === "qwen2"
        ? { qkv: true, o: false, mlp: false }
        : { qkv: attentionBias, o: attentionBias, mlp: read.flag("mlp_bias", false) },
    tied: read.flag("tie_word_embeddings", false),
    embeddingMultiplier: read.positive("embedding_multiplier", 1),
    bosId: ids("bos_token_id")[0],
    eosIds: ids("eos_token_id"),
    padId: ids("pad_token_id")[0],
    dtype: read.oneOf(raw.dtype != null ? "dtype" : "torch_dtype", ["float32", "float16", "bfloat16"], "float32"),
    raw,
  };
};

type Reader = ReturnType<typeof reader>;

/** Checked access to the fields of one object; null counts as absent, as in transformers. */
const reader = (object: JsonObject, path: string) => {
  const refuse = (key: string, why: string): InputError =>
    new InputError(`${path}: ${key} is ${show(object[key])}: ${why}`);
  const number = (key: string, fallback: number | undefined, fits: (x: number) => boolean, kind: string): number => {
    const value = object[key] ?? fallback;
    if (value === undefined) throw new InputError(`${path}: ${key} is missing (${kind})`);
    if (typeof value !== "number" || !fits(value)) throw refuse(key, `must be ${kind}`);
    return value;
  };
  return {
    refuse,
    count: (key: string, fallback?: number) =>
      number(key, fallback, (x) => Number.isInteger(x) && x > 0 && x <= 2 ** 31, "a positive integer"),
    positive: (key: string, fallback?: number) =>
      number(key, fallback, (x) => x > 0 && Number.isFinite(x), "a positive number"),
    flag: (key: string, fallback: boolean): boolean => {
      const value = object[key] ?? fallback;
      if (typeof value !== "boolean") throw refuse(key, "must be true or false");
      return value;
    },
    oneOf: <const T extends string>(key: string, options: readonly T[], fallback?: T): T => {
      const value = object[key] ?? fallback;
      const found = options.find((option) => option === value);
      if (found === undefined) throw refuse(key, `supported are ${options.map((option) => `"${option}"`).join(", ")}`);
      return found;
    },
  };
};

const refuseSlidingWindow = (raw: JsonObject, modelType: string, layers: number, read: Reader): void => {
  const types = raw.layer_types;
  if (Array.isArray(types)) {
    const other = types.find((type) => type !== "full_attention");
    if (other !== undefined)
      throw read.refuse("layer_types", `${show(other)} layers are not supported, only "full_attention"`);
    return;
  }
  // Qwen2 checkpoints name a window and leave it off; it starts at layer max_window_layers (default 28) when on.
  const from = typeof raw.max_window_layers === "number" ? raw.max_window_layers : 28;
  if (modelType === "qwen2" && raw.use_sliding_window === true && raw.sliding_window != null && from < layers) {
    throw read.refuse("use_sliding_window", "sliding window attention is not supported");
  }
};

/** One id, a list of ids, or none. Old Llama configs write -1 for "none". */
const tokenIds = (value: unknown, key: string, vocabSize: number, read: Reader): readonly number[] => {
  if (value == null || value === -1) return [];
  const list = Array.isArray(value) ? value : [value];
  const wrong = list.find((id) => !Number.isInteger(id) || id < 0);
  if (wrong !== undefined) throw read.refuse(key, "must be a token id or a list of them");
  const outside = list.find((id) => id >= vocabSize);
  if (outside !== undefined) throw read.refuse(key, `token id ${outside} is outside of the vocabulary of ${vocabSize}`);
  return list as readonly number[];
};

/** `rope_parameters` (new), or `rope_theta` with `rope_scaling` (old; `type` or `rope_type`). */
const readRope = (raw: JsonObject, path: string): RopeConfig => {
  const key = raw.rope_parameters != null ? "rope_parameters" : "rope_scaling";
  const scaling = raw[key] ?? {};
  if (!isObject(scaling)) throw new InputError(`${path}: ${key} must be an object, is ${show(scaling)}`);
  const nested = Object.keys(scaling).find((name) => isObject(scaling[name]));
  if (nested !== undefined)
    throw new InputError(`${path}: ${key} differs by layer type (${nested}), which is not supported`);
  const merged: JsonObject = { ...scaling, rope_theta: scaling.rope_theta ?? raw.rope_theta };
  const read = reader(merged, `${path}: ${key}`);
  const partial = merged.partial_rotary_factor ?? raw.partial_rotary_factor ?? 1;
  if (partial !== 1) throw new InputError(`${path}: partial_rotary_factor ${show(partial)} is not supported, only 1`);
  const theta = read.positive("rope_theta", 10000);
  const type = read.oneOf(merged.rope_type != null ? "rope_type" : "type", ["default", "llama3"], "default");
  if (type === "default") return { type, theta };
  return {
    type,
    theta,
    factor: read.positive("factor"),
    lowFreqFactor: read.positive("low_freq_factor"),
    highFreqFactor: read.positive("high_freq_factor"),
    originalMaxPositions: read.count("original_max_position_embeddings"),
  };
};

/**
 * Angle per position of each rotated pair: θ^(−2i/headDim), [headDim/2]. `llama3` divides the frequencies of long waves
 * by `factor`, keeps short waves, and goes over smoothly in between.
 * Source: `_compute_llama3_parameters` of huggingface/transformers (which rounds to f32; this is f64).
 */
export const ropeInverseFrequencies = ({ rope, headDim }: Pick<ModelConfig, "rope" | "headDim">): Float64Array =>
  Float64Array.from({ length: headDim / 2 }, (_, i) => {
    const plain = rope.theta ** ((-2 * i) / headDim);
    if (rope.type === "default") return plain;
    const { factor, lowFreqFactor, highFreqFactor, originalMaxPositions } = rope;
    const wavelength = (2 * Math.PI) / plain;
    if (wavelength < originalMaxPositions / highFreqFactor) return plain;
    if (wavelength > originalMaxPositions / lowFreqFactor) return plain / factor;
    const smooth = (originalMaxPositions / wavelength - lowFreqFactor) / (highFreqFactor - lowFreqFactor);
    return ((1 - smooth) * plain) / factor + smooth * plain;
  });
