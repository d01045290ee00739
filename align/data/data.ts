import { InputError } from "../../core/errors.js";
import { expects } from "../../core/expects.js";
import { type ReadOptions, rawRows } from "./files/data-file.js";
import { type RawRow, rowValue } from "./files/json.js";
import { dataFiles, type SplitChoice } from "./files/splits.js";
import { parseRow, type Row } from "./layouts/data-row.js";

/** A row out of its file. Errors: InputError that begins with its place. */
export const rowOf = (raw: RawRow): Row => parseRow(rowValue(raw), raw.at);

export interface StreamOptions extends SplitChoice, ReadOptions {}

/**
 * Reads preference or instruction rows as they are asked for, holding no more than a piece of the file: from a JSONL file,
 * one JSON array, either of them gzipped (.gz), a Parquet file (by row groups; needs `hyparquet`), or a split of a folder of
 * such files (`dataFiles`). Rows are laid out as TRL, LLaMA-Factory or well-known data sets have them (`COLUMNS` names the columns):
 * ```text
 * {prompt, chosen, rejected}, text, conversations, or a text beside whole conversations; {chosen, rejected} (prompt = what
 * both begin with); {question | instruction | conversations, chosen, rejected};
 * {prompt, completion}, {instruction, input, output}, {question, answer}, {messages}, {conversations}, {text}, and with a
 * `label` or `kto_tag` whether the answer is wanted.
 * ```
 * Turns are text or messages, {role, content} or ShareGPT's {from, value}, and keep all their fields; a row may hold `system`,
 * and `tools`, `documents` and `chat_template_kwargs` for its chat template. Fields that are null count as absent.
 * Errors: InputError "file:line: …" for an empty line before the last row, malformed JSON, a missing key, a wrong type.
 */
export async function* streamRows(path: string, options: StreamOptions = {}): AsyncGenerator<Row, void> {
  expects("streamRows", "text record", path, options);
  for await (const raw of atLeastOne(rawRows(dataFiles(path, options).files, options), path)) yield rowOf(raw);
}

/** The rows of a path. Errors: InputError if there is none. */
export async function* atLeastOne(rows: AsyncIterable<RawRow>, path: string): AsyncGenerator<RawRow, void> {
  let empty = true;
  for await (const row of rows) {
    empty = false;
    yield row;
  }
  if (empty) throw new InputError(`${path}: holds no rows`);
}

/** All rows of `streamRows`, for files that fit into memory. */
export const readRows = async (path: string, options?: StreamOptions): Promise<Row[]> => {
  expects("readRows", "text record?", path, options);
  const rows: Row[] = [];
  for await (const row of streamRows(path, options)) rows.push(row);
  return rows;
};

/** Checks a row's kind. Errors: InputError naming the row, what it was taken for and what was expected. */
export const ofKind = <K extends Row["kind"]>(row: Row, kinds: readonly K[]): Extract<Row, { kind: K }> => {
  if ((kinds as readonly string[]).includes(row.kind)) return row as Extract<Row, { kind: K }>;
  throw new InputError(`${row.at}: is ${nameOf[row.kind]}, expected ${kinds.map((kind) => nameOf[kind]).join(" or ")}`);
};

/** Rows of which each is of one of the kinds. Errors: those of `ofKind`. */
export const rowsOfKind = <K extends Row["kind"]>(
  rows: readonly Row[],
  ...kinds: readonly K[]
): Extract<Row, { kind: K }>[] => {
  expects("rowsOfKind", "records", rows);
  return rows.map((row) => ofKind(row, kinds));
};

const nameOf: Readonly<Record<Row["kind"], string>> = {
  paired: "a preference pair {prompt, chosen, rejected}",
  unpaired: "a labelled answer {prompt, completion, label}",
  completion: "an instruction with its answer {prompt, completion}",
  document: "a document {messages} or {text}",
};
