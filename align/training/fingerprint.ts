import { createHash, type Hash } from "node:crypto";
import { closeSync, fstatSync, readdirSync, readSync } from "node:fs";
import { join } from "node:path";
import { expects } from "../../core/expects.js";
import { openRegular } from "../../models/files/regular.js";
import { at } from "../../models/files/writing/system-error.js";

/** Larger files are looked at in places: rereading all weights at every start would cost minutes. */
const WHOLE = 64 * 2 ** 20;
const BLOCK = 2 ** 16;
const BLOCKS = 512;

/** Adds what a file holds to a digest, as much as is looked at. Errors: the file system's. */
const add = (hash: Hash, name: string, path: string, block: Uint8Array): void => {
  const handle = openRegular(path);
  try {
    const { size } = fstatSync(handle);
    hash.update(`${name} ${size}\n`);
    const stride = size <= WHOLE ? BLOCK : Math.floor((size - BLOCK) / (BLOCKS - 1));
    const readAt = (place: number): number => at(path, () => readSync(handle, block, 0, BLOCK, place));
    for (let place = 0; place < size; place += stride) hash.update(block.subarray(0, readAt(place)));
  } finally {
    closeSync(handle);
  }
};

/**
 * A digest of files, by the names that they go by, whatever their paths are: 64 hex digits. Of files above 64 MiB it sees
 * the length and 512 evenly spread blocks. Errors: the file system's.
 */
export const filesFingerprint = (files: ReadonlyMap<string, string>): string => {
  const hash = createHash("sha256");
  const block = new Uint8Array(BLOCK);
  for (const name of [...files.keys()].sort()) add(hash, name, files.get(name) as string, block);
  return hash.digest("hex");
};

/**
 * A digest of a model folder's weights and configuration, whatever its path is: 64 hex digits. Of files above 64 MiB it sees
 * the length and 512 evenly spread blocks, so that training on changes it, and editing one number by hand may not.
 * Errors: the file system's.
 */
export const modelFingerprint = (folder: string): string => {
  expects("modelFingerprint", "text", folder);
  const files = readdirSync(folder).filter((name) => /^(adapter_)?config\.json$|\.safetensors$/.test(name));
  return filesFingerprint(new Map(files.map((name) => [name, join(folder, name)])));
};
