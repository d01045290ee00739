import type { Rows, SourceOptions, TrainingBatch } from "../rows.js";
import type { Sequence } from "../sequence.js";
import { collateSegments, inSixteenths, type Segments } from "./segments.js";

/** Tokens of each row, all its sequences together, by its number. */
const tokensOf = <T>(rows: Rows<T>, sequences: (row: T) => readonly Sequence[]): ((index: number) => number) => {
  let counted: Int32Array | undefined;
  return (index) => {
    counted ??= Int32Array.from({ length: rows.length }, (_, i) =>
      sequences(rows.at(i) as T).reduce((sum, { ids }) => sum + ids.length, 0),
    );
    return counted[index];
  };
};

/** A sequence that is not there. */
const EMPTY: Sequence = { ids: [], completionStart: 0 };

const filled = (some: readonly Sequence[], count: number): Sequence[] =>
  Array.from({ length: count }, (_, i) => some[i] ?? EMPTY);

/** How the sequences of a batch share a row: the first of every row, then the second, with empty ones for those that are missing. */
export const oneRow = <T>(
  rows: Rows<T>,
  { padId, batchSize }: SourceOptions,
  sequences: (row: T) => readonly Sequence[],
) => {
  const tokens = tokensOf(rows, sequences);
  const longestOf = (indices: readonly number[]): number => indices.reduce((sum, i) => sum + tokens(i), 0);
  return {
    ...{ longestOf, rounded: inSixteenths },
    together: (chosen: readonly T[]): Segments => {
      const each = chosen.map(sequences);
      // A worker's part of a batch may hold no row.
      const sides = each[0] ?? sequences(rows.at(0) as T);
      const all = sides.flatMap((_, side) =>
        filled(
          each.map((row) => row[side]),
          batchSize,
        ),
      );
      const length = inSixteenths(all.reduce((sum, { ids }) => sum + ids.length, 0));
      return collateSegments([{ sequences: all, joined: false }], length, padId);
    },
  };
};

/** Segments of which no sum is asked by sequence, so that batches of any number of them have one shape. */
export const unowned = ({ owners: _, sequences: __, ...batch }: Segments): TrainingBatch => batch;
