import type { Tokenizer } from "../../models/text/tokenizer.js";
import { atLeastOne, type StreamOptions } from "./data.js";
import { rawRows } from "./files/data-file.js";
import { type DataFiles, dataFiles } from "./files/splits.js";
import { KINDS, type KindName, type RowOf } from "./kinds.js";
import { emptyReport, type TokenizeReport } from "./report.js";
import type { TokenizeOptions } from "./sequence.js";
import { tokenizedRows } from "./threads/tokenized.js";
import { type StoredRows, storeRows } from "./token-file.js";
import type { RowForm } from "./token-record.js";

/** How rows of a file become tokens. */
export interface DatasetOptions extends TokenizeOptions, StreamOptions {
  /** Only the first so many rows. Default: all. */
  readonly limit?: number;
}

/** A data set as tokens, on disk, what became of its rows, and the files that they come from. */
export interface Dataset<T> extends StoredRows<T> {
  readonly report: Readonly<TokenizeReport>;
  readonly source: DataFiles;
}

async function* first<T>(items: AsyncIterable<T>, count: number): AsyncGenerator<T> {
  let taken = 0;
  for await (const item of items) {
    yield item;
    if (++taken >= count) return;
  }
}

/**
 * Reads and tokenizes a data set once, row by row, so that its size costs disk space and no memory; with all cores where that
 * takes long. Errors: those of `streamRows`; InputError for a row of another kind, and for one that cannot be tokenized.
 */
const dataset =
  <N extends KindName>(kind: N) =>
  async (path: string, tokenizer: Tokenizer, options: DatasetOptions = {}): Promise<Dataset<RowOf<N>>> => {
    const {
      limit = Number.POSITIVE_INFINITY,
      onRead,
      inflation,
      longestRow,
      split,
      otherwise,
      orOnly,
      declared,
      ...cuts
    } = options;
    const source = dataFiles(path, { split, otherwise, orOnly, declared });
    const report = emptyReport();
    const rows = atLeastOne(first(rawRows(source.files, { onRead, inflation, longestRow }), limit), path);
    const tokenized = tokenizedRows(rows, { kind, tokenizer, options: cuts }, report);
    const { form } = KINDS[kind] as unknown as { readonly form: RowForm<RowOf<N>> };
    return { ...(await storeRows(tokenized, form)), report, source };
  };

/** Preference pairs, for dpo. */
export const pairDataset = dataset("pairs");
/** Instructions with answers, and documents, for sft; of labelled answers those that are wanted. */
export const exampleDataset = dataset("examples");
/** Labelled answers, for kto; a preference pair becomes two of them. */
export const labelledDataset = dataset("labelled");
