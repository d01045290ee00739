import type { Rows } from "../../align/data/rows.js";
import type { LabelledSequence, Sequence, TokenPair } from "../../align/data/sequence.js";

/** Rows of `length` tokens each, all of them to be learned: the most that rows of that length can take. */
const rowsOf = <T>(count: number, length: number, make: (sequence: Sequence) => T): Rows<T> => {
  const row = make({ ids: new Array<number>(length).fill(0), completionStart: 1 });
  return { length: count, at: () => row, lengths: new Int32Array(count).fill(length) };
};

/** What each training command reads. */
export const fullRows = {
  sft: (count: number, length: number): Rows<Sequence> => rowsOf(count, length, (sequence) => sequence),
  dpo: (count: number, length: number): Rows<TokenPair> =>
    rowsOf(count, length, (sequence) => ({ chosen: sequence, rejected: sequence })),
  kto: (count: number, length: number): Rows<LabelledSequence> =>
    rowsOf(count, length, (sequence) => ({ ...sequence, label: true })),
} as const;
