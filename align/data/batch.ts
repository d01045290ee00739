import { InputError } from "../../core/errors.js";
import { asks } from "../../core/expects.js";
import type { Sequence, TokenPair } from "./sequence.js";
import { learnedSpans } from "./sequence.js";

/** Sequences as one right-padded block, B rows of T tokens, all arrays row-major. */
export interface Batch {
  readonly rows: number;
  readonly length: number;
  /** [B, T] token ids; padding after a row's end. */
  readonly ids: Int32Array;
  /** [B, T] 1 where the token *at* t is a loss target (position t−1 predicts it). Never at t = 0, never on padding. */
  readonly mask: Float32Array;
  /** [B, T] shifted targets: the token that position t has to predict, −100 where it has none. */
  readonly labels: Int32Array;
  /** [B] tokens before the padding. */
  readonly lengths: Int32Array;
}

/** How a batch is padded. */
export interface CollateOptions {
  /** What stands after a row's end. Causal attention never lets it be seen; it must only be in the vocabulary. */
  readonly padId: number;
  /** T is rounded up to a multiple of this, so that few lengths, and so few compiled programs, occur. Default 8. */
  readonly bucket?: number;
}

/** Marks positions without target, as PyTorch's cross-entropy does. */
export const ignoredLabel = -100;

/** Pads sequences to one block. Zero sequences give a block of zero rows. */
export const collate = asks(
  "collate",
  "records record",
  (sequences: readonly Sequence[], { padId, bucket = 8 }: CollateOptions): Batch => {
    const longest = sequences.reduce((most, { ids }) => Math.max(most, ids.length), 1);
    const length = Math.ceil(longest / bucket) * bucket;
    const size = sequences.length * length;
    const ids = new Int32Array(size).fill(padId);
    const mask = new Float32Array(size);
    const labels = new Int32Array(size).fill(ignoredLabel);
    sequences.forEach((sequence, row) => {
      const at = row * length;
      ids.set(sequence.ids, at);
      for (const [from, to] of learnedSpans(sequence))
        for (let t = Math.max(1, from); t < to; t++) {
          mask[at + t] = 1;
          labels[at + t - 1] = sequence.ids[t];
        }
    });
    return {
      rows: sequences.length,
      length,
      ids,
      mask,
      labels,
      lengths: Int32Array.from(sequences, (s) => s.ids.length),
    };
  },
);

/** Rounded up to a quarter of the power of two that holds n, at least 64: few numbers occur, and none far off. */
const inQuarters = (n: number): number => {
  const step = Math.max(64, 2 ** Math.ceil(Math.log2(n)) / 4);
  return Math.ceil(n / step) * step;
};

/**
 * The flat positions n·T + t of a block that predict a target (the token at t+1), in order: what goes through the output
 * matrix. i32 [M], filled up with N·T, which is no position, so that few M, and so few compiled programs, occur; M ≤ N·T.
 * `parts` 2: [2M], those of the first half of the rows and those of the second, each filled up to M ≤ N/2·T.
 */
export const targetPositions = (
  { mask, rows, length }: Pick<Batch, "mask" | "rows" | "length">,
  parts: 1 | 2 = 1,
): Int32Array => {
  const found: number[][] = Array.from({ length: parts }, () => []);
  for (let i = 1; i < rows * length; i++)
    if (i % length > 0 && mask[i] > 0) found[Math.floor((i * parts) / (rows * length))].push(i - 1);
  const most = Math.max(1, ...found.map((part) => part.length));
  const M = Math.min(inQuarters(most), (rows * length) / parts);
  const out = new Int32Array(parts * M).fill(rows * length);
  found.forEach((part, k) => {
    out.set(part, k * M);
  });
  return out;
};

/** Pairs as one block of 2B rows, [chosen …; rejected …], as TRL stacks them. */
export const collatePairs = asks(
  "collatePairs",
  "records record",
  (pairs: readonly TokenPair[], options: CollateOptions): Batch =>
    collate([...pairs.map(({ chosen }) => chosen), ...pairs.map(({ rejected }) => rejected)], options),
);

/** A usable padding id: the tokenizer's, else its end token, as long as the model's table has it; else 0. */
export const paddingId = asks(
  "paddingId",
  "record number",
  (
    { padId, eosId }: { readonly padId: number | undefined; readonly eosId: number | undefined },
    vocabSize: number,
  ): number => {
    const id = padId ?? eosId ?? 0;
    return id < vocabSize ? id : 0;
  },
);

