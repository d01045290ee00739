import { InputError } from "../../core/errors.js";
import { asks, expects } from "../../core/expects.js";
import { collate, planBatches } from "./batch.js";
import { oneRow, unowned } from "./packing/one-row.js";
import { inSixteenths } from "./packing/segments.js";
import type { BatchSource, Rows, SourceOptions, TrainingBatch } from "./rows.js";
import type { Sequence, TokenPair } from "./sequence.js";

/** A quarter of the power of two that holds the longest sequence, at least 8. */
const quarterBucket = (longest: number): number => Math.max(8, 2 ** Math.ceil(Math.log2(Math.max(1, longest))) / 4);

/** Rows of padding: they carry no target. */
const nothing = (padId: number): Sequence => ({ ids: [padId], completionStart: 1 });

export const padded = <T>(items: readonly T[], count: number, filler: T): T[] =>
  Array.from({ length: count }, (_, i) => items[i] ?? filler);

/** What a source of its own kind of rows has to say of them. */
interface RowKind<T> {
  /** Tokens of a row's longest sequence. */
  readonly longest: (row: T) => number;
  /**
   * Tokens of the longest sequence in a batch of those rows. Default: of the longest row. `before`: the row before the first of them,
   * in a circle.
   */
  readonly longestOf?: (indices: readonly number[], before: number | undefined) => number;
  /** What a batch's length is rounded up to. Default: as `bucket` says. */
  readonly rounded?: (length: number) => number;
  /** The batch of some rows, with their numbers, padded to `length`, which may not be less than they take. */
  readonly collated: (
    rows: readonly T[],
    indices: readonly number[],
    length: number,
    before: T | undefined,
  ) => TrainingBatch;
}

/** A batch of more is a slip of the hand: its numbers alone would fill a host's memory. */
const MOST_TOKENS = 2 ** 24;

/**
 * Cuts rows into batches by a plan: every number gives the same batch, whichever were asked for before. Errors: InputError for
 * batches of more than 2²⁴ tokens.
 */
export const rowSource = asks(
  "rowSource",
  "rows record record",
  <T extends { readonly at?: string }>(
    rows: Rows<T>,
    { batchSize, seed = 0, shuffle = true, groupByLength = false, dropLast, bucket, share }: SourceOptions,
    { longest, longestOf, rounded, collated }: RowKind<T>,
  ): BatchSource => {
    const row = (index: number): T => rows.at(index) as T;
    const lengths = rows.lengths ?? Int32Array.from({ length: rows.length }, (_, i) => longest(row(i)));
    const longestRow = lengths.reduce((most, length) => Math.max(most, length), 1);
    if (batchSize * longestRow > MOST_TOKENS)
      throw new InputError(
        `a batch of ${batchSize} rows of up to ${longestRow} tokens takes ${batchSize * longestRow} tokens, and at most ${MOST_TOKENS} are computed at a time; make the batch smaller (gradient_accumulation_steps makes up for it)`,
      );
    const multiple = bucket ?? quarterBucket(longestRow);
    const plan = planBatches({
      ...{ rows: rows.length, batchSize: batchSize * (share?.of ?? 1), seed, shuffle, dropLast },
      ...(groupByLength && { lengths }),
    });
    const inMultiples = (length: number): number => Math.ceil(length / multiple) * multiple;
    const round = rounded ?? (groupByLength && bucket === undefined ? inSixteenths : inMultiples);
    const most = longestOf ?? ((indices) => indices.reduce((n, i) => Math.max(n, lengths[i]), 1));
    /** Numbers of the rows of a batch's part, and of the row before them. */
    const partAt = (index: number) => {
      const all = plan.at(index).rows;
      const from = (share?.part ?? 0) * batchSize;
      return { indices: all.slice(from, from + batchSize), before: all.at(from - 1) };
    };
    const lengthOf = ({ indices, before }: ReturnType<typeof partAt>): number => round(most(indices, before));
    return {
      batchesPerEpoch: plan.batchesPerEpoch,
      lengthAt: (index) => lengthOf(partAt(index)),
      at: (index) => {
        const part = partAt(index);
        const { indices, before } = part;
        const chosen = indices.map(row);
        return {
          ...collated(chosen, indices, lengthOf(part), before === undefined ? undefined : row(before)),
          epoch: (index + 1) / plan.batchesPerEpoch,
          endsEpoch: (index + 1) % plan.batchesPerEpoch === 0,
          rowIds: chosen.map(({ at }, i) => at ?? `row ${indices[i] + 1}`),
        };
      },
    };
  },
);

