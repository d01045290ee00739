import { InputError } from "../core/errors.js";
import { expects } from "../core/expects.js";
import type { MatmulOptions, Tensor } from "../core/index.js";
import { reader, tokenIds } from "./config-reader.js";
import { COMMON, FAMILY_NAMES, type Family, type FamilyName, familyOf } from "./families.js";
import type { JsonObject } from "./files/json.js";
import { jsonIn } from "./folders/files.js";
import type { Folder } from "./folders/folder.js";
import { ready, type Soon, type Work } from "./folders/work.js";
import { workIn } from "./folders/work-in.js";
import { type LayerKind, layerKinds } from "./layer-kinds.js";
import { unknownType, unsupportedField } from "./unsupported.js";

/** The float formats a config may name. */
export type ModelDtype = "float32" | "float16" | "bfloat16";

/** What the transformer must know about itself. Sizes are counts; H = heads, D = hiddenSize. */
export interface ModelConfig {
  readonly modelType: FamilyName;
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
  readonly activation: Activation;
  /** What each layer's attention has of its own: its window and its rotary positions. */
  readonly kinds: readonly LayerKind[];
  /** Factor on q · k. */
  readonly attentionScale: number;
  /** Scores of attention, and logits, are cap · tanh(x / cap) where there is a cap. */
  readonly attentionCap: number | undefined;
  readonly logitCap: number | undefined;
  /** Which projections carry a bias: q, k and v together; o; gate, up and down together. */
  readonly bias: { readonly qkv: boolean; readonly o: boolean; readonly mlp: boolean };
  /** Whether the output matrix is the embedding itself. */
  readonly tied: boolean;
  /** Factors on the embedding's output, on what a layer adds to its input, and on what the output matrix is applied to. */
  readonly embeddingMultiplier: number;
  readonly residualMultiplier: number;
  readonly headMultiplier: number;
  readonly bosId: number | undefined;
  /** Any of these ends a generation; may be empty. */
  readonly eosIds: readonly number[];
  readonly padId: number | undefined;
  /** The dtype that the checkpoint says it is stored in. */
  readonly dtype: ModelDtype;
  /**
   * What the layers' linear maps and attention, the head's log-probabilities, and the gradients of all these round their operands
   * to: `operands` of `matmul`. No model file says so. Default: f32. Everything else, a generated token's logits too, is f32.
   */
  readonly precision?: MatmulOptions["operands"];
  /**
   * Called, while a pass is built, with the weights of each linear layer and what it reads, [..., in]: how `activationGrams`
   * looks into a model. No model file says so.
   */
  readonly observe?: (weights: Tensor, x: Tensor) => void;
  /** config.json as it was read, for saving it back unchanged. */
  readonly raw: JsonObject;
}

/**
 * Reads `config.json` (and token ids of `generation_config.json`) of a model folder, old and new spellings.
 * Errors: InputError naming the file, the key and what is supported, for anything that would be computed wrongly.
 * Source: the configuration classes of huggingface/transformers (`families` lists them).
 */
export function readConfig(folder: string): ModelConfig;
export function readConfig(folder: Folder): Promise<ModelConfig>;
export function readConfig(folder: string | Folder): Soon<ModelConfig> {
  expects("readConfig", "folder", folder);
  return workIn(folder, configIn);
}

/** The configuration of a model folder. Errors: as `readConfig`. */
export function* configIn(folder: Folder): Work<ModelConfig> {
  const raw = yield* jsonIn(folder, "config.json");
  if (raw === undefined) {
    const isThere = yield* ready(folder.isThere());
    throw new InputError(
      isThere ? `${folder.path}: holds no config.json; is it a model folder?` : `${folder.path}: no such folder`,
    );
  }
  const path = folder.pathOf("config.json");
  return parseConfig(raw, path, (yield* jsonIn(folder, "generation_config.json")) ?? {});
}

/**
 * A number that lies is refused before lists of that length are made, or programs are planned for minutes: each layer takes a part
 * of a second. The deepest models that people publish have some 126.
 */
const MOST_LAYERS = 512;

/** By transformers' names; those of one kind differ in rounding at most. */
const ACTIVATIONS = {
  ...({ silu: "silu", swish: "silu", gelu: "gelu" } as const),
  ...({ gelu_pytorch_tanh: "geluTanh", gelu_new: "geluTanh", gelu_fast: "geluTanh" } as const),
} as const;

/** What the gate of the feed-forward network passes: x · σ(x), or GELU, x · Φ(x), as it is or by its tanh formula. */
export type Activation = (typeof ACTIVATIONS)[keyof typeof ACTIVATIONS];

