import {
  add,
  attention,
  broadcastTo,
  checkpoint,
  gather,
  inBlocks,
  iota,
  matmul,
  mul,
  reshape,
  rmsnorm,
  rope,
  ShapeError,
  sameShape,
  sliceAxis,
  swiglu,
  type Tensor,
  transpose,
  typeOf,
} from "../core/index.js";
import { type Cache, type KeyValues, slotsOf, withSlots, writeSlots } from "./cache.js";
import type { ModelConfig } from "./config.js";
import { factorNames, layerShapes, type Params, weightOf } from "./parameters.js";
import { type RopeTable, ropeTable } from "./rope-table.js";

/** Where the tokens of a call stand: position i32 [B, T], and their rotary angles [B, T, headDim/2]. */
interface Place extends RopeTable {
  readonly position: Tensor;
}

/** How a pass is computed; the numbers do not depend on it. */
export interface ForwardOptions {
  /** Keep only a layer's input for the backward pass, and compute the layer again there: all layers, or the first so many. */
  readonly checkpoint?: boolean | number;
  /**
   * Of the recomputed layers so many, one after the other, keep but the first one's input, and are computed twice again: less
   * memory for one more forward pass. Default 1.
   */
  readonly together?: number;
}

/** x · Wᵀ (+ b), and with an adapter's factors beside W (`withLora`) m · (x Wᵀ + (x Aᵀ) Bᵀ).  x: [..., in], W: [out, in]. */
const linear = (x: Tensor, params: Params, name: string, hasBias: boolean, { precision }: ModelConfig): Tensor => {
  const by = (z: Tensor, W: Tensor) => matmul(z, transpose(W), { operands: precision });
  const plain = by(x, weightOf(params, `${name}.weight`));
  const { a, b, m } = factorNames(`${name}.weight`);
  const adapted = a in params ? add(plain, by(by(x, params[a]), weightOf(params, b))) : plain;
  const y = m in params ? mul(params[m], adapted) : adapted;
  return hasBias ? add(y, weightOf(params, `${name}.bias`)) : y;
};

/** Causal grouped-query attention with rotary positions.  x: [B, T, D] → [B, T, D] and the keys and values it looked at. */
const selfAttention = (x: Tensor, params: Params, config: ModelConfig, place: Place, cached?: KeyValues) => {
  const { heads: H, kvHeads: G, headDim: K, bias } = config;
  const [B, T] = x.shape;
  const project = (part: string, heads: number) =>
    reshape(linear(x, params, `self_attn.${part}_proj`, bias.qkv, config), [B, T, heads, K]);
  const turn = (heads: Tensor) => rope(heads, place.cosine, place.sine);
  const q = turn(project("q", H));
  const fresh: KeyValues = { k: turn(project("k", G)), v: project("v", G) };
  const at = reshape(sliceAxis(place.position, 1, 0, 1), [B]);
  const seen =
    cached === undefined ? fresh : { k: writeSlots(cached.k, fresh.k, at), v: writeSlots(cached.v, fresh.v, at) };
  const mixed = attention(q, seen.k, seen.v, place.position, 1 / Math.sqrt(K));
  return { out: linear(reshape(mixed, [B, T, H * K]), params, "self_attn.o_proj", bias.o, config), seen };
};

/** The gated feed-forward network: down(silu(gate x) · up x).  x: [N, D] → [N, D], token by token. */
const mlp = (x: Tensor, params: Params, config: ModelConfig): Tensor => {
  const by = (z: Tensor, part: string) => linear(z, params, `mlp.${part}_proj`, config.bias.mlp, config);
  return by(swiglu(by(x, "gate"), by(x, "up")), "down");
};

/** Numbers of the inner layer that are there at a time: 64 MiB. */
const MOST_INNER = 2 ** 24;

/** `mlp`, a block of tokens at a time; in the backward pass too, where each block is computed again. */
const mlpInBlocks = (x: Tensor, params: Params, config: ModelConfig): Tensor => {
  const names = Object.keys(params).filter((name) => name.startsWith("mlp."));
  const size = Math.max(512, Math.floor(MOST_INNER / config.intermediateSize / 512) * 512);
  const block = inBlocks(([rows], weights) => {
    const own = Object.fromEntries(names.map((name, i) => [name, weights[i]]));
    return mlp(rows, own, config);
  }, size);
  return block(
    [x],
    names.map((name) => params[name]),
  );
};

