import type { BatchSource, Rows, SourceOptions } from "../rows.js";
import { padded, rowSource } from "../source.js";
import { unowned } from "./one-row.js";
import type { Pack } from "./pack.js";
import { collateSegments } from "./segments.js";

/** Batches of `batchSize` packed rows, whose sequences see each other only where they are joined. */
export const packSource = (packs: Rows<Pack>, options: SourceOptions): BatchSource => {
  const { batchSize, padId } = options;
  return rowSource(packs, options, {
    longest: ({ sequences }) => sequences.reduce((sum, { ids }) => sum + ids.length, 0),
    collated: (rows, _indices, length) =>
      unowned(collateSegments(padded(rows, batchSize, { sequences: [], joined: false }), length, padId)),
  });
};
