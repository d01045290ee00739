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
    // Each awaited by itself: a bundler then sees that one may be absent.
    const parquet = await import("hyparquet");
    const { compressors } = await import("hyparquet-compressors");
    return { ...parquet, compressors: compressors as Readonly<Record<string, Decompress>> };
  } catch (error) {
    throw new InputError(
      `${path}: reading Parquet takes two more packages: npm install hyparquet hyparquet-compressors (${reason(error)})`,
    );
  }
};

/**
 * A value as JSON would hold it: 64-bit integers and dates are none of JSON's. A struct's null fields are absent, since
 * in a column all structs have the same fields.
 */
const asJson = (value: unknown): unknown => {
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (value instanceof Date) return value.toISOString();
  if (ArrayBuffer.isView(value)) return Array.from(value as unknown as ArrayLike<unknown>, asJson);
  if (Array.isArray(value)) return value.map(asJson);
  if (!isObject(value)) return value;
  const there = Object.entries(value).filter(([, field]) => field != null);
  return Object.fromEntries(there.map(([name, field]) => [name, asJson(field)]));
};

/** About the bytes of a value. */
const sizeOf = (value: unknown): number => {
  if (typeof value === "string") return OF_ROW + value.length;
  if (ArrayBuffer.isView(value)) return OF_ROW + value.byteLength;
  const inner = Array.isArray(value) ? value : isObject(value) && !(value instanceof Date) ? Object.values(value) : [];
  return inner.reduce((sum: number, one) => sum + sizeOf(one), OF_ROW);
};

/** Rows, and bytes of them, that are handed over at a time. */
const [ROWS, BYTES] = [256, 2 ** 20];
/** Most parts of a schema: its tree is walked for every group. */
const MOST_COLUMNS = 4096;

interface Opened {
  readonly rowsOf: (group: number) => Promise<readonly unknown[]>;
  readonly groups: readonly (readonly [number, number])[];
  readonly count: (bytes: number) => void;
  rest: readonly { readonly row: unknown; readonly bytes: number }[];
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

/** The rows of a group, counted before the first of them is used: one text may be that of all of them. */
const begin = async (opened: Opened, group: number): Promise<void> => {
  const rows = await opened.rowsOf(group);
  opened.rest = rows.map((row) => {
    const bytes = sizeOf(row);
    opened.count(bytes);
    return { row, bytes };
  });
  opened.next = 0;
};

/** The next rows of those that are read. */
const piece = (opened: Opened): readonly unknown[] => {
  const rows: unknown[] = [];
  let bytes = 0;
  while (opened.next < opened.rest.length && rows.length < ROWS && bytes < BYTES) {
    const next = opened.rest[opened.next++];
    bytes += next.bytes;
    rows.push(asJson(next.row));
  }
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
    if ("group" in ask) await begin(opened, ask.group);
    return { value: { rows: piece(opened) } };
  };
};