/** 32 well-mixed bits of (seed, epoch, counter): murmur3's finalizer over a Weyl sequence. Same everywhere. */
const mix = (seed: number, epoch: number, counter: number): number => {
  let h = 0;
  for (const word of [seed, Math.floor(seed / 2 ** 32), epoch, counter]) {
    h = (h ^ Math.imul(word, 0x9e3779b1)) >>> 0;
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    h = (h ^ (h >>> 16)) + 0x6d2b79f5;
  }
  return h >>> 0;
};

/** The order in which epoch `epoch` visits n rows: a permutation of 0 … n−1, a pure function of its arguments. */
export const epochOrder = (seed: number, epoch: number, n: number): number[] => {
  const order = Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = Math.floor((mix(seed, epoch, i) / 2 ** 32) * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
};

/** So many batches are sorted by length together; fewer where there would not be four such groups. */
const SORTED_BATCHES = 50;

/**
 * An order in which rows of about equal length follow each other: a given one is cut into groups, each sorted, longest
 * first, and the longest row of all comes first, so that memory runs out at once or never.
 * Source: get_length_grouped_indices of huggingface/transformers 5.
 */
export const groupedByLength = (
  order: readonly number[],
  lengths: ArrayLike<number>,
  batchSize: number,
): readonly number[] => {
  const size = batchSize * Math.max(1, Math.min(SORTED_BATCHES, Math.floor(order.length / (4 * batchSize))));
  const out: number[] = [];
  let first = 0;
  for (let from = 0; from < order.length; from += size) {
    const group = order.slice(from, from + size).sort((a, b) => lengths[b] - lengths[a]);
    if (lengths[group[0]] > lengths[out[first] ?? group[0]]) first = from;
    for (const row of group) out.push(row); // a spread of 100 000 would overflow the stack
  }
  if (first > 0) [out[0], out[first]] = [out[first], out[0]];
  return out;
};

/** Which rows make which batch. */
export interface BatchPlanOptions {
  /** Rows in the data set; at least one. */
  readonly rows: number;
  readonly batchSize: number;
  readonly seed: number;
  /** False: file order in every epoch. */
  readonly shuffle: boolean;
  /** A last batch that is not full is left out. Default false. */
  readonly dropLast?: boolean;
  /** Rows of about equal length share a batch. */
  readonly lengths?: ArrayLike<number>;
}

/** Batches of an endless run through the data; batch k is the same whether or not those before it were asked for. */
export interface BatchPlan {
  readonly batchesPerEpoch: number;
  /** Row numbers of batch `index` (from 0), and the epoch it belongs to. The last batch of an epoch may be smaller. */
  readonly at: (index: number) => { readonly epoch: number; readonly rows: readonly number[] };
}

/**
 * Plans batches so that a resumed run needs only the number of the next one.
 * Errors: InputError where no batch would be full, and others are left out.
 */
export const planBatches = asks(
  "planBatches",
  "record",
  ({ rows, batchSize, seed, shuffle, dropLast, lengths }: BatchPlanOptions): BatchPlan => {
    const batchesPerEpoch = dropLast ? Math.floor(rows / batchSize) : Math.ceil(rows / batchSize);
    if (batchesPerEpoch === 0 && rows > 0)
      throw new InputError(
        `${rows} rows fill no batch of ${batchSize}, and with dataloader_drop_last none is left; make the batch smaller, or leave dataloader_drop_last out`,
      );
    let current = { epoch: -1, order: [] as readonly number[] };
    const orderOf = (epoch: number): readonly number[] => {
      if (current.epoch !== epoch) {
        const order = shuffle ? epochOrder(seed, epoch, rows) : Array.from({ length: rows }, (_, i) => i);
        current = { epoch, order: lengths === undefined ? order : groupedByLength(order, lengths, batchSize) };
      }
      return current.order;
    };
    return {
      batchesPerEpoch,
      at: (index) => {
        const epoch = Math.floor(index / batchesPerEpoch);
        const from = (index % batchesPerEpoch) * batchSize;
        return { epoch, rows: orderOf(epoch).slice(from, from + batchSize) };
      },
    };
  },
);
