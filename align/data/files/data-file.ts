import { createReadStream } from "node:fs";
import { pipeline } from "node:stream";
import { createGunzip } from "node:zlib";
import { InputError } from "../../../core/errors.js";
import { oneLine } from "../../../models/files/json.js";
import { openRegular } from "../../../models/files/regular.js";
import { INFLATION, inflating } from "./inflation.js";
import { jsonRows, type RawRow } from "./json.js";
import { parquetRows } from "./parquet.js";
import { statOf } from "./splits.js";

/** Hears how much of the data has been read, from 0 to 1. */
export type OnRead = (share: number) => void;

const CHUNK = 1 << 18;

const reason = (error: unknown): string => oneLine(error instanceof Error ? error.message : String(error));

/** The bytes of a file, those of a .gz inflated; `onBytes` hears how many of the file's are read. */
async function* chunksOf(
  path: string,
  onBytes: (count: number) => void,
  inflation: number,
): AsyncGenerator<Buffer, void> {
  const file = createReadStream(path, { fd: openRegular(path), highWaterMark: CHUNK });
  // Whoever reads the last stream of a pipeline hears of every error in it.
  const isZipped = /\.gz$/i.test(path);
  const count = isZipped ? inflating(path, statOf(path).size, inflation) : () => {};
  const bytes = isZipped ? pipeline(file, createGunzip({ chunkSize: CHUNK }), () => {}) : file;
  try {
    for await (const chunk of bytes) {
      onBytes(file.bytesRead);
      count((chunk as Buffer).length);
      yield chunk as Buffer;
    }
  } catch (error) {
    if (error instanceof InputError) throw error;
    const unzipping = error instanceof Error && "code" in error && String(error.code).startsWith("Z_");
    const what = unzipping ? "is no gzip file, or is cut off" : "cannot be read";
    throw new InputError(`${path}: ${what} (${reason(error)})`);
  }
}

/** What is heard of reading, and how much may be read. */
export interface ReadOptions {
  /** Hears how much of the data has been read. */
  readonly onRead?: OnRead;
  /** Most bytes of rows that a byte of a compressed file (.gz, Parquet) may become, beside 4 MiB. Default 200. */
  readonly inflation?: number;
  /** Most bytes of a row of JSON. Default 2²¹. */
  readonly longestRow?: number;
}

/** The rows of data files, in order, a chunk at a time. */
export async function* rawRows(
  files: readonly string[],
  { onRead = () => {}, inflation = INFLATION, longestRow }: ReadOptions = {},
): AsyncGenerator<RawRow> {
  const sizes = files.map((file) => statOf(file).size);
  const total = Math.max(
    1,
    sizes.reduce((sum, size) => sum + size, 0),
  );
  let before = 0;
  for (const [i, file] of files.entries()) {
    const start = before;
    if (/\.parquet$/i.test(file))
      yield* parquetRows(file, (share) => onRead((start + share * sizes[i]) / total), inflation);
    else {
      yield* jsonRows(
        file,
        chunksOf(file, (bytes) => onRead((start + bytes) / total), inflation),
        longestRow,
      );
    }
    before += sizes[i];
  }
}
