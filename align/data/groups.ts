import type { TrainingBatch } from "./rows.js";

/** Batches by `size`, the batches of one step; a group ends where an epoch does. */
export const grouped = async function* (
  batches: Iterable<TrainingBatch> | AsyncIterable<TrainingBatch>,
  size: number,
): AsyncGenerator<readonly TrainingBatch[]> {
  let group: TrainingBatch[] = [];
  for await (const batch of batches) {
    group.push(batch);
    if (group.length < size && batch.endsEpoch !== true) continue;
    yield group;
    group = [];
  }
  if (group.length > 0) yield group;
};

/** Padding included. */
export const tokensIn = ({ rows, length }: TrainingBatch): number => rows * length;
/** Without padding. */
export const realTokens = (batch: TrainingBatch): number =>
  batch.lengths?.reduce((n, x) => n + x, 0) ?? tokensIn(batch);
/** The sum of a number of each batch. */
export const total = (group: readonly TrainingBatch[], of: (batch: TrainingBatch) => number): number =>
  group.reduce((sum, batch) => sum + of(batch), 0);
