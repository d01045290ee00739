import { InputError } from "../../core/errors.js";
import { expects } from "../../core/expects.js";
import { oneLine } from "../../models/files/json.js";
import type { Tokenizer } from "../../models/text/tokenizer.js";
import { atLeastOne, type StreamOptions } from "./data.js";
import { type OnRead, rawRows } from "./files/data-file.js";
import type { RawRow } from "./files/json.js";
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

/** Where rows come from: a file, a folder, or rows in memory, each an object such as a line of JSONL holds. */
export type DataFrom = string | readonly object[];

/** Rows in memory, as a file of JSON lines would have them. Errors: InputError for one that JSON cannot write. */
async function* rowsInMemory(rows: readonly object[], onRead: OnRead = () => {}): AsyncGenerator<RawRow> {
  const encoder = new TextEncoder();
  for (const [i, row] of rows.entries()) {
    const at = `row ${i + 1}`;
    onRead(i / rows.length);
    yield { at, json: encoder.encode(jsonOf(row, at)) };
  }
}

const jsonOf = (row: object, at: string): string => {
  try {
    return JSON.stringify(row) ?? "null";
  } catch (error) {
    throw new InputError(`${at}: is nothing that JSON can hold (${oneLine(String(error))})`);
  }
};

async function* first<T>(items: AsyncIterable<T>, count: number): AsyncGenerator<T> {
  let taken = 0;
  for await (const item of items) {
    yield item;
    if (++taken >= count) return;
  }
}

/**
 * Reads and tokenizes a data set once, row by row, so that its size costs disk space and no memory; with all cores where that
 * takes long. Rows in memory are read as those of a file would be. Errors: those of `streamRows`; InputError for a row of another kind, and for one that cannot be tokenized.
 */
const dataset =
  <N extends KindName>(name: string, kind: N) =>
  async (from: DataFrom, tokenizer: Tokenizer, options: DatasetOptions = {}): Promise<Dataset<RowOf<N>>> => {
    expects(name, `${typeof from === "object" ? "any" : "text"} record record`, from, tokenizer, options);
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
    const isPath = typeof from === "string";
    const source = isPath ? dataFiles(from, { split, otherwise, orOnly, declared }) : { files: [] };
    const report = emptyReport();
    const read = isPath ? rawRows(source.files, { onRead, inflation, longestRow }) : rowsInMemory(from, onRead);
    const rows = atLeastOne(first(read, limit), isPath ? from : "the rows in memory");
    const tokenized = tokenizedRows(rows, { kind, tokenizer, options: cuts }, report);
    const { form } = KINDS[kind] as unknown as { readonly form: RowForm<RowOf<N>> };
    return { ...(await storeRows(tokenized, form)), report, source };
  };

/** Preference pairs, for dpo. */
export const pairDataset = dataset("pairDataset", "pairs");
/** Instructions with answers, and documents, for sft; of labelled answers those that are wanted. */
export const exampleDataset = dataset("exampleDataset", "examples");
/** Labelled answers, for kto; a preference pair becomes two of them. */
export const labelledDataset = dataset("labelledDataset", "labelled");
