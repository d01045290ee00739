import type { View } from "../../../plan/steps.js";
import type { Builder } from "../../wgsl/module.js";
import type { Sizes } from "./operands.js";

/** What the gradient's kernel of queries leaves for that of keys. */
export interface Noted {
  /** Of each query log Σ e^score, then of each δ; where there is a lower bound, of each block of queries the slots that it sees. */
  readonly notes: View;
  /** Queries of a block: a workgroup's, which share a sequence and a head of keys. */
  readonly block: number;
  readonly hasFrom: boolean;
}

/** Blocks of queries that share a sequence and a head of keys. */
const blocksOf = ({ time, share }: Sizes, block: number): number => Math.ceil((time * share) / block);

/** Words of notes that a sequence needs. */
export const noteWords = (sizes: Sizes, block: number, hasFrom: boolean): number =>
  2 * sizes.time * sizes.heads + (hasFrom ? 2 * sizes.groups * blocksOf(sizes, block) : 0);

/** Text about notes; sees `b` and `g`. */
export const notesOf = (k: Builder, { notes, block, hasFrom }: Noted, sizes: Sizes, mode: "read" | "write") => {
  const numbers = k.buffer(notes.buffer, "f32", mode);
  const queries = sizes.batch * sizes.time * sizes.heads;
  const [levels, deltas] = [k.param(notes.offset), k.param(notes.offset + queries)];
  const ofQuery = (from: string) => ({
    load: (place: string) => numbers.load(`${from} + ${place}`),
    store: (place: string, value: string) => numbers.store(`${from} + ${place}`, value),
  });
  const ranges = () => {
    const words = k.buffer(notes.buffer, "u32", mode);
    const [table, count] = [notes.offset + 2 * queries, blocksOf(sizes, block)].map((n) => k.param(n));
    const place = (of: string) => `${table} + 2u * ((b * ${k.param(sizes.groups)} + g) * ${count} + ${of})`;
    return {
      count,
      /** Notes the slots from `start` to `end`, which may be none. */
      store: (of: string, start: string, end: string) => [
        `let noted = ${place(of)};`,
        words.store("noted", start),
        words.store("noted + 1u", end),
      ],
      /** Does the block see any of the slots from `first` to `last`? */
      meets: (of: string, first: string, last: string) =>
        `${words.load(place(of))} < ${last} && ${words.load(`${place(of)} + 1u`)} > ${first}`,
    };
  };
  return { level: ofQuery(levels), delta: ofQuery(deltas), ranges: hasFrom ? ranges() : undefined };
};
