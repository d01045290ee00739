import type { ModelConfig } from "../config.js";
import { familyOf } from "../families.js";
import { parameterShapes } from "../parameters.js";
import type { Architecture } from "./architectures.js";
import { BLOCK, type GgufTensor, type GgufType } from "./format.js";
import { divisors, fullRope } from "./model-values.js";

/** A tensor of the file, and how its numbers come about. */
export interface Export extends GgufTensor {
  /** The weight it is made of; undefined: `numbers` are all there is. */
  readonly from?: string;
  readonly numbers: (weight: Float32Array) => Float32Array;
}

const OUTER = {
  "model.embed_tokens": "token_embd",
  "model.norm": "output_norm",
  lm_head: "output",
} as const satisfies Record<string, string>;

const INNER: Readonly<Record<string, string>> = {
  ...{ "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v" },
  ...{ "self_attn.qkv_proj": "attn_qkv", "self_attn.o_proj": "attn_output" },
  ...{ "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm" },
  ...{ "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down" },
  "mlp.gate_up_proj": "ffn_up",
};

/** Norms by their place in a layer. */
const NORMS = {
  beforeAttention: "attn_norm",
  afterAttention: "post_attention_norm",
  beforeMlp: "ffn_norm",
  afterMlp: "post_ffw_norm",
} as const;

/** What llama.cpp calls a weight. */
const nameOf = (weight: string, config: ModelConfig): string => {
  const [, module, leaf] = /^(.+)\.(weight|bias)$/.exec(weight) as RegExpExecArray;
  const [, layer, inner] = /^model\.layers\.(\d+)\.(.+)$/.exec(module) ?? [];
  if (inner === undefined) return `${OUTER[module as keyof typeof OUTER]}.${leaf}`;
  const { norms } = familyOf(config);
  const place = (Object.keys(NORMS) as (keyof typeof NORMS)[]).find((key) => norms[key] === inner);
  return `blk.${layer}.${place === undefined ? INNER[inner] : NORMS[place]}.${leaf}`;
};

/**
 * Rows of a head in the order in which llama.cpp rotates them: pairs (i, i + n) half a head apart become neighbours.
 * weight: [heads · 2n, width] or [heads · 2n].
 */
const interleaved = (weight: Float32Array, headDim: number, width: number): Float32Array => {
  const out = new Float32Array(weight.length);
  const half = headDim / 2;
  for (let row = 0; row * width < weight.length; row++) {
    const [head, at] = [Math.floor(row / headDim), row % headDim];
    const from = head * headDim + (at % 2) * half + Math.floor(at / 2);
    out.set(weight.subarray(from * width, (from + 1) * width), row * width);
  }
  return out;
};

/** The type of a tensor: vectors stay f32, rows that blocks of 32 do not fill are f16. */
const typeOf = (shape: readonly number[], type: GgufType): GgufType => {
  if (shape.length < 2) return "f32";
  return type === "q8_0" && shape[1] % BLOCK !== 0 ? "f16" : type;
};

/** Divisors of rotary frequencies, for the scalings that llama.cpp takes as tensors. */
const ropeTensors = (config: ModelConfig): Export[] => {
  const rope = fullRope(config);
  const named = (name: string, numbers: readonly number[]): Export => ({
    ...{ name: `${name}.weight`, shape: [numbers.length], type: "f32" },
    numbers: () => Float32Array.from(numbers),
  });
  if (rope?.type === "llama3") return [named("rope_freqs", divisors(rope, rope.frequencies))];
  if (rope?.long === undefined) return [];
  return [
    named("rope_factors_long", divisors(rope, rope.long.frequencies)),
    named("rope_factors_short", divisors(rope, rope.frequencies)),
  ];
};

/** The tensors of a file, in the order in which they are written. */
export const exportedTensors = (config: ModelConfig, architecture: Architecture, type: GgufType): Export[] => {
  const { headDim, tied } = config;
  const { onePlus } = familyOf(config);
  const made = [...parameterShapes(config)].map(([weight, shape]): Export => {
    const turned = architecture.interleaved && /\.self_attn\.[qk]_proj\./.test(weight);
    const shifted = onePlus && weight.endsWith("norm.weight");
    return {
      ...{ name: nameOf(weight, config), shape, type: typeOf(shape, type), from: weight },
      numbers: (numbers) =>
        turned ? interleaved(numbers, headDim, shape[1] ?? 1) : shifted ? numbers.map((x) => x + 1) : numbers,
    };
  });
  const [embedding] = made;
  const head = tied && architecture.head === "own" ? [{ ...embedding, name: "output.weight" }] : [];
  return [...made, ...head, ...ropeTensors(config)];
};
