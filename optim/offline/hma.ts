import { asks } from "../../core/expects.js";
import { InputError } from "../../core/index.js";
import { integerFrom, within } from "../check.js";

/** How ratios are looked for. */
export interface RatioSearch {
  /** Blocks of layers; each has one ratio. */
  readonly blocks: number;
  /** The mean of the ratios, which is held. */
  readonly mean: number;
  /** What a try moves from one block to another. */
  readonly step: number;
  /** Rounds of tries at most; each takes the best of all moves. Default 1. */
  readonly rounds?: number;
  /** What is to be large on validation data, of a model merged by these ratios. */
  readonly score: (ratios: readonly number[]) => Promise<number>;
}

/** All ratios that one move away from some, with the mean held and every ratio in [0, 1]. */
const neighbours = (ratios: readonly number[], step: number): number[][] =>
  ratios.flatMap((_, from) =>
    ratios.flatMap((_, to) => {
      if (from === to) return [];
      const moved = ratios.map((ratio, i) => ratio + (i === to ? step : 0) - (i === from ? step : 0));
      return moved.every((ratio) => ratio >= 0 && ratio <= 1) ? [moved] : [];
    }),
  );

/**
 * Ratios a_k of θ_k = a_k θ_k^aligned + (1−a_k) θ_k^tuned for blocks k of layers, the mean of a_k held, by what validation data
 * prefers: from equal ratios on, the best of all moves from one block to another, as long as one is better.
 * Law: one block has the mean, and makes linear merging of it; the mean stays.
 * Errors: InputError unless blocks ≥ 1, mean ∈ [0, 1], step > 0, rounds ≥ 1.  Source: HMA of Lin et al. 2023 (arXiv 2309.06256).
 * @example await searchRatios({ blocks: 1, mean: 0.7, step: 0.2, score: async () => 0 }) // [0.7]
 */
export const searchRatios = asks(
  "searchRatios",
  "record",
  async ({ blocks, mean, step, rounds = 1, score }: RatioSearch): Promise<readonly number[]> => {
    integerFrom("searchRatios", "blocks", blocks, 1);
    integerFrom("searchRatios", "rounds", rounds, 1);
    within("searchRatios", "mean", mean, 0, 1);
    if (!(step > 0)) throw new InputError(`searchRatios: step is ${step}; it must be above 0`);
    let best: readonly number[] = Array.from({ length: blocks }, () => mean);
    if (blocks === 1) return best;
    let reached = await score(best);
    for (let round = 0; round < rounds; round++) {
      const from = best;
      for (const tried of neighbours(from, step)) {
        const found = await score(tried);
        if (found > reached) [best, reached] = [tried, found];
      }
      if (best === from) break;
    }
    return best;
  },
);

/** The block, from 0, of what stands at `depth` of the layers (0 the first and what is before it, 1 the last and after). */
export const blockAt = (depth: number, blocks: number): number => Math.min(blocks - 1, Math.floor(depth * blocks));
