import { type Consensus, deltaOnly, unweightedVote, votedDelta, weightedSum, weightedVote } from "./consensus.js";
import type { Merge } from "./merge.js";
import { clamped, denseIfFew, keepLargest, keepRandom, matchL1 } from "./sparsify.js";

/** What a merge is made from: its options, with the preset's defaults. */
export interface Resolved {
  readonly official: boolean;
  readonly p: number;
  readonly alpha: number;
  readonly eps: number;
  readonly rescaleL1: boolean;
  readonly useMerge: boolean;
}

/** The two sparsifiers of a merge, and whether τ meets its own once or at every merge. */
type Sparsifiers = Pick<Merge, "delta" | "tau" | "tauOnce">;

/** The released code's `clip_val`. */
const CLIP = 1;

/** DARE's sparsifiers: random masks, in the preset's way. */
const random = ({ official, p, eps, rescaleL1 }: Resolved): Sparsifiers => {
  if (!official) return { delta: keepRandom(p), tau: keepRandom(p), tauOnce: false };
  const keep = keepRandom(p, true);
  return { delta: rescaleL1 ? clamped(matchL1(keep, eps), CLIP) : keep, tau: clamped(keep, CLIP), tauOnce: true };
};

/** TIES' sparsifiers: the largest by magnitude, in the preset's way. τ is constant, so its largest are taken once. */
const largest = ({ official, p, rescaleL1 }: Resolved): Sparsifiers => {
  const top = keepLargest(p);
  const keep = official ? denseIfFew(p, rescaleL1 ? matchL1(top) : top) : top;
  return { delta: keep, tau: keep, tauOnce: true };
};

/** Every element of both counts. */
const linear = ({ useMerge }: Resolved): Consensus => (useMerge ? weightedSum : deltaOnly);

/** Signs are put to the vote, in the preset's way. */
const voted = ({ official, useMerge }: Resolved): Consensus =>
  official ? (useMerge ? unweightedVote : votedDelta) : weightedVote;

const merge =
  (keep: (resolved: Resolved) => Sparsifiers, join: (resolved: Resolved) => Consensus) =>
  (resolved: Resolved): Merge => ({ alpha: resolved.alpha, ...keep(resolved), consensus: join(resolved) });

/** The merges: two ways to choose elements of Δ and τ, times two ways to join them. */
export const MERGES = {
  onDare: merge(random, linear),
  onTies: merge(largest, voted),
  onDareTies: merge(random, voted),
  onMagnitude: merge(largest, linear),
} as const;

/** The online merges by name. */
export type MergeName = keyof typeof MERGES;
