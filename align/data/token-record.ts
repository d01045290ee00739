import { Buffer } from "../../models/platform/node/globals.js";
import type { Sequence, Span } from "./sequence.js";

/** How a row is taken apart into sequences of tokens, and made again. */
export interface RowForm<T> {
  readonly sequences: (row: T) => readonly Sequence[];
  /** A number that belongs to the row. Default 0. */
  readonly label?: (row: T) => number;
  readonly row: (sequences: readonly Sequence[], label: number, at: string) => T;
}

/** A row as it is stored. */
export interface PackedRow {
  readonly bytes: Uint8Array;
  /** Of these, what belongs to its content: all but where the row stands. */
  readonly content: number;
  /** Tokens of its longest sequence. */
  readonly longest: number;
}

/**
 * A record is words of 32 bits: number of sequences, label; of each sequence its completionStart, its length and how
 * many spans it has (−1: none are given); the spans of all; the tokens of all; `at` in UTF-8, filled up to whole words with zeros.
 */
export const packed = <T extends { readonly at?: string }>(row: T, form: RowForm<T>): PackedRow => {
  const at = Buffer.from(row.at ?? "", "utf8");
  const sequences = form.sequences(row);
  const heads = [
    ...sequences.flatMap(({ completionStart, ids, spans }) => [completionStart, ids.length, spans?.length ?? -1]),
    ...sequences.flatMap(({ spans = [] }) => spans.flat()),
  ];
  const tokens = sequences.reduce((sum, { ids }) => sum + ids.length, 0);
  const words = new Int32Array(2 + heads.length + tokens + Math.ceil(at.length / 4));
  words.set([sequences.length, form.label?.(row) ?? 0, ...heads]);
  let next = 2 + heads.length;
  for (const { ids } of sequences) {
    words.set(ids, next);
    next += ids.length;
  }
  new Uint8Array(words.buffer, 4 * next).set(at);
  return {
    bytes: new Uint8Array(words.buffer),
    content: 4 * next,
    longest: Math.max(...sequences.map(({ ids }) => ids.length)),
  };
};

/** A row out of its words. */
export const unpacked = <T>(words: Int32Array<ArrayBuffer>, form: Pick<RowForm<T>, "row">): T => {
  const [count, label] = words;
  let next = 2 + 3 * count;
  const heads = Array.from({ length: count }, (_, i) => {
    const [completionStart, length, many] = words.subarray(2 + 3 * i);
    if (many < 0) return { completionStart, length };
    const spans = Array.from({ length: many }, (__, k): Span => [words[next + 2 * k], words[next + 2 * k + 1]]);
    next += 2 * many;
    return { completionStart, length, spans };
  });
  const sequences = heads.map(({ length, ...head }): Sequence => {
    const ids = Array.from(words.subarray(next, next + length));
    next += length;
    return { ids, ...head };
  });
  const at = Buffer.from(words.buffer, 4 * next).toString("utf8");
  return form.row(sequences, label, at.replaceAll("\0", ""));
};
