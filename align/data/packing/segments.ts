import type { Batch } from "../batch.js";
import type { Sequence } from "../sequence.js";
import { learnedSpans } from "../sequence.js";
import type { Pack } from "./pack.js";

/** Rows that hold several sequences one after the other, as one right-padded block of B rows of T tokens. */
export interface Segments extends Pick<Batch, "ids" | "mask" | "rows" | "length" | "lengths"> {
  /** [B, T] the slot at which each token's own sequence begins; padding is one of its own. */
  readonly starts: Int32Array;
  /** [B, T] which sequence each token is of, counted over all rows; as many as there are for padding. */
  readonly owners: Int32Array;
  /** How many sequences there are. */
  readonly sequences: number;
}

/**
 * Puts sequences into rows. The first token of a sequence is no target: nothing before it predicts it. Joined ones are one
 * sequence in this. `lengths` are those of the sequences.
 */
export const collateSegments = (packs: readonly Omit<Pack, "at">[], length: number, padId: number): Segments => {
  const cells = packs.length * length;
  const all: readonly Sequence[] = packs.flatMap(({ sequences }) => sequences);
  const ids = new Int32Array(cells).fill(padId);
  const mask = new Float32Array(cells);
  const starts = new Int32Array(cells);
  const owners = new Int32Array(cells).fill(all.length);
  let owner = 0;
  packs.forEach(({ sequences, joined }, row) => {
    let next = 0;
    for (const sequence of sequences) {
      const [at, begins] = [row * length + next, joined ? 0 : next];
      ids.set(sequence.ids, at);
      for (let t = 0; t < sequence.ids.length; t++) {
        starts[at + t] = begins;
        owners[at + t] = owner;
      }
      for (const [from, to] of learnedSpans(sequence))
        for (let t = from; t < to; t++) mask[at + t] = next + t > begins ? 1 : 0;
      next += sequence.ids.length;
      owner++;
    }
    starts.fill(next, row * length + next, (row + 1) * length);
  });
  const lengths = Int32Array.from(all, (sequence) => sequence.ids.length);
  return { rows: packs.length, length, ids, mask, starts, owners, sequences: all.length, lengths };
};

/** Rounded up to a sixteenth of the power of two that holds n, at least 8: few numbers occur, and none more than a little off. */
export const inSixteenths = (n: number): number => {
  const step = Math.max(8, 2 ** Math.ceil(Math.log2(Math.max(1, n))) / 16);
  return Math.ceil(n / step) * step;
};
