import { dispose } from "../../core/index.js";
import type { Cache } from "../cache.js";
import type { Params } from "../parameters.js";

/** The keys and values of one row's first tokens. */
interface Known {
  /** The parameters that made them. */
  readonly owner: Params;
  readonly cache: Cache;
  readonly ids: readonly number[];
}

/** A key-value cache that outlives a call: of a prompt that begins as the text before it, only the rest is computed. */
export interface KeptCache {
  /**
   * The cache, and how many of the prompt's first tokens it holds; the caller's from here on. Undefined if it holds none of
   * them, or was made by other parameters. At least one token of the prompt is left to feed.
   */
  readonly take: (
    owner: Params,
    prompt: readonly number[],
  ) => { readonly cache: Cache; readonly length: number } | undefined;
  /** Keeps a cache, in place of what was there. */
  readonly put: (known: Known) => void;
  readonly free: () => void;
}

/** A cache of keys and values that outlives a call, so that the next one feeds only what is new. */
export const keptCache = (): KeptCache => {
  let known: Known | undefined;
  const free = (): void => {
    if (known !== undefined) dispose(known.cache);
    known = undefined;
  };
  return {
    take: (owner, prompt) => {
      if (known === undefined) return undefined;
      const { ids, cache } = known;
      const differs = prompt.findIndex((id, i) => id !== ids[i]);
      const length = Math.min(differs === -1 ? prompt.length : differs, prompt.length - 1);
      if (known.owner !== owner || length === 0) {
        free();
        return undefined;
      }
      known = undefined;
      return { cache, length };
    },
    put: (next) => {
      free();
      known = next;
    },
    free,
  };
};
