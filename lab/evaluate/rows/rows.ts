import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { InputError } from "../../../core/errors.js";
import { checkParts, isObject, type JsonObject, oneLine, readText, show } from "../../../models/files/json.js";
import { parseBounded } from "../../../models/files/parse-json.js";
import { readRegular } from "../../../models/files/regular.js";
import { type Fields, fields } from "./fields.js";
import type { Unroll } from "./published.js";

/** Most bytes of a file. */
const LARGEST = 2 ** 27;

/** A row of a benchmark's file, and where it stands: "file:line" or "file: row n". */
export interface BenchmarkRow {
  readonly at: string;
  readonly row: JsonObject;
}

/** Most that a .gz may become: 200 bytes a byte, and 4 MiB. */
const INFLATION = 200;
const SPARE = 2 ** 22;

/** A file's text, inflated where it is a .gz. Errors: InputError. */
const textOf = (path: string): string => {
  if (!/\.gz$/i.test(path)) return readText(path);
  const bytes = readRegular(path, LARGEST);
  try {
    const inflated = gunzipSync(bytes, { maxOutputLength: Math.min(LARGEST, INFLATION * bytes.length + SPARE) });
    return new TextDecoder("utf-8", { fatal: true }).decode(inflated);
  } catch (error) {
    const why = oneLine(error instanceof Error ? error.message : String(error));
    throw new InputError(`${path}: is no gzip file of text, or becomes too large (${why})`);
  }
};

/** The rows of a folder's CSV and JSON files, in the order of their names: MMLU has a file a subject. */
const folderRows = (path: string, unroll: Unroll | undefined): readonly BenchmarkRow[] => {
  const names = readdirSync(path).filter((name) => /\.(?:csv|jsonl?)(?:\.gz)?$/i.test(name));
  if (names.length === 0) throw new InputError(`${path}: holds no .csv, .json or .jsonl file`);
  return names.sort().flatMap((name) => benchmarkRows(join(path, name), unroll));
};

/** Rows of a file that is one JSON object of a data set's shape. */
const unrolled = (text: string, path: string, unroll: Unroll | undefined): BenchmarkRow[] | undefined => {
  if (unroll === undefined || !/^\s*\{/.test(text)) return undefined;
  try {
    return unroll(parseBounded(text))?.map((row, i) => ({ at: `${path}: question ${i + 1}`, row }));
  } catch {
    return undefined; // JSON Lines are not one object
  }
};

/**
 * Rows of a CSV file, of a JSON array or of JSON Lines, any of them gzipped, or of a folder of such files; `unroll` tells the rows of a
 * file that is one JSON object. A CSV file whose first line names a column "question" or "prompt"
 * has a header; any other is read as MMLU's: question, choices …, answer, without one.
 * Errors: InputError "file:line: …" for what is malformed, and for a file without rows.
 */
export const benchmarkRows = (path: string, unroll?: Unroll): readonly BenchmarkRow[] => {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return folderRows(path, unroll);
  const text = textOf(path).replace(/^\uFEFF/, "");
  const isTable = /\.csv(\.gz)?$/i.test(path);
  checkParts(text, path, isTable);
  const rows = isTable ? csvRows(text, path) : (unrolled(text, path, unroll) ?? jsonRows(text, path));
  if (rows.length === 0) throw new InputError(`${path}: holds no rows`);
  return rows;
};

/** Rows of a CSV file whose first line names its columns. Errors: as `benchmarkRows`. */
export const tableRows = (path: string): readonly Fields[] => {
  const text = textOf(path).replace(/^\uFEFF/, "");
  checkParts(text, path, true);
  const [head, ...records] = csvRecords(text, path);
  return records.map(({ cells, line }) =>
    fields(Object.fromEntries((head?.cells ?? []).map((key, i) => [key, cells[i]])), `${path}:${line}`),
  );
};

const parsed = (text: string, at: string): unknown => {
  try {
    return parseBounded(text);
  } catch (error) {
    throw new InputError(`${at}: malformed JSON (${oneLine(error instanceof Error ? error.message : String(error))})`);
  }
};

const object = (value: unknown, at: string): BenchmarkRow => {
  if (!isObject(value)) throw new InputError(`${at}: must be a JSON object, is ${show(value)}`);
  return { at, row: value };
};

const jsonRows = (text: string, path: string): BenchmarkRow[] => {
  if (/^\s*\[/.test(text)) {
    const values = parsed(text, path) as readonly unknown[];
    return values.map((value, i) => object(value, `${path}: row ${i + 1}`));
  }
  return text
    .split("\n")
    .map((line, i) => ({ line, at: `${path}:${i + 1}` }))
    .filter(({ line }) => line.trim() !== "")
    .map(({ line, at }) => object(parsed(line, at), at));
};

/** MMLU's columns: the first, the last, and between them the choices. */
const byPlace = (cells: readonly string[]): JsonObject => ({
  question: cells[0],
  choices: cells.slice(1, -1),
  answer: cells[cells.length - 1],
});

const csvRows = (text: string, path: string): BenchmarkRow[] => {
  const records = csvRecords(text, path);
  const [first] = records;
  const header = first?.cells.some((cell) => cell === "question" || cell === "prompt") ? first.cells : undefined;
  const width = header?.length ?? first?.cells.length ?? 0;
  return records.slice(header === undefined ? 0 : 1).map(({ cells, line }) => {
    const at = `${path}:${line}`;
    if (cells.length !== width) throw new InputError(`${at}: has ${cells.length} columns, the first line has ${width}`);
    if (header === undefined && width < 4)
      throw new InputError(`${at}: has ${width} columns; without a header they must be question, choices …, answer`);
    return { at, row: header === undefined ? byPlace(cells) : Object.fromEntries(header.map((k, i) => [k, cells[i]])) };
  });
};

const QUOTE = '"';

/** Where the cell that begins at `from` ends; −1 for quotes that nothing closes. Expressions overflow on long cells. */
const cellEnd = (text: string, from: number): number => {
  if (text[from] !== QUOTE) {
    let at = from;
    while (at < text.length && !/[",\r\n]/.test(text[at])) at++;
    return at;
  }
  let at = text.indexOf(QUOTE, from + 1);
  while (at >= 0 && text[at + 1] === QUOTE) at = text.indexOf(QUOTE, at + 2);
  return at < 0 ? at : at + 1;
};

/** Records of a CSV text by RFC 4180: quoted cells hold commas, line breaks and doubled quotes. Blank lines are skipped. */
const csvRecords = (text: string, path: string): { readonly cells: readonly string[]; readonly line: number }[] => {
  const records: { cells: string[]; line: number }[] = [];
  const after = /,|\r\n|\n|\r|$/y;
  let cells: string[] = [];
  let [at, line, begun] = [0, 1, 1];
  while (at < text.length || cells.length > 0) {
    const end = cellEnd(text, at);
    after.lastIndex = end;
    const found = end < 0 ? null : after.exec(text);
    if (found === null) throw new InputError(`${path}:${line}: has a quotation mark out of place`);
    const cell = text.slice(at, end);
    cells.push(cell.startsWith(QUOTE) ? cell.slice(1, -1).replaceAll('""', QUOTE) : cell);
    at = end + found[0].length;
    line += (cell + found[0]).match(/\r\n|\n|\r/g)?.length ?? 0;
    if (found[0] === ",") continue;
    if (cells.length > 1 || cells[0] !== "") records.push({ cells, line: begun });
    [cells, begun] = [[], line];
  }
  return records;
};
