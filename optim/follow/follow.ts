import { asks, expects } from "../../core/expects.js";
import { cast, namedLeaves, type Tensor, type Tree, treeMap } from "../../core/index.js";
import type { Scalars, Slots } from "../rule.js";

/** What a follower keeps: trees like the weights, by name, in f32. `weights` is what it is asked for. */
export type Followed<P extends Tree = Tree> = { readonly weights: P } & { readonly [name: string]: P };

/**
 * Weights that follow those of a run, beside its optimizer: an average to hand out, or the reference that a loss compares with.
 * The rule of one parameter; `begun` and `moved` lift it over trees. How far it moves is data: every move is one program.
 */
export interface Follower {
  /** As errors show it. */
  readonly name: string;
  /** Trees beside `weights` that it keeps. All begin where `weights` begin. */
  readonly keeps: readonly string[];
  /** The numbers that it moves by after a step, counted from 1; undefined where it stays. */
  readonly moveAt: (step: number) => Readonly<Record<string, number>> | undefined;
  /** What is kept of one parameter after a move, from what was kept and the run's weight w, all [*S] f32. */
  readonly move: (kept: Slots, w: Tensor, by: Scalars) => Slots;
}

/** The first step, of so many, after which a follower moves; undefined: it stays. */
export const firstMove = asks(
  "firstMove",
  "record number",
  ({ moveAt }: Follower, steps: number): number | undefined => {
    for (let step = 1; step <= steps; step++) if (moveAt(step) !== undefined) return step;
    return undefined;
  },
);

/** What a follower keeps before the first step, as graphs; `start`, of any floating dtype, is where it begins. */
export const begun = asks(
  "begun",
  "record",
  <P extends Tree>({ keeps }: Follower, start: P): Followed<P> =>
    Object.fromEntries(
      ["weights", ...keeps].map((name) => [name, treeMap((w) => cast(w, "f32"), start)]),
    ) as Followed<P>,
);

/** What it keeps after a move towards `params`, as graphs. Law: leaf by leaf. */
export const moved = <P extends Tree>(follower: Follower, kept: Followed<P>, params: P, by: Scalars): Followed<P> => {
  expects("moved", "record any any record", follower, kept, params, by);
  const trees = Object.entries(kept).map(([name, tree]) => [name, new Map(namedLeaves(tree))] as const);
  const after = new Map(
    namedLeaves(params).map(([path, w]) => {
      const own = Object.fromEntries(trees.map(([name, of]) => [name, of.get(path) as Tensor]));
      return [path, follower.move(own, cast(w, "f32"), by)];
    }),
  );
  const pick = (name: string) => treeMap((_, path) => (after.get(path) as Slots)[name], params);
  return Object.fromEntries(trees.map(([name]) => [name, pick(name)])) as Followed<P>;
};
