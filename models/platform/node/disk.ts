import {
  closeSync,
  fstatSync,
  fsyncSync,
  openSync,
  readdirSync,
  readSync,
  realpathSync,
  renameSync,
  rmSync,
} from "node:fs";
import { basename, dirname, join, sep } from "node:path";
import { InputError } from "../../../core/errors.js";
import { fileExists, folderExists } from "../../files/json.js";
import { openRegular, readRegular } from "../../files/regular.js";
import { beginFile } from "../../files/writing/atomic.js";
import { isSystemError, reasonOf } from "../../files/writing/system-error.js";
import type { Folder, StoredFile } from "../../folders/folder.js";

const withFile = <T>(path: string, use: (handle: number) => T): T => {
  const handle = openRegular(path);
  try {
    return use(handle);
  } catch (error) {
    if (isSystemError(error)) throw new InputError(`${path}: cannot be read (${reasonOf(error)})`);
    throw error;
  } finally {
    closeSync(handle);
  }
};

/** Reads exactly `target.length` bytes from `position`. */
const fill = (path: string, handle: number, target: Uint8Array, position: number): void => {
  for (let done = 0; done < target.length; ) {
    const count = readSync(handle, target, done, Math.min(target.length - done, 1 << 30), position + done);
    if (count === 0) throw new InputError(`${path}: ended early, it was cut while being read`);
    done += count;
  }
};

/** Flushes a file or a folder. */
const settle = (path: string, flags: string): void => {
  const handle = openSync(path, flags);
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
};

/** A file of the disk; nothing stays open. Errors: InputError if there is none, or it is no regular one. */
export const diskFile = (path: string): StoredFile => ({
  path,
  size: withFile(path, (handle) => fstatSync(handle).size),
  read: (begin, end) => {
    const bytes = new Uint8Array(end - begin);
    withFile(path, (handle) => fill(path, handle, bytes, begin));
    return bytes;
  },
  whole: (most) => readRegular(path, most),
  settle: () => settle(path, "r+"), // Windows flushes only what is open for writing
});

/**
 * Where a link in a model's folder may lead: into the folder, to what the Hub's cache keeps for it (snapshots/… beside blobs/), or to
 * a file of the same name, as of another model. Somebody else's model must not make a copy of whatever its user can read.
 */
const isOwn = (folder: string, file: string): boolean => {
  const [home, target] = [folder, file].map((path) => realpathSync(path));
  const places = [home, ...(basename(dirname(home)) === "snapshots" ? [join(home, "..", "..", "blobs")] : [])];
  return basename(target) === basename(file) || places.some((place) => target.startsWith(join(place, sep)));
};

/**
 * A folder of the disk, which answers at once; what takes a folder takes its path as well. There or not: writing makes it.
 * Errors (of its functions): InputError for what cannot be read or written.
 */
export const diskFolder = (path: string): Folder => {
  const pathOf = (name: string): string => join(path, name);
  return {
    path,
    pathOf,
    isThere: () => folderExists(path),
    file: (name) => (fileExists(pathOf(name)) ? diskFile(pathOf(name)) : undefined),
    names: () => (folderExists(path) ? readdirSync(path) : []),
    leadsOut: (name) => !isOwn(path, pathOf(name)),
    within: (name) => diskFolder(pathOf(name)),
    begin: (name) => beginFile(pathOf(name)),
    rename: (from, to) => renameSync(pathOf(from), pathOf(to)),
    // Windows cannot, and does not need to.
    settle: () => (process.platform === "win32" ? undefined : settle(path, "r")),
    remove: (name) => rmSync(pathOf(name), { recursive: true, force: true }),
  };
};
