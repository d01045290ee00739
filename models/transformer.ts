import {
  add,
  attention,
  broadcastTo,
  checkpoint,
  gather,
  iota,
  matmul,
  mul,
  reshape,
  rmsnorm,
  rope,
  ShapeError,
  sliceAxis,
  swiglu,
  type Tensor,
  transpose,
  typeOf,
} from "../core/index.js";
import { type Cache, type KeyValues, slotsOf, withSlots, writeSlot } from "./cache.js";
import type { ModelConfig } from "./config.js";
import { layerShapes, type Params, weightOf } from "./parameters.js";
import { type RopeTable, ropeTable } from "./rope-table.js";

/** Where the tokens of a call stand: position i32 [B, T], and their rotary angles [B, T, headDim/2]. */
interface Place extends RopeTable {
  readonly position: Tensor;
}

/** How a pass is computed; the numbers do not depend on it. */
export interface ForwardOptions {
  /** Keep only each layer's input for the backward pass, and compute the layer again there. */
  readonly checkpoint?: boolean;
}

/** x · Wᵀ (+ b).  x: [..., in], W: [out, in]. */
const linear = (x: Tensor, params: Params, name: string, hasBias: boolean): Tensor => {
  const y = matmul(x, transpose(weightOf(params, `${name}.weight`)));
  return hasBias ? add(y, weightOf(params, `${name}.bias`)) : y;
};

/** Causal grouped-query attention with rotary positions.  x: [B, T, D] → [B, T, D] and the keys and values it looked at. */
const selfAttention = (x: Tensor, params: Params, config: ModelConfig, place: Place, cached?: KeyValues) => {
  const { heads: H, kvHeads: G, headDim: K, bias } = config;
  const [B, T] = x.shape;
  const project = (part: string, heads: number) =>
    reshape(linear(x, params, `self_attn.${part}_proj`, bias.qkv), [B, T, heads, K]);
  const turn = (heads: Tensor) => rope(heads, place.cosine, place.sine);
  const q = turn(project("q", H));
  const fresh: KeyValues = { k: turn(project("k", G)), v: project("v", G) };
  const at = reshape(sliceAxis(place.position, 1, 0, 1), [B]);
  const seen =
    cached === undefined ? fresh : { k: writeSlot(cached.k, fresh.k, at), v: writeSlot(cached.v, fresh.v, at) };
  const mixed = attention(q, seen.k, seen.v, place.position, 1 / Math.sqrt(K));
  return { out: linear(reshape(mixed, [B, T, H * K]), params, "self_attn.o_proj", bias.o), seen };
};

/** The gated feed-forward network: down(silu(gate x) · up x). */
const mlp = (x: Tensor, params: Params, { bias }: ModelConfig): Tensor =>
  linear(
    swiglu(linear(x, params, "mlp.gate_proj", bias.mlp), linear(x, params, "mlp.up_proj", bias.mlp)),
    params,
    "mlp.down_proj",
    bias.mlp,
  );

/** One pre-norm layer; `params` are its own weights, named without the layer's prefix.  x: [B, T, D] → [B, T, D]. */
const decoderLayer = (x: Tensor, params: Params, config: ModelConfig, place: Place, cached?: KeyValues) => {
  const norm = (h: Tensor, name: string) => rmsnorm(h, weightOf(params, `${name}.weight`), config.rmsNormEps);
  const { out, seen } = selfAttention(norm(x, "input_layernorm"), params, config, place, cached);
  const h = add(x, out);
  return { out: add(h, mlp(norm(h, "post_attention_layernorm"), params, config)), seen };
};

/** The same layer, recomputed in the backward pass. Everything it reads is an input, so that gradients reach it. */
const rememberedLayer = (x: Tensor, params: Params, config: ModelConfig, place: Place): Tensor => {
  const names = Object.keys(params);
  const layer = checkpoint((h: Tensor, position: Tensor, cosine: Tensor, sine: Tensor, ...weights: Tensor[]) => {
    const own = Object.fromEntries(names.map((name, i) => [name, weights[i]]));
    return decoderLayer(h, own, config, { position, cosine, sine }).out;
  });
  return layer(x, place.position, place.cosine, place.sine, ...names.map((name) => params[name]));
};

