import { compile, type Device, dispose, gather, reshape, type Tensor, tensor } from "../../core/index.js";
import { type Cache, type KeyValues, slotsOf, withSlots } from "../cache.js";
import type { ModelConfig } from "../config.js";
import { logits } from "../head.js";
import type { LayerKind } from "../layer-kinds.js";
import { type Params, parameterShapes } from "../parameters.js";
import { decode, embed, finalNorm, layersOf, prefillLayer } from "../transformer.js";

/** What a program leaves behind: scores of the next token of every row, [B, V], and the cache with all tokens so far. */
export interface Fed {
  readonly scores: Tensor;
  readonly cache: Cache;
}

/** The programs of generation. Each is built when a batch of its size first asks for it, and kept. */
export interface Programs {
  /** The first tokens of each row (at least one), into a new cache with room for `slots` ≥ the longest, rounded up. */
  readonly start: (params: Params, rows: readonly (readonly number[])[], slots: number) => Fed;
  /** More tokens of each row (at least one), the first at position from[row]. Takes the cache over. */
  readonly extend: (params: Params, cache: Cache, rows: readonly (readonly number[])[], from: readonly number[]) => Fed;
  /** The cache with more slots. Takes it over. */
  readonly grow: (cache: Cache, slots: number) => Cache;
  /** Frees the programs. */
  readonly free: () => void;
}

/** Prompt lengths and cache sizes are rounded up to these, so that one program serves many calls. */
const PROMPT_STEP = 16;
const SLOT_STEP = 64;
const roundUp = (n: number, step: number): number => Math.ceil(n / step) * step;

/**
 * Slots for `tokens` tokens a row, of which the first `prompt` come at once. Those of a cache that is kept are rounded up more,
 * the more there are, so that few turns of a conversation need other programs.
 */
export const slotsFor = (prompt: number, tokens: number, isKept = false): number => {
  const least = Math.max(roundUp(prompt, PROMPT_STEP), tokens);
  return roundUp(least, isKept ? Math.max(SLOT_STEP, 2 ** Math.floor(Math.log2(least) - 1)) : SLOT_STEP);
};

/** Tokens beside each other for rows of at most so many that are added to a cache: 1, or a power of two from 16 on. */
const width = (longest: number): number =>
  longest === 1 ? 1 : Math.max(PROMPT_STEP, 2 ** Math.ceil(Math.log2(longest)));

/** Rows [B, T] padded on the right with zeros, and where in them, as one list, the last token of each is. */
const laid = (rows: readonly (readonly number[])[], T: number) => {
  const ids = new Int32Array(rows.length * T);
  for (const [i, row] of rows.entries()) ids.set(row, i * T);
  return { ids: tensor(ids, [rows.length, T]), last: Int32Array.from(rows, (row, i) => i * T + row.length - 1) };
};

const longestOf = (rows: readonly (readonly number[])[]): number => Math.max(...rows.map((row) => row.length));

/** The programs of one configuration on one device. */
export const programs = (config: ModelConfig, device: Device): Programs => {
  const after = (params: Params, hidden: Tensor, last?: Tensor): Tensor => {
    const all = reshape(hidden, [-1, config.hiddenSize]);
    return logits(params, config, last === undefined ? all : gather(all, last));
  };
  const ownOf = layersOf(config);
  const outer = [...parameterShapes(config).keys()].filter((name) => !name.startsWith("model.layers."));
  /** The weights that no layer has. */
  const aroundOf = (params: Params): Params =>
    Object.fromEntries(outer.flatMap((name) => (name in params ? [[name, params[name]]] : [])));
  // The first tokens pass layer by layer: alike layers are one program, planned once, and the first token waits for no more.
  const first = compile((params: Params, ids: Tensor): Tensor => embed(params, config, ids), device, { name: "embed" });
  // A cache's size is part of a program's structure, so there is one of these for each size, and for each kind of layer.
  const compileLayer = (kind: LayerKind, slots: number) =>
    compile(
      (params: Params, x: Tensor): { out: Tensor; seen: KeyValues } => prefillLayer(x, params, config, kind, slots),
      device,
      { name: "prefill", donate: [1] },
    );
  const scored = compile(
    (params: Params, x: Tensor, last: Tensor): Tensor => after(params, finalNorm(x, params, config), last),
    device,
    { name: "scores", donate: [1] },
  );
  const compileGrow = (slots: number) =>
    compile(
      (cache: Cache): Cache => cache.map(({ k, v }) => ({ k: withSlots(k, slots), v: withSlots(v, slots) })),
      device,
      { name: "grow", donate: [0] },
    );
  const layers = new Map<number, Map<LayerKind, ReturnType<typeof compileLayer>>>();
  const layerOf = (kind: LayerKind, slots: number) => {
    const sized = layers.get(slots) ?? new Map<LayerKind, ReturnType<typeof compileLayer>>();
    const run = sized.get(kind) ?? compileLayer(kind, slots);
    layers.set(slots, sized.set(kind, run));
    return run;
  };
  const grows = new Map<number, ReturnType<typeof compileGrow>>();
  const step = compile(
    (params: Params, cache: Cache, ids: Tensor, position: Tensor): { scores: Tensor; cache: Cache } => {
      const { hidden, cache: next } = decode(params, config, ids, position, cache);
      return { scores: after(params, hidden), cache: next };
    },
    device,
    { name: "decode", donate: [1] },
  );
  const steps = compile(
    (params: Params, cache: Cache, ids: Tensor, position: Tensor, last: Tensor): { scores: Tensor; cache: Cache } => {
      const { hidden, cache: next } = decode(params, config, ids, position, cache);
      return { scores: after(params, hidden, last), cache: next };
    },
    device,
    { name: "extend", donate: [1] },
  );
  return {
    start: (params, rows, slots) => {
      const { ids, last } = laid(rows, roundUp(longestOf(rows), PROMPT_STEP));
      const around = aroundOf(params);
      const cache: KeyValues[] = [];
      let x = first(around, ids);
      try {
        for (const [i, kind] of config.kinds.entries()) {
          const { out, seen } = layerOf(kind, slots)(ownOf(params, i), x);
          cache.push(seen);
          x = out;
        }
        return { scores: scored(around, x, tensor(last)), cache };
      } catch (error) {
        dispose([x, cache]);
        throw error;
      }
    },
    extend: (params, cache, rows, from) => {
      const T = width(longestOf(rows));
      const { ids, last } = laid(rows, T);
      const B = rows.length;
      if (T === 1) return step(params, cache, ids, tensor(Int32Array.from(from), [B, 1]));
      // Padding stands at the last slot at most; nothing that counts looks at it.
      const slots = slotsOf(cache);
      const position = Int32Array.from({ length: B * T }, (_, i) =>
        Math.min(from[Math.floor(i / T)] + (i % T), slots - 1),
      );
      return steps(params, cache, ids, tensor(position, [B, T]), tensor(last));
    },
    grow: (cache, slots) => {
      const run = grows.get(slots) ?? compileGrow(slots);
      grows.set(slots, run);
      return run(cache);
    },
    free: () => {
      for (const compiled of [
        first,
        ...[...layers.values()].flatMap((sized) => [...sized.values()]),
        scored,
        ...grows.values(),
        step,
        steps,
      ])
        for (const program of compiled.programs()) program.free();
    },
  };
};
