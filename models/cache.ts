import { pad, type Tensor } from "../core/index.js";

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
