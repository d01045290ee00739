import { InputError } from "../../core/errors.js";
import { expects } from "../../core/expects.js";
import { collate } from "./batch.js";
import type { BatchSource, Rows, SourceOptions } from "./rows.js";
import type { LabelledSequence, Sequence } from "./sequence.js";
import { knownOf, type ReferencePair, rowSource } from "./source.js";

/** How labelled answers become batches. */
export interface KtoSourceOptions extends SourceOptions {
  /** Longest sequence, in tokens; longer ones lose their end, after prompts met their neighbours' answers. Default: no limit. */
  readonly maxLength?: number;
  /**
   * From `askReference`, one a row: of the answer, and of the mismatched answer. Rows have the same neighbours in every
   * epoch only in file order, so it takes `shuffle: false`.
   */
  readonly reference?: Rows<ReferencePair>;
}

/** Prompt i with the answer of row i−1, the first with that of the one before, in a batch the last one's: TRL's order. */
const mismatched = (rows: readonly Sequence[], before: Sequence | undefined): Sequence[] =>
  rows.map(({ ids, completionStart }, i) => {
    const neighbour = i === 0 ? (before as Sequence) : rows[i - 1];
    const answer = neighbour.ids.slice(neighbour.completionStart);
    return { ids: [...ids.slice(0, completionStart), ...answer], completionStart };
  });

/**
 * Batches of `batchSize` labelled answers for `ktoObjective`, [(x_i, y_i) …; (x_i, y_{i−1}) …]; the last one of an epoch is
 * filled up with rows that carry no target. `lengths` speaks of the answers alone.
 * Errors: InputError for batches of one, whose answers have no other prompt to meet, and for `reference` with shuffling.
 */
export const ktoSource = (rows: Rows<LabelledSequence>, options: KtoSourceOptions): BatchSource => {
  expects("ktoSource", "rows record", rows, options);
  const { batchSize, padId, maxLength = Number.POSITIVE_INFINITY, reference, shuffle = true, groupByLength } = options;
  if (batchSize * (options.share?.of ?? 1) < 2)
    throw new InputError(
      "kto pairs each prompt with another row's answer, so a batch needs at least 2 rows; make the batch size 2 or more",
    );
  if (reference !== undefined && (shuffle || groupByLength))
    throw new InputError(
      "kto's reference log-probabilities can be computed beforehand only in file order, since each row is compared with its neighbour; set shuffle_dataset: false and no group_by_length, or leave precompute_ref_log_probs out",
    );
  const cut = ({ ids, completionStart }: Sequence): Sequence => ({ ids: ids.slice(0, maxLength), completionStart });
  const nothing: Sequence = { ids: [padId], completionStart: 1 };
  const filled = (sequences: readonly Sequence[]) =>
    Array.from({ length: batchSize }, (_, i) => (i < sequences.length ? cut(sequences[i]) : nothing));
  let parts: readonly (readonly [prompt: number, answer: number])[] | undefined;
  const partsOf = (index: number): readonly [number, number] => {
    parts ??= Array.from({ length: rows.length }, (_, i) => {
      const { ids, completionStart } = rows.at(i) as LabelledSequence;
      return [completionStart, ids.length - completionStart];
    });
    return parts[index];
  };
  return rowSource(rows, options, {
    longest: ({ ids }) => Math.min(maxLength, ids.length),
    longestOf: (indices, before) => {
      const ends = indices.map(partsOf);
      const met = before === undefined ? 0 : partsOf(before)[1];
      const meetings = ends.map(([prompt, answer], i) => prompt + Math.max(answer, i === 0 ? met : ends[i - 1][1]));
      return Math.min(maxLength, Math.max(1, ...meetings));
    },
    collated: (chosen, indices, length, before) => {
      const batch = collate([...filled(chosen), ...filled(mismatched(chosen, before))], { padId, bucket: length });
      return {
        ...batch,
        lengths: batch.lengths.slice(0, chosen.length),
        examples: chosen.length,
        desirable: Float32Array.from({ length: batchSize }, (_, i) => Number(chosen[i]?.label ?? false)),
        reference: reference && knownOf(reference, indices, batchSize),
      };
    },
  });
};
