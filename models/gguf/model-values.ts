import { log, pow } from "../../core/elementary.js";
import { InputError } from "../../core/errors.js";
import type { ModelConfig } from "../config.js";
import { isObject, type JsonObject } from "../files/json.js";
import type { RopeConfig } from "../rope.js";
import type { Architecture } from "./architectures.js";
import { f32, type GgufType, type GgufValue, text, u32 } from "./format.js";

/** What most of a file is, by the numbers that GGUF has for it. */
const FILE_TYPES = { f32: 0, f16: 1, q8_0: 7, bf16: 32 } as const satisfies Record<GgufType, number>;
/** Of the layout of quantized blocks. */
const QUANTIZATION = 2;

/** The rotary positions of layers that see everything. */
export const fullRope = ({ kinds }: ModelConfig): RopeConfig | undefined =>
  (kinds.find(({ window, rope }) => window === undefined && rope !== undefined) ?? kinds.find(({ rope }) => rope))
    ?.rope;

/** Divisors of the plain frequencies θ^(−i/n). */
export const divisors = ({ theta }: RopeConfig, frequencies: readonly number[]): number[] =>
  frequencies.map((frequency, i) => pow(theta, -i / frequencies.length) / frequency);

/** Fields of a scaling, as the configuration spells them. */
const scalingFields = ({ rope_parameters: current, rope_scaling: old }: JsonObject): JsonObject => {
  const given = current ?? old;
  if (!isObject(given)) return {};
  return isObject(given.full_attention) ? given.full_attention : given;
};

const yarnValues = (config: ModelConfig, { magnitude }: RopeConfig): Readonly<Record<string, GgufValue>> => {
  const {
    factor,
    truncate,
    beta_fast: fast,
    beta_slow: slow,
    original_max_position_embeddings: first,
  } = scalingFields(config.raw);
  const original = typeof first === "number" ? first : config.maxPositions;
  const scale = typeof factor === "number" ? factor : config.maxPositions / original;
  const usual = scale <= 1 ? 1 : 0.1 * log(scale) + 1;
  if (truncate === false || Math.abs(magnitude - usual) > 1e-6)
    throw new InputError("gguf: yarn with attention_factor, mscale or truncate of its own is not exported");
  return {
    "rope.scaling.type": text("yarn"),
    "rope.scaling.factor": f32(scale),
    "rope.scaling.original_context_length": u32(original),
    ...(typeof fast === "number" && { "rope.scaling.yarn_beta_fast": f32(fast) }),
    ...(typeof slow === "number" && { "rope.scaling.yarn_beta_slow": f32(slow) }),
  };
};

/** Scalings that are values; those of llama3 and longrope are tensors too. */
const scalingValues = (config: ModelConfig, rope: RopeConfig): Readonly<Record<string, GgufValue>> => {
  if (rope.type === "linear")
    return { "rope.scaling.type": text("linear"), "rope.scaling.factor": f32(1 / rope.frequencies[0]) };
  if (rope.type === "yarn") return yarnValues(config, rope);
  if (rope.long === undefined) return {};
  return {
    "rope.scaling.original_context_length": u32(rope.long.over),
    "rope.scaling.attn_factor": f32(rope.magnitude),
  };
};

/** Tokens that llama.cpp computes as the model does: where it has no windows, as many as the shortest one. */
export const contextOf = ({ maxPositions, kinds }: ModelConfig, { slides }: Architecture): number =>
  slides !== undefined ? maxPositions : Math.min(maxPositions, ...kinds.flatMap(({ window }) => window ?? []));

/** What a model is, in GGUF's keys. */
export const modelValues = (
  config: ModelConfig,
  architecture: Architecture,
  { name, type }: { readonly name: string; readonly type: GgufType },
): ReadonlyMap<string, GgufValue> => {
  const { hiddenSize, layers, heads, kvHeads, headDim, intermediateSize, vocabSize, kinds } = config;
  const rope = fullRope(config);
  const window = architecture.slides && kinds.find((kind) => kind.window !== undefined)?.window;
  const own: Readonly<Record<string, GgufValue>> = {
    ...{
      context_length: u32(contextOf(config, architecture)),
      embedding_length: u32(hiddenSize),
      block_count: u32(layers),
    },
    ...{ feed_forward_length: u32(intermediateSize), vocab_size: u32(vocabSize) },
    ...{ "attention.head_count": u32(heads), "attention.head_count_kv": u32(kvHeads) },
    ...{ "attention.key_length": u32(headDim), "attention.value_length": u32(headDim) },
    "attention.layer_norm_rms_epsilon": f32(config.rmsNormEps),
    ...(rope && {
      "rope.dimension_count": u32(2 * rope.frequencies.length),
      "rope.freq_base": f32(rope.theta),
      ...scalingValues(config, rope),
    }),
    ...(window !== undefined && { "attention.sliding_window": u32(window) }),
    ...architecture.values?.(config),
  };
  return new Map([
    ["general.architecture", text(architecture.name)],
    ["general.type", text("model")],
    ["general.name", text(name)],
    ["general.file_type", u32(FILE_TYPES[type])],
    ...(type === "q8_0" ? [["general.quantization_version", u32(QUANTIZATION)] as [string, GgufValue]] : []),
    ...Object.entries(own).map(([key, value]): [string, GgufValue] => [`${architecture.name}.${key}`, value]),
  ]);
};
