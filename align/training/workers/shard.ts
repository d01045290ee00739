import { type Shape, sizeOf } from "../../../core/index.js";
import type { Params } from "../../../models/parameters.js";
import type { TrainState } from "../step.js";
import type { Workers } from "./workers.js";

/** Which rank keeps what the optimizer remembers of each parameter, and takes its step. */
export interface Shard {
  readonly ownerOf: (name: string) => number;
  /** Names of this rank's own, in the order of all. */
  readonly own: readonly string[];
}

/**
 * Shares out whole parameters, the largest first, each to the rank that has least: a rank keeps at most its share and one
 * parameter more. Whole ones, since merging rules look at a tensor's quantiles and masks. A function of shapes and size alone.
 */
export const ownersOf = (params: Readonly<Record<string, { readonly shape: Shape }>>, size: number): number[] => {
  const held = Array.from({ length: size }, () => 0);
  const sizes = Object.keys(params).map((name, at) => ({ at, n: sizeOf(params[name].shape) }));
  const owners: number[] = sizes.map(() => 0);
  for (const { at, n } of [...sizes].sort((a, b) => b.n - a.n || a.at - b.at)) {
    const least = held.indexOf(Math.min(...held));
    held[least] += n;
    owners[at] = least;
  }
  return owners;
};

export const shardOf = (params: Params, { rank, size }: Workers): Shard => {
  const names = Object.keys(params);
  const owners = ownersOf(params, size);
  const byName = new Map(names.map((name, i) => [name, owners[i]]));
  return {
    ownerOf: (name) => byName.get(name) as number,
    own: names.filter((_, i) => owners[i] === rank),
  };
};

/** The part of a tree that belongs to some parameters. */
export const only = (tree: Params, names: readonly string[]): Params =>
  Object.fromEntries(names.map((name) => [name, tree[name]]));

/** A rank's part of what a run remembers: all of it, but of the optimizer's slots its own alone. */
export const partOfState = (state: TrainState, { own }: Shard): TrainState => {
  const slots = Object.entries(state.optimizer.slots).map(([slot, tree]) => [slot, only(tree, own)]);
  return { ...state, optimizer: { ...state.optimizer, slots: Object.fromEntries(slots) } };
};
