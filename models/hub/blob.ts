import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, rename, rm, stat, truncate } from "node:fs/promises";
import { dirname } from "node:path";
import { InputError } from "../../core/errors.js";
import { makeFolder } from "../files/writing/make-folder.js";
import { answered } from "./library.js";
import { ATTEMPTS, reason, waitAfter } from "./patient-fetch.js";

/** A file as the Hub lists it: git's hash of small ones, and the sha256 of large ones. */
export interface ListedFile {
  readonly path: string;
  readonly size: number;
  readonly oid?: string;
  readonly lfs?: { readonly oid: string; readonly size: number };
}

/** What a file of the cache is called: by its content. */
export const blobName = ({ oid, lfs, path }: ListedFile): string => {
  const name = lfs?.oid ?? oid;
  if (name === undefined || !/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(name))
    throw new InputError(`${path}: the Hub tells no hash of it, so that it cannot be checked`);
  return name;
};

/** A hash that is the blob's name once all bytes went in. */
const hashOf = ({ lfs, size }: ListedFile): Hash =>
  lfs !== undefined ? createHash("sha256") : createHash("sha1").update(`blob ${size}\0`);

export const sizeOf = async (path: string): Promise<number | undefined> =>
  (await stat(path).catch(() => undefined))?.size;

/** Gives the bytes of a file from a place on. */
export type Source = (from: number) => Promise<ReadableStream<Uint8Array>>;

/**
 * Appends to `partial` what is missing of the file. Resolves to its hash, or undefined where the stream ended early.
 * Bytes that lie there are read first, since the hash needs them.
 */
const fill = async (file: ListedFile, partial: string, source: Source, onBytes: (done: number) => void) => {
  const hash = hashOf(file);
  let done = (await sizeOf(partial)) ?? 0;
  if (done > file.size) {
    await truncate(partial, 0);
    done = 0;
  }
  if (done > 0) for await (const bytes of createReadStream(partial)) hash.update(bytes as Uint8Array);
  if (done < file.size) {
    const handle = await open(partial, done === 0 ? "w" : "r+");
    try {
      for await (const bytes of await source(done)) {
        const piece = bytes.subarray(0, file.size - done);
        // At its place, not at the end: two processes that load one file write the same bytes.
        await handle.write(piece, 0, piece.length, done);
        hash.update(piece);
        done += piece.length;
        onBytes(done);
      }
      await handle.sync();
    } finally {
      await handle.close();
    }
  } else if (file.size === 0) await (await open(partial, "w")).close();
  return done === file.size ? hash.digest("hex") : undefined;
};

/** Where the bytes come from, how long to wait after a failure (ms), and who hears how many have come. */
export interface DownloadOptions {
  readonly source: Source;
  readonly pause: number;
  readonly onBytes?: (done: number) => void;
}

/** A disk that is full, or no disk to write to, is no connection that broke. */
const isDiskError = (error: unknown): boolean =>
  error instanceof Error && "code" in error && /^(ENOSPC|EDQUOT|EROFS|EACCES|EIO|EFBIG)$/.test(String(error.code));

/**
 * Downloads a file to `path`, which is there only once it is whole and its hash is right. What came before a connection broke
 * lies in `path`.incomplete, and is gone on from: at once, and by later calls.
 * Errors: InputError once five attempts in a row brought nothing, or the bytes are twice not those that the Hub lists.
 */
export const downloadBlob = async (
  file: ListedFile,
  path: string,
  { source, pause, onBytes = () => {} }: DownloadOptions,
): Promise<void> => {
  const partial = `${path}.incomplete`;
  makeFolder(dirname(path));
  for (let [idle, wrong] = [0, 0]; ; ) {
    const before = (await sizeOf(partial)) ?? 0;
    let found: string | undefined;
    let failure: unknown = "the stream ended early";
    try {
      found = await fill(file, partial, source, onBytes);
    } catch (error) {
      if (error instanceof InputError || isDiskError(error) || (answered(error) ?? 500) < 500) throw error;
      failure = error;
    }
    if (found === blobName(file)) break;
    if (found !== undefined) {
      await rm(partial);
      if (++wrong === 2) throw new InputError(`${file.path}: what came is twice not what the Hub lists (wrong hash)`);
      continue;
    }
    idle = ((await sizeOf(partial)) ?? 0) > before ? 0 : idle + 1;
    if (idle === ATTEMPTS)
      throw new InputError(
        `${file.path}: the download broke off (${reason(failure)}); the next one goes on from there`,
      );
    await waitAfter(Math.max(1, idle), pause);
  }
  // Another process may have been faster.
  await rename(partial, path).catch(async (error: unknown) => {
    if ((await sizeOf(path)) !== file.size) throw error;
  });
};