/** Batches of `batchSize` sequences; the last one of an epoch is filled up with rows that carry no target. */
export const sequenceSource = (sequences: Rows<Sequence>, options: SourceOptions): BatchSource => {
  expects("sequenceSource", "rows record", sequences, options);
  const { batchSize, padId, paddingFree } = options;
  const { together, ...lengths } = oneRow(sequences, options, (row) => [row]);
  return rowSource(sequences, options, {
    longest: ({ ids }) => ids.length,
    ...(paddingFree && lengths),
    collated: (rows, _indices, length) => {
      if (paddingFree) return unowned(together(rows));
      const batch = collate(padded(rows, batchSize, nothing(padId)), { padId, bucket: length });
      return { ...batch, lengths: batch.lengths.slice(0, rows.length) };
    },
  });
};

/** Log-probabilities of a pair's completions under the reference. */
export type ReferencePair = readonly [chosen: number, rejected: number];

/** Both numbers of some rows, [first ones …; second ones …] with 0 for padding; [2 · batchSize]. */
export const knownOf = (
  reference: Rows<ReferencePair>,
  indices: readonly number[],
  batchSize: number,
): Float64Array => {
  const out = new Float64Array(2 * batchSize);
  indices.forEach((index, i) => {
    [out[i], out[batchSize + i]] = reference.at(index) as ReferencePair;
  });
  return out;
};

/** How pairs become batches. */
export interface PairSourceOptions extends SourceOptions {
  /** One a pair, from `referenceLogps`; without them the training loop asks the reference model. */
  readonly reference?: Rows<ReferencePair>;
}

/** Batches of `batchSize` pairs, [chosen …; rejected …]; the last one of an epoch is filled up with empty pairs. */
export const pairSource = (pairs: Rows<TokenPair>, options: PairSourceOptions): BatchSource => {
  expects("pairSource", "rows record", pairs, options);
  const { batchSize, padId, reference, paddingFree } = options;
  const { together, ...lengths } = oneRow(pairs, options, ({ chosen, rejected }) => [chosen, rejected]);
  return rowSource(pairs, options, {
    longest: ({ chosen, rejected }) => Math.max(chosen.ids.length, rejected.ids.length),
    ...(paddingFree && lengths),
    collated: (rows, indices, length) => {
      const known = reference && knownOf(reference, indices, batchSize);
      if (paddingFree) return { ...together(rows), examples: rows.length, reference: known };
      const side = (pick: (row: TokenPair) => Sequence) => padded(rows.map(pick), batchSize, nothing(padId));
      const sequences = [...side(({ chosen }) => chosen), ...side(({ rejected }) => rejected)];
      const batch = collate(sequences, { padId, bucket: length });
      const real = rows.length;
      return {
        ...batch,
        lengths: batch.lengths.filter((_, i) => i % batchSize < real),
        examples: real,
        reference: known,
      };
    },
  });
};

/** The batches of a source, from number `first` on, without end. */
export function* batchesFrom(source: BatchSource, first = 0): Generator<TrainingBatch, never> {
  expects("batchesFrom", "record number", source, first);
  for (let index = first; ; index++) yield source.at(index);
}

/** One epoch of a source; made anew each time it is walked through. */
export const oneEpoch = asks(
  "oneEpoch",
  "record",
  ({ at, batchesPerEpoch }: BatchSource): Iterable<TrainingBatch> => ({
    *[Symbol.iterator]() {
      for (let index = 0; index < batchesPerEpoch; index++) yield at(index);
    },
  }),
);

/** Steps of a run, as Hugging Face's Trainer counts them: a group of batches never crosses the end of an epoch. */
export const stepsOf = asks(
  "stepsOf",
  "number record",
  (
    batchesPerEpoch: number,
    { accumulation = 1, epochs }: { readonly accumulation?: number; readonly epochs: number },
  ): number => Math.ceil(epochs * Math.ceil(batchesPerEpoch / accumulation)),
);
