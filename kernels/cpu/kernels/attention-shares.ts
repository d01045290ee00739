import { blocksFor, cut } from "../launch.js";
import { TILE } from "./tiles.js";

/** Query rows of one head that are worked on together: their scores are all that is ever kept. */
export const BLOCK = 16;

/** Bytes of a packed head, and of a block's scores. */
export const scratchOf = (S: number, D: number) => ({
  panels: 4 * (Math.ceil(S / TILE.columns) * TILE.columns * D + 16),
  scores: 4 * BLOCK * (S + 2 * TILE.columns),
});

/** What a block of attention works on: some batches, and from each some of the groups of heads that share a k and a v. */
export interface Share {
  readonly batch: number;
  readonly batches: number;
  readonly group: number;
  readonly groups: number;
}

/** Whole batches if there are enough of them, else groups of each batch. */
export const shares = (B: number, G: number, work: number): Share[] => {
  const count = blocksFor(work);
  if (count === 1) return [{ batch: 0, batches: B, group: 0, groups: G }];
  const batches = cut(B, count);
  const groups = cut(G, Math.ceil(count / batches.length));
  return batches.flatMap((b) =>
    groups.map((g): Share => ({ batch: b.from, batches: b.size, group: g.from, groups: g.size })),
  );
};

/** About how many nanoseconds attention takes; its gradient three times as many. */
export const attentionWork = (B: number, T: number, S: number, H: number, D: number): number =>
  B * H * T * S * (D / 10 + 1.5);
