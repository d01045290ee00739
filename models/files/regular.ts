import { closeSync, constants, fstatSync, openSync, readSync, type Stats, statSync } from "node:fs";
import { InputError } from "../../core/errors.js";
import { Buffer } from "../platform/node/globals.js";
import { isSystemError, reasonOf } from "./writing/system-error.js";

/** What a path is that is no file, in words. */
const kindOf = (stats: Stats): string => {
  if (stats.isDirectory()) return "a folder";
  if (stats.isFIFO()) return "a pipe";
  if (stats.isSocket()) return "a socket";
  return stats.isCharacterDevice() || stats.isBlockDevice() ? "a device" : "no file";
};

const notRegular = (path: string, stats: Stats): InputError =>
  new InputError(
    `${path}: is ${kindOf(stats)}, and must be a regular file; others may have no end, or never a beginning`,
  );

const unread = (path: string, error: unknown): unknown => {
  if (!isSystemError(error)) return error;
  return new InputError(`${path}: ${error.code === "ENOENT" ? "no such file" : `cannot be read (${reasonOf(error)})`}`);
};

/** Errors: InputError if there is something at the path that is neither a file nor a link to one. */
export const checkRegular = (path: string): void => {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats !== undefined && !stats.isFile()) throw notRegular(path, stats);
};

/**
 * Opens a regular file for reading; the caller closes the handle. Nothing waits: neither a pipe without a writer, nor a file of
 * the kernel's that has nothing to say. Errors: InputError if there is none, or it is of another kind.
 */
export const openRegular = (path: string): number => {
  let handle: number | undefined;
  try {
    checkRegular(path); // opening a device may already do something
    handle = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    const stats = fstatSync(handle);
    if (!stats.isFile()) throw notRegular(path, stats);
    return handle;
  } catch (error) {
    if (handle !== undefined) closeSync(handle);
    throw unread(path, error);
  }
};

/** All bytes of a regular file, of at most so many. Errors: InputError if it is longer, or cannot be read. */
export const readRegular = (path: string, most: number): Uint8Array => {
  const handle = openRegular(path);
  try {
    const { size } = fstatSync(handle);
    const refuse = (bytes: number) => new InputError(`${path}: has ${bytes} bytes, at most ${most} are read`);
    if (size > most) throw refuse(size);
    // What the kernel makes up has size 0, and some of it no end.
    const parts: Uint8Array[] = [];
    let length = 0;
    for (;;) {
      const part = new Uint8Array(Math.max(1 << 16, size + 1 - length));
      const count = readSync(handle, part, 0, part.length, length);
      if (count === 0) break;
      parts.push(part.subarray(0, count));
      length += count;
      if (length > most) throw refuse(length);
    }
    return parts.length === 1 ? parts[0] : Buffer.concat(parts);
  } catch (error) {
    throw unread(path, error);
  } finally {
    closeSync(handle);
  }
};
