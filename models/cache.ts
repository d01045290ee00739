import {
  add,
  and,
  broadcastTo,
  equal,
  gather,
  iota,
  less,
  lessEqual,
  mul,
  pad,
  reshape,
  sub,
  type Tensor,
  where,
} from "../core/index.js";

/** Keys (already rotated) and values of one layer by slot: [B, S, G, D]. A row's token at position p lies in slot p. */
export type KeyValues = { readonly k: Tensor; readonly v: Tensor };

/** One entry a layer. All layers have the same number of slots S. */
export type Cache = readonly KeyValues[];

/** Number of slots. */
export const slotsOf = (cache: Cache): number => cache[0].k.shape[1];

/** Keys or values of the first T positions [B, T, G, D] in a cache of S ≥ T slots. */
export const withSlots = (fresh: Tensor, slots: number): Tensor =>
  pad(fresh, [
    [0, 0],
    [0, slots - fresh.shape[1]],
    [0, 0],
    [0, 0],
  ]);

/**
 * `cache` [B, S, G, D] with each row's `fresh` [B, T, G, D] in slots first[b] … first[b] + T − 1 (i32 [B]); what would lie
 * past the last slot is dropped.
 */
export const writeSlots = (cache: Tensor, fresh: Tensor, first: Tensor): Tensor => {
  const [B, S] = cache.shape;
  const T = fresh.shape[1];
  const start = broadcastTo(reshape(first, [B, 1]), [B, S]);
  if (T === 1) return where(reshape(equal(iota([1, S], 1), start), [B, S, 1, 1]), fresh, cache);
  const at = sub(iota([B, S], 1), start);
  const isNew = and(lessEqual(0, at), less(at, T));
  const row = where(isNew, add(at, mul(iota([B, S], 0), T)), -1);
  const rows = gather(reshape(fresh, [B * T, ...fresh.shape.slice(2)]), row);
  return where(reshape(isNew, [B, S, 1, 1]), rows, cache);
};