/** Fields of which null says "none"; elsewhere it says nothing. */
const NULLABLE = new Set([
  ...["sliding_window", "attn_logit_softcapping", "final_logit_softcapping", "num_key_value_heads", "head_dim"],
]);

/** The config with what its family's class gives to fields that are not there. */
const filled = (raw: JsonObject, { fields }: Family): JsonObject => ({
  ...COMMON,
  ...fields,
  ...Object.fromEntries(
    Object.entries(raw).filter(([key, value]) => value != null || (value === null && NULLABLE.has(key))),
  ),
});

/** The same from objects at hand; `path` names the source in messages. */
export const parseConfig = (raw: JsonObject, path = "config.json", generation: JsonObject = {}): ModelConfig => {
  expects("parseConfig", "record any record?", raw, path, generation);
  const modelType = FAMILY_NAMES.find((name) => name === raw.model_type);
  if (modelType === undefined) throw reader(raw, path).refuse("model_type", unknownType(raw));
  const family = familyOf({ modelType });
  const read = reader(filled(raw, family), path, raw);
  if (raw.quantization_config != null)
    throw read.refuse("quantization_config", "quantized checkpoints are not supported; use the original weights");
  const unsupported = unsupportedField(raw, modelType);
  if (unsupported !== undefined) throw read.refuse(...unsupported);
  const act = "hidden_activation" in family.fields ? "hidden_activation" : "hidden_act";
  const layers = read.count("num_hidden_layers");
  if (layers > MOST_LAYERS)
    throw read.refuse(
      "num_hidden_layers",
      `${MOST_LAYERS} layers are planned for at most, since each takes a part of a second`,
    );

  const hiddenSize = read.count("hidden_size");
  const heads = read.count("num_attention_heads");
  const usual = read.count("num_key_value_heads", heads);
  // A class's own number that does not divide the heads runs nowhere: who left the field out meant as many as heads.
  const kvHeads = raw.num_key_value_heads === undefined && heads % usual !== 0 ? heads : usual;
  if (heads % kvHeads !== 0) throw read.refuse("num_key_value_heads", `it must divide num_attention_heads (${heads})`);
  if (read.object.head_dim == null && hiddenSize % heads !== 0) {
    throw read.refuse("num_attention_heads", `without head_dim it must divide hidden_size (${hiddenSize})`);
  }
  const headDim = read.count("head_dim", hiddenSize / heads);
  if (headDim % 2 !== 0) throw read.refuse("head_dim", `rotary embedding needs an even size, has ${headDim}`);

  const attentionBias = read.flag("attention_bias", false);
  const vocabSize = read.count("vocab_size");
  const maxPositions = read.count("max_position_embeddings");
  const dtype = read.oneOf(raw.dtype != null ? "dtype" : "torch_dtype", ["float32", "float16", "bfloat16"], "float32");
  const readGeneration = reader(generation, path.replace(/[^/\\]*$/, "generation_config.json"));
  const ids = (key: string): readonly number[] =>
    tokenIds(generation[key] ?? raw[key], key, vocabSize, generation[key] != null ? readGeneration : read);
  const cap = (key: string) => (read.object[key] == null ? undefined : read.positive(key));
  return {
    modelType,
    hiddenSize,
    layers,
    heads,
    kvHeads,
    headDim,
    intermediateSize: read.count("intermediate_size"),
    vocabSize,
    maxPositions,
    rmsNormEps: read.positive("rms_norm_eps"),
    activation: ACTIVATIONS[read.oneOf(act, Object.keys(ACTIVATIONS) as (keyof typeof ACTIVATIONS)[], "silu")],
    kinds: layerKinds(read, path, family, { layers, headDim, maxPositions }),
    attentionScale: read.positive(
      "attention_multiplier",
      1 / Math.sqrt(read.positive("query_pre_attn_scalar", headDim)),
    ),
    attentionCap: cap("attn_logit_softcapping"),
    logitCap: cap("final_logit_softcapping"),
    bias: { qkv: family.qkvBias ?? attentionBias, o: attentionBias, mlp: read.flag("mlp_bias", false) },
    tied: read.flag("tie_word_embeddings", false),
    embeddingMultiplier: family.rootEmbedding
      ? Math.fround(Math.sqrt(hiddenSize))
      : read.positive("embedding_multiplier", 1),
    residualMultiplier: read.positive("residual_multiplier", 1),
    headMultiplier: 1 / read.positive("logits_scaling", 1),
    bosId: ids("bos_token_id")[0],
    eosIds: ids("eos_token_id"),
    padId: ids("pad_token_id")[0],
    dtype,
    raw,
  };
};
