import { ShapeError } from "../core/errors.js";
import type { Shape, Tensor } from "../core/index.js";
import type { ModelConfig } from "./config.js";

/** Weights by their Hugging Face name; matrices are [out, in]. A tied model has no "lm_head.weight". */
export type Params = Readonly<Record<string, Tensor>>;

/** The weight of a name. Errors: ShapeError naming it if there is none. */
export const weightOf = (params: Params, name: string): Tensor => {
  if (!Object.hasOwn(params, name))
    throw new ShapeError(`params: no tensor "${name}"`, "names are Hugging Face's; parameterShapes(config) lists them");
  return params[name];
};

/** Names of one layer's weights, without "model.layers.N.", and their shapes. */
export const layerShapes = (config: ModelConfig): ReadonlyMap<string, Shape> => {
  const { hiddenSize: D, heads: H, kvHeads: G, headDim: K, intermediateSize: F, bias } = config;
  const linear = (name: string, out: number, inner: number, hasBias: boolean): [string, Shape][] => [
    [`${name}.weight`, [out, inner]],
    ...(hasBias ? [[`${name}.bias`, [out]] as [string, Shape]] : []),
  ];
  return new Map([
    ["input_layernorm.weight", [D]],
    ...linear("self_attn.q_proj", H * K, D, bias.qkv),
    ...linear("self_attn.k_proj", G * K, D, bias.qkv),
    ...linear("self_attn.v_proj", G * K, D, bias.qkv),
    ...linear("self_attn.o_proj", D, H * K, bias.o),
    ["post_attention_layernorm.weight", [D]],
    ...linear("mlp.gate_proj", F, D, bias.mlp),
    ...linear("mlp.up_proj", F, D, bias.mlp),
    ...linear("mlp.down_proj", D, F, bias.mlp),
  ]);
};

/** Every weight that a configuration calls for, with its shape, in the order of the forward pass. */
export const parameterShapes = (config: ModelConfig): ReadonlyMap<string, Shape> => {
  const { hiddenSize: D, vocabSize: V } = config;
  const shapes = new Map<string, Shape>([["model.embed_tokens.weight", [V, D]]]);
  const layer = layerShapes(config);
  for (let i = 0; i < config.layers; i++)
    for (const [name, shape] of layer) shapes.set(`model.layers.${i}.${name}`, shape);
  shapes.set("model.norm.weight", [D]);
  if (!config.tied) shapes.set("lm_head.weight", [V, D]);
  return shapes;
};

/**
 * What an adapter puts beside a weight matrix [out, in], by PEFT's names: factors A [r, in] and B [out, r], and with DoRA the
 * length m [out] of each row.
 */
export const factorNames = (weight: string): { readonly a: string; readonly b: string; readonly m: string } => {
  const module = weight.slice(0, -".weight".length);
  return {
    a: `${module}.lora_A.weight`,
    b: `${module}.lora_B.weight`,
    m: `${module}.lora_magnitude_vector`,
  };
};
