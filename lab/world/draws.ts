/** Keyed draws in plain integer arithmetic: the same numbers on every platform, and a function of the key alone. */
export interface Draws {
  /** An integer, uniform over 0 … n-1. */
  below(n: number): number;
  /** True with probability p. */
  chance(p: number): boolean;
  /** One item (or one character), each equally likely. */
  pick<T>(items: ArrayLike<T>): T;
}

/** Spread the bits of a 32-bit word over all others (the finalizer of MurmurHash3, Appleby 2011). */
const mix = (word: number): number => {
  let x = word;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
};

/** A 32-bit hash of a text (FNV-1a, then mixed, because FNV alone leaves pattern in the low bits). */
export const hash = (text: string, start = 0): number => {
  let x = 0x811c9dc5 ^ start;
  for (let i = 0; i < text.length; i++) x = Math.imul(x ^ text.charCodeAt(i), 0x01000193);
  return mix(x);
};

/** The stream of draws named by (seed, ...path): streams with different names are unrelated, and none needs another. */
export const draws = (seed: number, ...path: (string | number)[]): Draws => {
  const name = [seed, ...path].join("/");
  const [first, second] = [hash(name), hash(name, 0x5bd1e995)];
  let count = 0;
  const next = (): number => mix(mix(first + Math.imul(count++, 0x9e3779b9)) ^ second);
  const below = (n: number): number => Math.floor((next() / 0x1_0000_0000) * n);
  return {
    below,
    chance: (p) => next() < p * 0x1_0000_0000,
    pick: (items) => items[below(items.length)],
  };
};

/** The items in a drawn order (Fisher and Yates). */
export const shuffled = <T>(items: readonly T[], from: Draws): T[] => {
  const order = [...items];
  for (let i = order.length - 1; i > 0; i--) {
    const j = from.below(i + 1);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
};
