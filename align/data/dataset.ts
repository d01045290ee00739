import type { Tokenizer } from "../../models/text/tokenizer.js";
import { ofKind, type StreamOptions, streamRows } from "./data.js";
import { type DataFiles, dataFiles } from "./files/splits.js";
import type { Row } from "./layouts/data-row.js";
import { unpairRows } from "./layouts/unpair.js";
import { emptyReport, type TokenizeReport } from "./report.js";
import type { LabelledSequence, Sequence, TokenizeOptions, TokenPair } from "./sequence.js";
import { type RowForm, type StoredRows, storeRows } from "./token-file.js";
import { type TokenizeRow, tokenizeExample, tokenizeLabelled, tokenizePair } from "./tokenize.js";

/** What a training run takes its rows as. */
interface DatasetKind<K extends Row["kind"], T> {
  readonly kinds: readonly K[];
  readonly tokenize: TokenizeRow<Extract<Row, { kind: K }>, T>;
  readonly form: RowForm<T>;
  /** Makes rows of its kind of others. */
  readonly each?: (rows: AsyncIterable<Row>) => AsyncIterable<Row>;
}

const pairs: DatasetKind<"paired", TokenPair> = {
  kinds: ["paired"],
  tokenize: tokenizePair,
  form: {
    sequences: ({ chosen, rejected }) => [chosen, rejected],
    row: ([chosen, rejected], _label, at) => ({ chosen, rejected, at }),
  },
};

const examples: DatasetKind<"completion" | "document" | "unpaired", Sequence> = {
  kinds: ["completion", "document", "unpaired"],
  tokenize: tokenizeExample,
  form: { sequences: (row) => [row], row: ([row], _label, at) => ({ ...row, at }) },
};

const labelled: DatasetKind<"unpaired", LabelledSequence> = {
  kinds: ["unpaired"],
  each: unpairRows,
  tokenize: tokenizeLabelled,
  form: {
    sequences: (row) => [row],
    label: ({ label }) => Number(label),
    row: ([row], label, at) => ({ ...row, label: label === 1, at }),
  },
};

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
 * Reads and tokenizes a data set once, row by row, so that its size costs disk space and no memory.
 * Errors: those of `streamRows`; InputError for a row of another kind, and for one that cannot be tokenized.
 */
const dataset =
  <K extends Row["kind"], T extends { readonly at?: string }>({
    kinds,
    tokenize,
    form,
    each = (rows) => rows,
  }: DatasetKind<K, T>) =>
  async (path: string, tokenizer: Tokenizer, options: DatasetOptions = {}): Promise<Dataset<T>> => {
    const { limit = Number.POSITIVE_INFINITY } = options;
    const source = dataFiles(path, options);
    const report = emptyReport();
    const tokenized = (async function* () {
      for await (const row of each(first(streamRows(path, options), limit))) {
        const tokens = tokenize(ofKind(row, kinds), tokenizer, options, report);
        if (tokens !== undefined) yield tokens;
      }
    })();
    return { ...(await storeRows(tokenized, form)), report, source };
  };

/** Preference pairs, for dpo. */
export const pairDataset = dataset(pairs);
/** Instructions with answers, and documents, for sft; of labelled answers those that are wanted. */
export const exampleDataset = dataset(examples);
/** Labelled answers, for kto; a preference pair becomes two of them. */
export const labelledDataset = dataset(labelled);
