import { asks, expects } from "../core/expects.js";
import {
  add,
  attention,
  checkpoint,
  gather,
  inBlocks,
  mul,
  reshape,
  ShapeError,
  sameShape,
  sliceAxis,
  type Tensor,
  typeOf,
  writeRows,
} from "../core/index.js";
import { gated } from "./activations.js";
import { type Cache, type KeyValues, slotsOf, withSlots } from "./cache.js";
import type { ModelConfig } from "./config.js";
import { familyOf } from "./families.js";
import type { LayerKind } from "./layer-kinds.js";
import { factorNames, layerShapes, type Params, weightOf } from "./parameters.js";
import { atPositions, fromStart, fromStarts, type Place, type Places, turn } from "./places.js";
import { linear, norm, parts } from "./projections.js";

/** One of a model's layers: its weights, named without the layer's prefix, where tokens stand for it, and how many slots they see. */
interface Layer {
  readonly params: Params;
  readonly place: Place;
  readonly window: number | undefined;
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
  /**
   * i32 [B, T], for rows that hold several sequences one after the other: the slot at which each token's own begins. A token
   * sees what stands before it in its own sequence, and its position is counted from there. Law: the numbers of a sequence
   * are those that it has alone. Default: each row is one sequence.
   */
  readonly starts?: Tensor;
}

/** Causal grouped-query attention with rotary positions.  x: [B, T, D] → [B, T, D] and the keys and values it looked at. */
const selfAttention = (x: Tensor, { params, place, window }: Layer, config: ModelConfig, cached?: KeyValues) => {
  const { headDim: K, heads: H, attentionScale, attentionCap } = config;
  const { qkNorm } = familyOf(config);
  const [B, T] = x.shape;
  const [q, k, v] = parts(x, params, config, "self_attn");
  const split = (part: Tensor) => reshape(part, [B, T, part.shape[2] / K, K]);
  const normed = (part: Tensor, name: string) => {
    if (qkNorm === undefined) return split(part);
    return qkNorm === "head" ? norm(split(part), params, name, config) : split(norm(part, params, name, config));
  };
  const fresh: KeyValues = { k: turn(normed(k, "self_attn.k_norm"), place), v: split(v) };
  const at = reshape(sliceAxis(place.position, 1, 0, 1), [B]);
  const seen =
    cached === undefined ? fresh : { k: writeRows(cached.k, fresh.k, at), v: writeRows(cached.v, fresh.v, at) };
  const turned = turn(normed(q, "self_attn.q_norm"), place);
  const mixed = attention(turned, seen.k, seen.v, place.position, attentionScale, {
    ...(place.from && { from: place.from }),
    ...(attentionCap && { softCap: attentionCap }),
    operands: config.precision,
    most: window,
  });
  return { out: linear(reshape(mixed, [B, T, H * K]), params, "self_attn.o_proj", config.bias.o, config), seen };
};

