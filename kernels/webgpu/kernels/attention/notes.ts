import type { View } from "../../../plan/steps.js";
import type { Builder } from "../../wgsl/module.js";
import type { Engine } from "./engine.js";
import type { Sizes } from "./operands.js";

/** What the gradient's kernel of queries leaves for that of keys. */
export interface Noted {
  /**
   * Of each query log Σ e^score, then of each δ; where there is a lower bound, of each block of queries the slots that it sees;
   * for matrix units, of each the bits of its largest |ct| and |ct·v|.
   */
  readonly notes: View;
  /** Queries of a block: a workgroup's, which share a sequence and a head of keys. */
  readonly block: number;
  readonly hasFrom: boolean;
  /** Matrix units take f16: what is rounded to it is brought into its range by notes on how large it is. */
  readonly units: Engine | undefined;
}

/** Blocks of queries that share a sequence and a head of keys. */
const blocksOf = ({ time, share }: Sizes, block: number): number => Math.ceil((time * share) / block);

/** Words of notes that a sequence needs. */
export const noteWords = (sizes: Sizes, { block, hasFrom, units }: Omit<Noted, "notes">): number =>
  2 * sizes.time * sizes.heads +
  [hasFrom, units !== undefined].filter((is) => is).length * 2 * sizes.groups * blocksOf(sizes, block);

/** Text about notes; sees `b` and `g`. */
export const notesOf = (k: Builder, { notes, block, hasFrom, units }: Noted, sizes: Sizes, mode: "read" | "write") => {
  const numbers = k.buffer(notes.buffer, "f32", mode);
  const queries = sizes.batch * sizes.time * sizes.heads;
  const [levels, deltas] = [k.param(notes.offset), k.param(notes.offset + queries)];
  const ofQuery = (from: string) => ({
    load: (place: string) => numbers.load(`${from} + ${place}`),
    store: (place: string, value: string) => numbers.store(`${from} + ${place}`, value),
  });
  /** Two words of each block of queries. */
  const pairs = (from: number) => {
    const words = k.buffer(notes.buffer, "u32", mode);
    const [table, count, G] = [notes.offset + from, blocks, sizes.groups].map((n) => k.param(n));
    const place = (of: string) => `${table} + 2u * ((b * ${G} + g) * ${count} + ${of})`;
    return {
      count,
      store: (of: string, first: string, second: string) => [
        "{",
        `  let noted = ${place(of)};`,
        `  ${words.store("noted", first)}`,
        `  ${words.store("noted + 1u", second)}`,
        "}",
      ],
      first: (of: string) => words.load(place(of)),
      second: (of: string) => words.load(`${place(of)} + 1u`),
    };
  };
  const blocks = blocksOf(sizes, block);
  const afterRanges = 2 * queries + (hasFrom ? 2 * sizes.batch * sizes.groups * blocks : 0);
  return {
    ...{ level: ofQuery(levels), delta: ofQuery(deltas) },
    /** Slots from the first to the second, which may be none. */
    ranges: hasFrom ? pairs(2 * queries) : undefined,
    peaks: units === undefined ? undefined : pairs(afterRanges),
  };
};