/** The weights of layer i, named without "model.layers.i.". */
const layerParams = (params: Params, config: ModelConfig, i: number): Params =>
  Object.fromEntries(
    [...layerShapes(config).keys()].map((name) => [name, weightOf(params, `model.layers.${i}.${name}`)]),
  );

/** Token embeddings: ids i32 [B, T] → [B, T, D]. */
const embed = (params: Params, config: ModelConfig, ids: Tensor): Tensor => {
  if (ids.dtype !== "i32" || ids.shape.length !== 2)
    throw new ShapeError(`transformer: ids are ${typeOf(ids)}`, "token ids are i32 [B, T]");
  const x = gather(weightOf(params, "model.embed_tokens.weight"), ids);
  return config.embeddingMultiplier === 1 ? x : mul(x, config.embeddingMultiplier);
};

const finalNorm = (x: Tensor, params: Params, config: ModelConfig): Tensor =>
  rmsnorm(x, weightOf(params, "model.norm.weight"), config.rmsNormEps);

/** Tokens 0 … T−1 of every row. */
const fromStart = (config: ModelConfig, B: number, T: number): Place => {
  const table = ropeTable(config, T);
  const rows = (angles: Tensor) => broadcastTo(angles, [B, ...angles.shape]);
  return { position: iota([B, T], 1), cosine: rows(table.cosine), sine: rows(table.sine) };
};

/**
 * The transformer up to and including its final norm: ids i32 [B, T] → [B, T, D]. Rows are padded on the right: a token
 * sees only what stands before it, so padding changes nothing but its own outputs.
 * Errors: ShapeError for ids that are not i32 [B, T], or a weight that is missing or does not fit.
 * Sources: Touvron et al. 2023 (Llama); Bai et al. 2023 (Qwen); modeling_llama and modeling_qwen2 of transformers.
 */
export const hiddenStates = (
  params: Params,
  config: ModelConfig,
  ids: Tensor,
  options: ForwardOptions = {},
): Tensor => {
  let x = embed(params, config, ids);
  const place = fromStart(config, x.shape[0], x.shape[1]);
  for (let i = 0; i < config.layers; i++) {
    const own = layerParams(params, config, i);
    x = options.checkpoint ? rememberedLayer(x, own, config, place) : decoderLayer(x, own, config, place).out;
  }
  return finalNorm(x, params, config);
};

/** hiddenStates of the first tokens of each row, and a cache of `slots` ≥ T to go on from. */
export const prefill = (
  params: Params,
  config: ModelConfig,
  ids: Tensor,
  slots: number,
): { hidden: Tensor; cache: Cache } => {
  let x = embed(params, config, ids);
  const place = fromStart(config, x.shape[0], x.shape[1]);
  const cache: KeyValues[] = [];
  for (let i = 0; i < config.layers; i++) {
    const { out, seen } = decoderLayer(x, layerParams(params, config, i), config, place);
    cache.push({ k: withSlots(seen.k, slots), v: withSlots(seen.v, slots) });
    x = out;
  }
  return { hidden: finalNorm(x, params, config), cache };
};

/**
 * One more token a row: ids i32 [B, 1] at position i32 [B, 1] (each row's own, < slots) → [B, 1, D] and the cache with
 * the token in it. Slots up to a row's position must have been written before.
 */
export const decode = (
  params: Params,
  config: ModelConfig,
  ids: Tensor,
  position: Tensor,
  cache: Cache,
): { hidden: Tensor; cache: Cache } => {
  let x = embed(params, config, ids);
  if (ids.shape[1] !== 1 || position.dtype !== "i32" || position.shape.length !== 2)
    throw new ShapeError(
      `decode(${typeOf(ids)}, ${typeOf(position)})`,
      "takes one token and one i32 position a row: [B, 1]",
    );
  const table = ropeTable(config, slotsOf(cache));
  const place: Place = { position, cosine: gather(table.cosine, position), sine: gather(table.sine, position) };
  const next = cache.map((cached, i) => {
    const { out, seen } = decoderLayer(x, layerParams(params, config, i), config, place, cached);
    x = out;
    return seen;
  });
  return { hidden: finalNorm(x, params, config), cache: next };
};
