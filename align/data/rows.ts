import type { HostData } from "../../core/index.js";
import type { Batch } from "./batch.js";

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

/** How rows become batches. */
export interface SourceOptions {
  readonly batchSize: number;
  readonly padId: number;
  /**
   * Which part of every batch this is, where several workers share its rows: a batch then has `of` times `batchSize` rows, of which
   * the part has `batchSize`. Default: all of it.
   */
  readonly share?: { readonly part: number; readonly of: number };
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
