import { createReadStream } from "node:fs";
import { pipeline } from "node:stream";
import { createGunzip } from "node:zlib";
import { InputError } from "../../../core/errors.js";
import { oneLine } from "../../../models/files/json.js";
import { openRegular } from "../../../models/files/regular.js";
import { jsonRows, type RawRow } from "./json.js";
import { parquetRows } from "./parquet.js";
import { statOf } from "./splits.js";

/** Hears how much of the data has been read, from 0 to 1. */
export type OnRead = (share: number) => void;

const CHUNK = 1 << 18;

const reason = (error: unknown): string => oneLine(error instanceof Error ? error.message : String(error));

/** The bytes of a file, those of a .gz inflated; `onBytes` hears how many of the file's are read. */
async function* chunksOf(path: string, onBytes: (count: number) => void): AsyncGenerator<Buffer, void> {
  const file = createReadStream(path, { fd: openRegular(path), highWaterMark: CHUNK });
  // Whoever reads the last stream of a pipeline hears of every error in it.
  const bytes = /\.gz$/i.test(path) ? pipeline(file, createGunzip({ chunkSize: CHUNK }), () => {}) : file;
  try {
    for await (const chunk of bytes) {
      onBytes(file.bytesRead);
      yield chunk as Buffer;
    }
  } catch (error) {
    const unzipping = error instanceof Error && "code" in error && String(error.code).startsWith("Z_");
    const what = unzipping ? "is no gzip file, or is cut off" : "cannot be read";
    throw new InputError(`${path}: ${what} (${reason(error)})`);
  }
}

/** The rows of data files, in order, a chunk at a time. */
export async function* rawRows(files: readonly string[], onRead: OnRead = () => {}): AsyncGenerator<RawRow> {
  const sizes = files.map((file) => statOf(file).size);
  const total = Math.max(
    1,
    sizes.reduce((sum, size) => sum + size, 0),
  );
  let before = 0;
  for (const [i, file] of files.entries()) {
    const start = before;
    if (/\.parquet$/i.test(file)) yield* parquetRows(file, (share) => onRead((start + share * sizes[i]) / total));
    else {
      yield* jsonRows(
        file,
        chunksOf(file, (bytes) => onRead((start + bytes) / total)),
      );
    }
    before += sizes[i];
  }
}
