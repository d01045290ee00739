import { createReadStream, readdirSync, type Stats, statSync } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream";
import { createGunzip } from "node:zlib";
import { InputError } from "../../core/errors.js";
import { oneLine } from "../../models/files/json.js";
import { type Found, jsonRows } from "./data-json.js";
import { parquetRows } from "./data-parquet.js";

/** Hears how much of the data has been read, from 0 to 1. */
export type OnRead = (share: number) => void;

const CHUNK = 1 << 18;

/** Files of rows in a folder; a file by itself may have any name. */
const DATA_FILE = /\.((jsonl|ndjson|json)(\.gz)?|parquet)$/i;
/** What Hugging Face and LLaMA-Factory keep beside their data. */
const ABOUT_DATA = /^(\.|dataset_infos?\.json$|dataset_dict\.json$|state\.json$)/;

const reason = (error: unknown): string => oneLine(error instanceof Error ? error.message : String(error));

const statOf = (path: string): Stats => {
  try {
    return statSync(path);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    throw new InputError(`${path}: ${code === "ENOENT" ? "no such file" : `cannot be read (${reason(error)})`}`);
  }
};

/**
 * The data files that a path stands for: itself, or what is in the folder, sorted by name; without its subfolders.
 * Errors: InputError if there are none.
 */
export const dataFiles = (path: string): readonly string[] => {
  if (!statOf(path).isDirectory()) return [path];
  const names = readdirSync(path).filter((name) => DATA_FILE.test(name) && !ABOUT_DATA.test(name));
  const files = names.sort((a, b) => (a < b ? -1 : 1)).map((name) => join(path, name));
  if (files.length === 0)
    throw new InputError(`${path}: this folder holds no data file (.jsonl, .json, .parquet, and these with .gz)`);
  return files;
};

/** The bytes of a file, those of a .gz inflated; `onBytes` hears how many of the file's are read. */
async function* chunksOf(path: string, onBytes: (count: number) => void): AsyncGenerator<Buffer, void> {
  const file = createReadStream(path, { highWaterMark: CHUNK });
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

/** The parsed values of a data file or a folder of them, in order, a chunk at a time. */
export async function* valuesOf(path: string, onRead: OnRead = () => {}): AsyncGenerator<Found> {
  const files = dataFiles(path);
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
