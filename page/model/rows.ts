/** A visitor's file of rows, as batches. */
import { ofKind } from "../../align/data/data.js";
import { INFLATION, inflating } from "../../align/data/files/inflation.js";
import { jsonRows, rowValue } from "../../align/data/files/json.js";
import { type AnyKind, KINDS } from "../../align/data/kinds.js";
import { parseRow } from "../../align/data/layouts/data-row.js";
import { firstsFirst } from "../../align/data/layouts/unpair.js";
import { emptyReport } from "../../align/data/report.js";
import type { BatchSource, Rows } from "../../align/data/rows.js";
import { InputError } from "../../core/index.js";
import { oneLine } from "../../models/files/json.js";
import type { Tokenizer } from "../../models/index.js";
import { COURSES } from "./courses.js";
import { LOSSES, type LossName } from "./losses.js";

/** Files that hold rows otherwise. */
const FOREIGN = /\.(parquet|csv|tsv|arrow|feather|xlsx?|ods|zip|zst|bz2|xz)$/i;
const TAKEN = "JSON lines or one JSON array, as they are or gzipped (.gz)";

/** The bytes of a file, those of a .gz inflated. Errors: InputError for what is no gzip file, or becomes too much. */
async function* chunksOf(file: File, name: string): AsyncGenerator<Uint8Array, void> {
  if (FOREIGN.test(name)) throw new InputError(`${name}: is not read here; take ${TAKEN}`);
  const isZipped = /\.gz$/i.test(name);
  const bytes: ReadableStream<Uint8Array<ArrayBuffer>> = file.stream();
  const reader = (isZipped ? bytes.pipeThrough(new DecompressionStream("gzip")) : bytes).getReader();
  const count = isZipped ? inflating(name, file.size, INFLATION) : () => {};
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      count(next.value.length);
      yield next.value;
    }
  } catch (error) {
    if (error instanceof InputError) throw error;
    const isTorn = isZipped && !(error instanceof DOMException);
    const why = oneLine(error instanceof Error ? error.message : String(error));
    throw new InputError(
      `${name}: ${isTorn ? "is no gzip file, is cut off, or has several parts" : "cannot be read"} (${why})`,
    );
  } finally {
    await reader.cancel().catch(() => {});
  }
}

export interface Cut {
  /** Tokens; longer sequences are cut. */
  readonly maxLength: number;
  readonly vocabSize: number;
}

/** Rows as tokens, which batches of any size are made of. */
export interface Taught {
  /** Rows that are learned, and those that were read. */
  readonly kept: number;
  readonly rows: number;
  readonly batches: (batch: number) => BatchSource;
  /** Batches as long as any can be, of rows cut to so many tokens: what a plan of the memory takes. */
  readonly fullest: (batch: number, maxLength: number) => BatchSource;
}

/** The rows of a file that a loss takes, as `taugrad dpo` and `taugrad kto` read them. Errors: InputError "file:line: …"; for a file of none. */
export const taughtBy = async (
  file: File,
  loss: LossName,
  tokenizer: Tokenizer,
  { maxLength, vocabSize }: Cut,
): Promise<Taught> => {
  const name = oneLine(file.name);
  const { kind, title } = LOSSES[loss];
  const { kinds, tokenize, parts = (row) => [row] } = KINDS[kind] as unknown as AnyKind;
  const report = emptyReport();
  let read = 0;
  const made = (async function* () {
    for await (const raw of jsonRows(name, chunksOf(file, name))) {
      read++;
      const rows = parts(parseRow(rowValue(raw), raw.at)).map((row) => ofKind(row, kinds));
      yield rows.map((row) => tokenize(row, tokenizer, { maxLength, vocabSize }, report));
    }
  })();
  const rows: object[] = [];
  for await (const row of firstsFirst(made)) if (row !== undefined) rows.push(row);
  if (read === 0) throw new InputError(`${name}: holds no rows`);
  if (rows.length === 0) throw new InputError(`${name}: holds no rows that fit into ${maxLength} tokens`);
  const { source, full, least } = COURSES[kind] as {
    readonly source: (rows: Rows<object>, options: object) => BatchSource;
    readonly full: (count: number, length: number) => Rows<object>;
    readonly least: number;
  };
  if (rows.length < least)
    throw new InputError(`${name}: holds one row that is learned, and ${title} needs two, whose answers it exchanges`);
  const most = (batch: number): number => Math.min(batch, rows.length);
  const cut = (taken: Rows<object>, batch: number, longest: number): BatchSource =>
    source(taken, { batchSize: most(batch), padId: tokenizer.padId ?? 0, seed: 0, maxLength: longest });
  const batches = (batch: number): BatchSource => cut({ length: rows.length, at: (i) => rows[i] }, batch, maxLength);
  return {
    ...{ kept: rows.length, rows: read, batches },
    fullest: (batch, length) => {
      const { batchesPerEpoch, lengthAt } = batches(batch);
      let longest = 1;
      for (let i = 0; i < batchesPerEpoch; i++) longest = Math.max(longest, lengthAt(i));
      return cut(full(most(batch), Math.min(length, longest)), batch, length);
    },
  };
};