/** One pre-norm layer; `params` are its own weights, named without the layer's prefix.  x: [B, T, D] → [B, T, D]. */
const decoderLayer = (
  x: Tensor,
  params: Params,
  config: ModelConfig,
  place: Place,
  { cached, feedForward = mlp }: { readonly cached?: KeyValues; readonly feedForward?: typeof mlp } = {},
) => {
  const norm = (h: Tensor, name: string) => rmsnorm(h, weightOf(params, `${name}.weight`), config.rmsNormEps);
  const { out, seen } = selfAttention(norm(x, "input_layernorm"), params, config, place, cached);
  const h = add(x, out);
  const tokens = reshape(norm(h, "post_attention_layernorm"), [-1, config.hiddenSize]); // all of it in one shape
  return { out: add(h, reshape(feedForward(tokens, params, config), h.shape)), seen };
};

/**
 * Layers one after the other, recomputed in the backward pass: from the input of the first, and each again from its own.
 * Everything they read is an input, so that gradients reach it.
 */
const rememberedLayers = (x: Tensor, layers: readonly Params[], config: ModelConfig, place: Place): Tensor => {
  const run = checkpoint((h: Tensor, position: Tensor, cosine: Tensor, sine: Tensor, ...weights: Tensor[]) => {
    const here = { position, cosine, sine };
    let next = 0;
    const own = layers.map((layer) => Object.fromEntries(Object.keys(layer).map((name) => [name, weights[next++]])));
    if (own.length === 1) return decoderLayer(h, own[0], config, here, { feedForward: mlpInBlocks }).out;
    return own.reduce((y, layer) => rememberedLayers(y, [layer], config, here), h);
  });
  return run(x, place.position, place.cosine, place.sine, ...layers.flatMap((layer) => Object.values(layer)));
};

/** The weights of layer i, named without "model.layers.i.", and the factors of an adapter where it has some. */
const layerParams = (params: Params, config: ModelConfig, i: number): Params => {
  const own: Record<string, Tensor> = {};
  const prefix = `model.layers.${i}.`;
  for (const name of layerShapes(config).keys()) {
    own[name] = weightOf(params, prefix + name);
    for (const factor of Object.values(factorNames(name)))
      if (prefix + factor in params) own[factor] = params[prefix + factor];
  }
  return own;
};

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
  { checkpoint = false, together = 1 }: ForwardOptions = {},
): Tensor => {
  const remembered = checkpoint === true ? config.layers : Number(checkpoint);
  let x = embed(params, config, ids);
  const place = fromStart(config, x.shape[0], x.shape[1]);
  const layers = Array.from({ length: config.layers }, (_, i) => layerParams(params, config, i));
  for (let i = 0; i < remembered; i += together)
    x = rememberedLayers(x, layers.slice(i, Math.min(i + together, remembered)), config, place);
  for (const own of layers.slice(remembered)) x = decoderLayer(x, own, config, place).out;
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
 * T more tokens a row: ids i32 [B, T] at positions i32 [B, T] (each row's own, one after the other, < slots) → [B, T, D] and
 * the cache with the tokens in it. Slots up to a row's first position must have been written before.
 */
export const decode = (
  params: Params,
  config: ModelConfig,
  ids: Tensor,
  position: Tensor,
  cache: Cache,
): { hidden: Tensor; cache: Cache } => {
  let x = embed(params, config, ids);
  if (position.dtype !== "i32" || !sameShape(position.shape, ids.shape))
    throw new ShapeError(`decode(${typeOf(ids)}, ${typeOf(position)})`, "takes an i32 position for each token: [B, T]");
  const table = ropeTable(config, slotsOf(cache));
  const place: Place = { position, cosine: gather(table.cosine, position), sine: gather(table.sine, position) };
  const next = cache.map((cached, i) => {
    const { out, seen } = decoderLayer(x, layerParams(params, config, i), config, place, { cached });
    x = out;
    return seen;
  });
  return { hidden: finalNorm(x, params, config), cache: next };
};
