import { compile, type Device, gather, reshape, type Tensor, tensor } from "../../core/index.js";
import { type Cache, slotsOf, withSlots } from "../cache.js";
import type { ModelConfig } from "../config.js";
import { logits } from "../head.js";
import type { Params } from "../parameters.js";
import { decode, prefill } from "../transformer.js";

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
  // A cache's size is part of a program's structure, so there is one of these for each size.
  const compileStart = (slots: number) =>
    compile(
      (params: Params, ids: Tensor, last: Tensor): { scores: Tensor; cache: Cache } => {
        const { hidden, cache } = prefill(params, config, ids, slots);
        return { scores: after(params, hidden, last), cache };
      },
      device,
      { name: "prefill" },
    );
  const compileGrow = (slots: number) =>
    compile(
      (cache: Cache): Cache => cache.map(({ k, v }) => ({ k: withSlots(k, slots), v: withSlots(v, slots) })),
      device,
      { name: "grow", donate: [0] },
    );
  const starts = new Map<number, ReturnType<typeof compileStart>>();
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
      const run = starts.get(slots) ?? compileStart(slots);
      starts.set(slots, run);
      return run(params, ids, tensor(last));
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
      for (const compiled of [...starts.values(), ...grows.values(), step, steps])
        for (const program of compiled.programs()) program.free();
    },
  };
};
