import { ShapeError } from "../core/errors.js";
import { expects } from "../core/expects.js";
import type { Shape, Tensor } from "../core/index.js";
import type { ModelConfig } from "./config.js";
import { familyOf } from "./families.js";

/** Weights by their Hugging Face name; matrices are [out, in]. A tied model has no "lm_head.weight". */
export type Params = Readonly<Record<string, Tensor>>;

/** The weight of a name. Errors: ShapeError naming it if there is none. */
export const weightOf = (params: Params, name: string): Tensor => {
  if (!Object.hasOwn(params, name))
    throw new ShapeError(`params: no tensor "${name}"`, "names are Hugging Face's; parameterShapes(config) lists them");
  return params[name];
};

/** Sizes of what a module makes of its input: by a matrix each ("q_proj", …), or by one of the family's for all. */
export const partSizes = ({ heads: H, kvHeads: G, headDim: K, intermediateSize: F }: ModelConfig) =>
  ({ self_attn: { q: H * K, k: G * K, v: G * K }, mlp: { gate: F, up: F } }) as const;

/** Names of one layer's weights, without "model.layers.N.", and their shapes, in the order of the forward pass. */
export const layerShapes = (config: ModelConfig): ReadonlyMap<string, Shape> => {
  const { hiddenSize: D, heads: H, kvHeads: G, headDim: K, intermediateSize: F, bias } = config;
  const { norms, fused, qkNorm } = familyOf(config);
  type Named = [name: string, shape: Shape];
  const linear = (name: string, out: number, inner: number, hasBias: boolean): Named[] => [
    [`${name}.weight`, [out, inner]],
    ...(hasBias ? [[`${name}.bias`, [out]] as Named] : []),
  ];
  const parts = (module: "self_attn" | "mlp", hasBias: boolean): Named[] => {
    const sizes = Object.entries(partSizes(config)[module]);
    if (fused === undefined) return sizes.flatMap(([part, n]) => linear(`${module}.${part}_proj`, n, D, hasBias));
    return linear(
      `${module}.${fused[module]}`,
      sizes.reduce((sum, [, n]) => sum + n, 0),
      D,
      hasBias,
    );
  };
  const norm = (name: string | undefined, size = D): Named[] =>
    name === undefined ? [] : [[`${name}.weight`, [size]]];
  const normed = (part: string, n: number): Named[] =>
    qkNorm === undefined ? [] : norm(`self_attn.${part}_norm`, qkNorm === "head" ? K : n * K);
  return new Map([
    ...norm(norms.beforeAttention),
    ...parts("self_attn", bias.qkv),
    ...normed("q", H),
    ...normed("k", G),
    ...linear("self_attn.o_proj", D, H * K, bias.o),
    ...norm(norms.afterAttention),
    ...norm(norms.beforeMlp),
    ...parts("mlp", bias.mlp),
    ...linear("mlp.down_proj", D, F, bias.mlp),
    ...norm(norms.afterMlp),
  ]);
};

/** Every weight that a configuration calls for, with its shape, in the order of the forward pass. */
export const parameterShapes = (config: ModelConfig): ReadonlyMap<string, Shape> => {
  expects("parameterShapes", "record", config);
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
 * length m [out] of each row. While it trains with dropout also what every element that A reads is multiplied by, d [B, T, in].
 */
export const factorNames = (
  weight: string,
): { readonly a: string; readonly b: string; readonly m: string; readonly d: string } => {
  const module = weight.slice(0, -".weight".length);
  return {
    a: `${module}.lora_A.weight`,
    b: `${module}.lora_B.weight`,
    m: `${module}.lora_magnitude_vector`,
    d: `${module}.lora_dropout`,
  };
};
