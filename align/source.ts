import type { HostData } from "../core/index.js";
import { type Batch, collate, planBatches } from "./batch.js";
import type { Sequence, TokenPair } from "./tokenize.js";

/** What a training step reads: a block of right-padded sequences, on the host. */
export interface TrainingBatch extends Pick<Batch, "ids" | "mask" | "rows" | "length"> {
  /** [rows] tokens before the padding; for counting tokens. Default: all of them. */
  readonly lengths?: Int32Array;
  /** Pairs only: how many of the rows/2 pairs are real; the rest is padding. Default: all. */
  readonly examples?: number;
  /** Pairs only: log-probabilities of the rows' completions under the reference, [rows]. Default: computed in the loop. */
  readonly reference?: HostData;
  /** Epochs done once this batch is: 0.25 after the first of four. */
  readonly epoch?: number;
  /** True for the last batch of an epoch: a step never gathers gradients across it. */
  readonly endsEpoch?: boolean;
}

/** Batches by number, from 0 without end: what a resumed run needs is only the number of the next one. */
export interface BatchSource {
  readonly batchesPerEpoch: number;
  readonly at: (index: number) => TrainingBatch;
}

export interface SourceOptions {
  readonly batchSize: number;
  readonly padId: number;
  /** Decides the order of every epoch. Default 0. */
  readonly seed?: number;
  /** False: file order in every epoch. Default true. */
  readonly shuffle?: boolean;
  /** Lengths are rounded up to a multiple of this. Default: such that at most four lengths, so four programs, occur. */
  readonly bucket?: number;
}

/** A quarter of the power of two that holds the longest sequence, at least 8. */
const quarterBucket = (longest: number): number => Math.max(8, 2 ** Math.ceil(Math.log2(Math.max(1, longest))) / 4);

const longestOf = (sequences: readonly Sequence[]): number =>
  sequences.reduce((longest, { ids }) => Math.max(longest, ids.length), 1);

/** Rows of padding: they carry no target. */
const nothing = (padId: number): Sequence => ({ ids: [padId], completionStart: 1 });

const padded = <T>(items: readonly T[], count: number, filler: T): T[] =>
  Array.from({ length: count }, (_, i) => items[i] ?? filler);

/** Cuts rows into batches by a plan; `collated` makes the batch of some row numbers. */
const source = (
  rows: number,
  { batchSize, seed = 0, shuffle = true }: SourceOptions,
  collated: (rows: readonly number[]) => TrainingBatch,
): BatchSource => {
  const plan = planBatches({ rows, batchSize, seed, shuffle });
  return {
    batchesPerEpoch: plan.batchesPerEpoch,
    at: (index) => ({
      ...collated(plan.at(index).rows),
      epoch: (index + 1) / plan.batchesPerEpoch,
      endsEpoch: (index + 1) % plan.batchesPerEpoch === 0,
    }),
  };
};

/** Batches of `batchSize` sequences; the last one of an epoch is filled up with rows that carry no target. */
export const sequenceSource = (sequences: readonly Sequence[], options: SourceOptions): BatchSource => {
  const { batchSize, padId, bucket = quarterBucket(longestOf(sequences)) } = options;
  return source(sequences.length, options, (rows) => {
    const chosen = rows.map((row) => sequences[row]);
    const batch = collate(padded(chosen, batchSize, nothing(padId)), { padId, bucket });
    return { ...batch, lengths: batch.lengths.slice(0, rows.length) };
  });
};

/** Log-probabilities of a pair's completions under the reference. */
export type ReferencePair = readonly [chosen: number, rejected: number];

export interface PairSourceOptions extends SourceOptions {
  /** One a pair, from `referenceLogps`; without them the training loop asks the reference model. */
  readonly reference?: readonly ReferencePair[];
}

/** Batches of `batchSize` pairs, [chosen …; rejected …]; the last one of an epoch is filled up with empty pairs. */
export const pairSource = (pairs: readonly TokenPair[], options: PairSourceOptions): BatchSource => {
  const { batchSize, padId, reference } = options;
  const longest = longestOf(pairs.flatMap(({ chosen, rejected }) => [chosen, rejected]));
  const { bucket = quarterBucket(longest) } = options;
  return source(pairs.length, options, (rows) => {
    const side = (pick: (row: number) => Sequence) => padded(rows.map(pick), batchSize, nothing(padId));
    const sequences = [...side((row) => pairs[row].chosen), ...side((row) => pairs[row].rejected)];
    const batch = collate(sequences, { padId, bucket });
    const real = rows.length;
    return {
      ...batch,
      lengths: batch.lengths.filter((_, i) => i % batchSize < real),
      examples: real,
      reference:
        reference &&
        Float64Array.from(sequences, (_, i) =>
          i % batchSize < real ? reference[rows[i % batchSize]][i < batchSize ? 0 : 1] : 0,
        ),
    };
  });
};

/** The batches of a source, from number `first` on, without end. */
export function* batchesFrom({ at }: BatchSource, first = 0): Generator<TrainingBatch, never> {
  for (let index = first; ; index++) yield at(index);
}

/** One epoch of a source. */
export const oneEpoch = ({ at, batchesPerEpoch }: BatchSource): TrainingBatch[] =>
  Array.from({ length: batchesPerEpoch }, (_, i) => at(i));

/** Steps of a run, as Hugging Face's Trainer counts them: a group of batches never crosses the end of an epoch. */
export const stepsOf = (
  batchesPerEpoch: number,
  { accumulation = 1, epochs }: { readonly accumulation?: number; readonly epochs: number },
): number => Math.ceil(epochs * Math.ceil(batchesPerEpoch / accumulation));