/** The gated feed-forward network: down(f(gate x) · up x).  x: [N, D] → [N, D], token by token. */
const mlp = (x: Tensor, params: Params, config: ModelConfig): Tensor => {
  const [gate, up] = parts(x, params, config, "mlp");
  return linear(gated[config.activation](gate, up), params, "mlp.down_proj", config.bias.mlp, config);
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

/** One layer: attention and the feed-forward network, each added to what it started from.  x: [B, T, D] → [B, T, D]. */
const decoderLayer = (
  x: Tensor,
  layer: Layer,
  config: ModelConfig,
  { cached, feedForward = mlp }: { readonly cached?: KeyValues; readonly feedForward?: typeof mlp } = {},
) => {
  const { norms } = familyOf(config);
  const { params } = layer;
  const normed = (h: Tensor, name: string | undefined) => norm(h, params, name, config);
  const onto = (h: Tensor, change: Tensor) =>
    add(h, config.residualMultiplier === 1 ? change : mul(change, config.residualMultiplier));
  const { out, seen } = selfAttention(normed(x, norms.beforeAttention), layer, config, cached);
  const h = onto(x, normed(out, norms.afterAttention));
  const tokens = reshape(normed(h, norms.beforeMlp), [-1, config.hiddenSize]); // all of it in one shape
  const fed = reshape(feedForward(tokens, params, config), h.shape);
  return { out: onto(h, normed(fed, norms.afterMlp)), seen };
};

/**
 * Layers one after the other, recomputed in the backward pass: from the input of the first, and each again from its own.
 * Everything they read is an input, so that gradients reach it.
 */
const rememberedLayers = (x: Tensor, layers: readonly Layer[], config: ModelConfig): Tensor => {
  const read = [...new Set(layers.flatMap(({ params, place }) => [...Object.values(place), ...Object.values(params)]))];
  const run = checkpoint((h: Tensor, ...inputs: Tensor[]) => {
    const inputOf = new Map(read.map((t, i) => [t, inputs[i]]));
    const again = <T extends object>(tensors: T): T =>
      Object.fromEntries(Object.entries(tensors).map(([name, t]) => [name, inputOf.get(t)])) as T;
    const own = layers.map(({ params, place, window }) => ({ params: again(params), place: again(place), window }));
    if (own.length === 1) return decoderLayer(h, own[0], config, { feedForward: mlpInBlocks }).out;
    return own.reduce((y, layer) => rememberedLayers(y, [layer], config), h);
  });
  return run(x, ...read);
};

/**
 * Of a configuration's parameters the weights of layer i, named without "model.layers.i.", and the factors of an adapter where it
 * has some. Names are put together once.
 */
export const layersOf = (config: ModelConfig): ((params: Params, i: number) => Params) => {
  const own = [...layerShapes(config).keys()].map((name) => ({ name, factors: Object.values(factorNames(name)) }));
  const prefixed = (i: number) => {
    const named = (name: string) => ({ name, full: `model.layers.${i}.${name}` });
    return own.map(({ name, factors }) => ({ ...named(name), factors: factors.map(named) }));
  };
  const known: ReturnType<typeof prefixed>[] = [];
  return (params, i) => {
    known[i] ??= prefixed(i);
    const layer: Record<string, Tensor> = {};
    for (const { name, full, factors } of known[i]) {
      layer[name] = weightOf(params, full);
      for (const factor of factors) if (factor.full in params) layer[factor.name] = params[factor.full];
    }
    return layer;
  };
};

/** Token embeddings: ids i32 [B, T] → [B, T, D]. */
export const embed = (params: Params, config: ModelConfig, ids: Tensor): Tensor => {
  if (ids.dtype !== "i32" || ids.shape.length !== 2)
    throw new ShapeError(`transformer: ids are ${typeOf(ids)}`, "token ids are i32 [B, T]");
  const x = gather(weightOf(params, "model.embed_tokens.weight"), ids);
  return config.embeddingMultiplier === 1 ? x : mul(x, config.embeddingMultiplier);
};

/** What the output matrix is applied to: the last layer's [B, T, D], normed. */
export const finalNorm = (x: Tensor, params: Params, config: ModelConfig): Tensor =>
  norm(x, params, "model.norm", config);

/** A model's layers where tokens stand as `places` says. */
const layersAt = (params: Params, config: ModelConfig, places: Places): readonly Layer[] => {
  const own = layersOf(config);
  return config.kinds.map((kind, i) => ({
    ...{ params: own(params, i), place: places.get(kind) as Place, window: kind.window },
  }));
};

/**
 * The transformer up to and including its final norm: ids i32 [B, T] → [B, T, D]. Rows are padded on the right: a token
 * sees only what stands before it, so padding changes nothing but its own outputs.
 * Errors: ShapeError for ids that are not i32 [B, T], or a weight that is missing or does not fit.
 * Sources: Touvron et al. 2023 (Llama); what sets the others apart is in `families`.
 */
export const hiddenStates = asks(
  "hiddenStates",
  "record record tensor record?",
  (
    params: Params,
    config: ModelConfig,
    ids: Tensor,
    { checkpoint = false, together = 1, starts }: ForwardOptions = {},
  ): Tensor => {
    const remembered = checkpoint === true ? config.layers : Number(checkpoint);
    let x = embed(params, config, ids);
    const [B, T] = x.shape;
    const places = starts === undefined ? fromStart(config, B, T) : fromStarts(config, ids, starts);
    const layers = layersAt(params, config, places);
    for (let i = 0; i < remembered; i += together)
      x = rememberedLayers(x, layers.slice(i, Math.min(i + together, remembered)), config);
    for (const own of layers.slice(remembered)) x = decoderLayer(x, own, config).out;
    return finalNorm(x, params, config);
  },
);

/** A layer over the first tokens of each row, whose keys and values get room for `slots`. */
const withRoom = (x: Tensor, layer: Layer, config: ModelConfig, slots: number): { out: Tensor; seen: KeyValues } => {
  const { out, seen } = decoderLayer(x, layer, config);
  return { out, seen: { k: withSlots(seen.k, slots), v: withSlots(seen.v, slots) } };
};

/**
 * hiddenStates of the first tokens of each row, and a cache of `slots` ≥ T to go on from. ids i32 [B, T] → hidden [B, T, D].
 * Errors: as of `hiddenStates`.
 */
export const prefill = (
  params: Params,
  config: ModelConfig,
  ids: Tensor,
  slots: number,
): { hidden: Tensor; cache: Cache } => {
  expects("prefill", "record record tensor number", params, config, ids, slots);
  let x = embed(params, config, ids);
  const cache = layersAt(params, config, fromStart(config, x.shape[0], x.shape[1], true)).map((layer) => {
    const { out, seen } = withRoom(x, layer, config, slots);
    x = out;
    return seen;
  });
  return { hidden: finalNorm(x, params, config), cache };
};

/**
 * One layer of `prefill`, for programs that all layers of a kind share: `params` are its own (`layersOf`).
 * x: [B, T, D] → [B, T, D] and its part of the cache.
 */
export const prefillLayer = (x: Tensor, params: Params, config: ModelConfig, kind: LayerKind, slots: number) => {
  const place = fromStart(config, x.shape[0], x.shape[1], true).get(kind) as Place;
  return withRoom(x, { params, place, window: kind.window }, config, slots);
};

/**
 * T more tokens a row: ids i32 [B, T] at positions i32 [B, T] (each row's own, one after the other, < slots) → [B, T, D] and
 * the cache with the tokens in it. Slots up to a row's first position must have been written before. Errors: ShapeError unless
 * there is a position for each token.
 */
export const decode = (
  params: Params,
  config: ModelConfig,
  ids: Tensor,
  position: Tensor,
  cache: Cache,
): { hidden: Tensor; cache: Cache } => {
  expects("decode", "record record tensor tensor array", params, config, ids, position, cache);
  let x = embed(params, config, ids);
  if (position.dtype !== "i32" || !sameShape(position.shape, ids.shape))
    throw new ShapeError(`decode(${typeOf(ids)}, ${typeOf(position)})`, "takes an i32 position for each token: [B, T]");
  const places = atPositions(config, position, slotsOf(cache));
  const next = layersAt(params, config, places).map((layer, i) => {
    const { out, seen } = decoderLayer(x, layer, config, { cached: cache[i] });
    x = out;
    return seen;
  });
  return { hidden: finalNorm(x, params, config), cache: next };
};
