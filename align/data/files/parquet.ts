import { InputError } from "../../../core/errors.js";
import { isObject, oneLine } from "../../../models/files/json.js";
import { checkRegular } from "../../../models/files/regular.js";
import type { RawRow } from "./json.js";

const reason = (error: unknown): string => oneLine(error instanceof Error ? error.message : String(error));

type Decompress = (input: Uint8Array, outputLength: number) => Uint8Array;

/** A page without any value (all are null) has nothing to inflate; writers leave nothing there, which most codecs refuse. */
const orNothing =
  (decompress: Decompress): Decompress =>
  (input, outputLength) =>
    outputLength === 0 ? new Uint8Array(0) : decompress(input, outputLength);

/** Both packages are optional peers; the second knows the codecs beside Snappy. */
const reader = async (path: string) => {
  try {
    const [parquet, codecs] = await Promise.all([import("hyparquet"), import("hyparquet-compressors")]);
    const compressors = Object.fromEntries(
      Object.entries(codecs.compressors).map(([codec, decompress]) => [codec, orNothing(decompress as Decompress)]),
    );
    return { ...parquet, compressors };
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

/**
 * The rows of a Parquet file, a row group at a time; `onRead` hears the share of them that is read.
 * Errors: InputError for a file that is none or is broken, and without the package `hyparquet`.
 */
export async function* parquetRows(path: string, onRead: (share: number) => void): AsyncGenerator<RawRow> {
  const { asyncBufferFromFile, compressors, parquetMetadataAsync, parquetReadObjects } = await reader(path);
  const guarded = async <T>(run: () => Promise<T>): Promise<T> => {
    try {
      return await run();
    } catch (error) {
      throw new InputError(`${path}: is no Parquet file, or is broken (${reason(error)})`);
    }
  };
  checkRegular(path);
  const file = await guarded(() => asyncBufferFromFile(path));
  const metadata = await guarded(() => parquetMetadataAsync(file));
  let number = 0;
  for (const [i, { num_rows: count }] of metadata.row_groups.entries()) {
    const group = { file, metadata, compressors, rowStart: number, rowEnd: number + Number(count) };
    for (const row of await guarded(() => parquetReadObjects(group)))
      yield { at: `${path}: row ${++number}`, value: asJson(row) };
    onRead((i + 1) / metadata.row_groups.length);
  }
}
