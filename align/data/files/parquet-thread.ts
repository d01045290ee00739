import { stat } from "node:fs/promises";
import { InputError } from "../../../core/errors.js";
import { isObject, oneLine } from "../../../models/files/json.js";
import type { Answerer } from "../../../models/strangers/thread.js";
import { inflating, OF_ROW } from "./inflation.js";

/** Where this module lies, for the thread that loads it. */
export const here = import.meta.url;

/** What a reader asks for: a file's outline, the first rows of a group, further rows of it, or an end. */
export type ParquetAsk = { readonly id: number } & (
  | { readonly open: string; readonly inflation: number }
  | { readonly group: number }
  | { readonly isMore: true }
  | { readonly isClosed: true }
);

export interface ParquetAnswer {
  /** Of each row group, how many rows it claims, and bytes of the file. */
  readonly groups?: readonly (readonly [rows: number, bytes: number])[];
  /** Rows as JSON would hold them; none where the group is read. */
  readonly rows?: readonly unknown[];
}

type Decompress = (input: Uint8Array, outputLength: number) => Uint8Array;

const reason = (error: unknown): string => oneLine(error instanceof Error ? error.message : String(error));

/** Both packages are optional peers; the second knows the codecs beside Snappy. */
const libraries = async (path: string) => {
  try {
    const [parquet, { compressors }] = await Promise.all([import("hyparquet"), import("hyparquet-compressors")]);
    return { ...parquet, compressors: compressors as Readonly<Record<string, Decompress>> };
  } catch (error) {
    throw new InputError(
      `${path}: reading Parquet takes two more packages: npm install hyparquet hyparquet-compressors (${reason(error)})`,
    );
  }
};

/**
 * A value as JSON would hold it: 64-bit integers and dates are none of JSON's. A struct's null fields are absent, since
 * in a column all structs have the same fields. `count` hears of its bytes.
 */
const asJson = (value: unknown, count: (bytes: number) => void): unknown => {
  count(typeof value === "string" ? OF_ROW + value.length : OF_ROW);
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (value instanceof Date) return value.toISOString();
  const inner = (one: unknown): unknown => asJson(one, count);
  if (ArrayBuffer.isView(value)) return Array.from(value as unknown as ArrayLike<unknown>, inner);
  if (Array.isArray(value)) return value.map(inner);
  if (!isObject(value)) return value;
  const there = Object.entries(value).filter(([, field]) => field != null);
  return Object.fromEntries(there.map(([name, field]) => [name, inner(field)]));
};

/** Rows, and bytes of them, that are handed over at a time. */
const [ROWS, BYTES] = [256, 2 ** 20];
/** Most parts of a schema: its tree is walked for every group. */
const MOST_COLUMNS = 4096;

interface Opened {
  readonly rowsOf: (group: number) => Promise<readonly unknown[]>;
  readonly groups: readonly (readonly [number, number])[];
  readonly count: (bytes: number) => void;
  rest: readonly unknown[];
  next: number;
}

const open = async (path: string, inflation: number): Promise<Opened> => {
  const { asyncBufferFromFile, compressors, parquetMetadataAsync, parquetReadObjects } = await libraries(path);
  const { size } = await stat(path);
  const file = await asyncBufferFromFile(path);
  const metadata = await parquetMetadataAsync(file);
  if (metadata.schema.length > MOST_COLUMNS)
    throw new InputError(`${path}: has ${metadata.schema.length} columns, at most ${MOST_COLUMNS} are read`);
  const [pages, rows] = [inflating(path, size, inflation), inflating(path, size, inflation)];
  const counted: Readonly<Record<string, Decompress>> = Object.fromEntries(
    Object.entries(compressors).map(([codec, decompress]) => [
      codec,
      (input: Uint8Array, length: number) => {
        if (!(length >= 0)) throw new Error(`a page of ${length} bytes`);
        pages(length);
        // A page without any value has nothing to inflate; writers leave nothing there, which most codecs refuse.
        return length === 0 ? new Uint8Array(0) : decompress(input, length);
      },
    ]),
  );
  const claim = inflating(path, size, inflation);
  const groups = metadata.row_groups.map(({ num_rows: count, columns }): readonly [number, number] => {
    const bytes = columns.reduce((sum, { meta_data: data }) => sum + Number(data?.total_compressed_size ?? 0), 0);
    if (!(Number(count) >= 0)) throw new Error(`a row group of ${count} rows`);
    claim(OF_ROW * Number(count));
    return [Number(count), Math.min(Math.max(0, bytes), size)];
  });
  return {
    groups,
    count: rows,
    rowsOf: (group) => {
      const own = metadata.row_groups[group];
      const alone = { ...metadata, num_rows: own.num_rows, row_groups: [own] };
      return parquetReadObjects({
        file,
        metadata: alone,
        compressors: counted,
        rowStart: 0,
        rowEnd: Number(own.num_rows),
      });
    },
    ...{ rest: [], next: 0 },
  };
};

/** The next rows of those that are read. */
const piece = (opened: Opened): readonly unknown[] => {
  const rows: unknown[] = [];
  let bytes = 0;
  while (opened.next < opened.rest.length && rows.length < ROWS && bytes < BYTES)
    rows.push(
      asJson(opened.rest[opened.next++], (more) => {
        bytes += more;
        opened.count(more);
      }),
    );
  if (opened.next >= opened.rest.length) [opened.rest, opened.next] = [[], 0];
  return rows;
};

/** Reads Parquet files, on a thread; loaded there by its name. */
export const serve = (): Answerer<ParquetAsk, ParquetAnswer> => {
  const files = new Map<number, Opened>();
  return async (ask) => {
    if ("open" in ask) {
      const opened = await open(ask.open, ask.inflation);
      files.set(ask.id, opened);
      return { value: { groups: opened.groups } };
    }
    const opened = files.get(ask.id) as Opened;
    if ("isClosed" in ask) {
      files.delete(ask.id);
      return { value: {} };
    }
    if ("group" in ask) [opened.rest, opened.next] = [await opened.rowsOf(ask.group), 0];
    return { value: { rows: piece(opened) } };
  };
};
