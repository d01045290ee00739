import type { HostData } from "../../core/index.js";
import { type Batch, collate, planBatches } from "./batch.js";
import { oneRow, unowned } from "./packing/one-row.js";
import { inSixteenths } from "./packing/segments.js";
import type { Sequence, TokenPair } from "./tokenize.js";

/** Rows by number: an array, or a file that is read on demand. */
export interface Rows<T> {
  readonly length: number;
  /** Row `index`, from 0 to length − 1. */
  readonly at: (index: number) => T | undefined;
  /** Tokens of each row's longest sequence, where they are known without reading all rows. */
  readonly lengths?: Int32Array;
}

/** What a training step reads: a block of right-padded sequences, on the host. */
export interface TrainingBatch extends Pick<Batch, "ids" | "mask" | "rows" | "length"> {
  /** [rows] tokens before the padding; for counting tokens. Default: all of them. */
  readonly lengths?: Int32Array;
  /** Pairs, and KTO: how many of the rows/2 pairs (answers) are real; the rest is padding. Default: all. */
  readonly examples?: number;
  /** Pairs, and KTO: log-probabilities of the completions under the reference, [rows]. Default: computed in the loop. */
  readonly reference?: HostData;
  /** Epochs done once this batch is: 0.25 after the first of four. */
  readonly epoch?: number;
  /** True for the last batch of an epoch: a step never gathers gradients across it. */
  readonly endsEpoch?: boolean;
  /**
   * Where rows hold several sequences: the first slot of each token's own, and which it is of, [rows · length]; how many
   * there are. Pairs are then counted, and `reference` is given, by sequence.
   */
  readonly starts?: Int32Array;
  readonly owners?: Int32Array;
  readonly sequences?: number;
  /** KTO only: 1 where an answer is wanted, else 0, [rows/2]; the other half of the rows is mismatched answers. */
  readonly desirable?: Float32Array;
  /** Where the rows come from ("file:line"), those of padding left out. */
  readonly rowIds?: readonly string[];
}

/** Batches by number, from 0 without end: what a resumed run needs is only the number of the next one. */
export interface BatchSource {
  readonly batchesPerEpoch: number;
  readonly at: (index: number) => TrainingBatch;
  /** Tokens of batch `index`, padding included, without making it: how a run's largest batch is found. */
  readonly lengthAt: (index: number) => number;
}

export interface SourceOptions {
  readonly batchSize: number;
  readonly padId: number;
  /** Decides the order of every epoch. Default 0. */
  readonly seed?: number;
  /** False: file order in every epoch. Default true. */
  readonly shuffle?: boolean;
  /** True: rows of about equal length share a batch, so that less is padded. Default false. */
  readonly groupByLength?: boolean;
  /** True: a last batch of an epoch that is not full is left out. Default false: it is filled up with rows that carry no target. */
  readonly dropLast?: boolean;
  /** True: the sequences of a batch stand in one row, one after the other, and none sees another. Default false. */
  readonly paddingFree?: boolean;
  /**
   * Lengths are rounded up to a multiple of this. Default: such that at most four lengths, so four programs, occur; rows by
   * length to sixteenths of powers of two, so that little is padded.
   */
  readonly bucket?: number;
}

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
  /** Tokens of the longest sequence in a batch of those rows. Default: of the longest row. */
  readonly longestOf?: (indices: readonly number[]) => number;
  /** What a batch's length is rounded up to. Default: as `bucket` says. */
  readonly rounded?: (length: number) => number;
  /** The batch of some rows, with their numbers, padded to `length`, which may not be less than they take. */
  readonly collated: (rows: readonly T[], indices: readonly number[], length: number) => TrainingBatch;
}

/** Cuts rows into batches by a plan: every number gives the same batch, whichever were asked for before. */
export const rowSource = <T extends { readonly at?: string }>(
  rows: Rows<T>,
  { batchSize, seed = 0, shuffle = true, groupByLength = false, dropLast, bucket }: SourceOptions,
  { longest, longestOf, rounded, collated }: RowKind<T>,
): BatchSource => {
  const row = (index: number): T => rows.at(index) as T;
  const lengths = rows.lengths ?? Int32Array.from({ length: rows.length }, (_, i) => longest(row(i)));
  const multiple = bucket ?? quarterBucket(lengths.reduce((most, length) => Math.max(most, length), 1));
  const plan = planBatches({
    ...{ rows: rows.length, batchSize, seed, shuffle, dropLast },
    ...(groupByLength && { lengths }),
  });
  const inMultiples = (length: number): number => Math.ceil(length / multiple) * multiple;
  const round = rounded ?? (groupByLength && bucket === undefined ? inSixteenths : inMultiples);
  const most = longestOf ?? ((indices) => indices.reduce((n, i) => Math.max(n, lengths[i]), 1));
  return {
    batchesPerEpoch: plan.batchesPerEpoch,
    lengthAt: (index) => round(most(plan.at(index).rows)),
    at: (index) => {
      const indices = plan.at(index).rows;
      const chosen = indices.map(row);
      return {
        ...collated(chosen, indices, round(most(indices))),
        epoch: (index + 1) / plan.batchesPerEpoch,
        endsEpoch: (index + 1) % plan.batchesPerEpoch === 0,
        rowIds: chosen.map(({ at }, i) => at ?? `row ${indices[i] + 1}`),
      };
    },
  };
};

/** Batches of `batchSize` sequences; the last one of an epoch is filled up with rows that carry no target. */
export const sequenceSource = (sequences: Rows<Sequence>, options: SourceOptions): BatchSource => {
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

export interface PairSourceOptions extends SourceOptions {
  /** One a pair, from `referenceLogps`; without them the training loop asks the reference model. */
  readonly reference?: Rows<ReferencePair>;
}

/** Batches of `batchSize` pairs, [chosen …; rejected …]; the last one of an epoch is filled up with empty pairs. */
export const pairSource = (pairs: Rows<TokenPair>, options: PairSourceOptions): BatchSource => {
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
export function* batchesFrom({ at }: BatchSource, first = 0): Generator<TrainingBatch, never> {
  for (let index = first; ; index++) yield at(index);
}

/** One epoch of a source; made anew each time it is walked through. */
export const oneEpoch = ({ at, batchesPerEpoch }: BatchSource): Iterable<TrainingBatch> => ({
  *[Symbol.iterator]() {
    for (let index = 0; index < batchesPerEpoch; index++) yield at(index);
  },
});

/** Steps of a run, as Hugging Face's Trainer counts them: a group of batches never crosses the end of an epoch. */
export const stepsOf = (
  batchesPerEpoch: number,
  { accumulation = 1, epochs }: { readonly accumulation?: number; readonly epochs: number },
): number => Math.ceil(epochs * Math.ceil(batchesPerEpoch / accumulation));
