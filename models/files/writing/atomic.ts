import { randomUUID } from "node:crypto";
import { closeSync, fsyncSync, openSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { unwritten, writeAll } from "./append.js";
import { makeFolder } from "./make-folder.js";

/** Appends bytes to the file being written. */
export type Sink = (bytes: Uint8Array) => void;

/** One file to write: where, and what puts its bytes. */
export interface PendingFile {
  readonly path: string;
  readonly write: (sink: Sink) => void;
}

let serial = 0;

/** Of this process: on another machine that shares the folder one may have the same number. */
const token = randomUUID().slice(0, 8);

/** Is it a name under which something is written, that has its own name once it is whole? */
export const isUnfinished = (name: string): boolean => /\.\d+(-\d+(-[0-9a-f]{8})?)?\.tmp$/.test(name);

const temporaryName = (path: string): string => `${path}.${process.pid}-${serial++}-${token}.tmp`;

/**
 * Writes files so that a reader sees each either as it was or whole: everything goes to temporary names first, and is
 * renamed, in order, only after the last byte of the last file is on disk.
 * Errors: InputError when a folder or file cannot be written; temporary files are removed then.
 */
export const writeAtomically = (files: readonly PendingFile[]): void => {
  const temporary: string[] = [];
  try {
    for (const { path, write } of files) {
      makeFolder(dirname(path));
      const name = temporaryName(path);
      const handle = openSync(name, "wx");
      temporary.push(name);
      try {
        write((bytes) => writeAll(handle, bytes));
        fsyncSync(handle);
      } finally {
        closeSync(handle);
      }
    }
    files.forEach(({ path }, i) => {
      renameSync(temporary[i], path);
    });
  } catch (error) {
    for (const name of temporary) rmSync(name, { force: true });
    throw unwritten(
      error,
      files.map((file) => file.path),
    );
  }
};

/** Writes one file whole or not at all, from pieces that have to be waited for. Errors: as `writeAtomically`. */
export const streamAtomically = async (path: string, write: (sink: Sink) => Promise<void>): Promise<void> => {
  const name = temporaryName(path);
  try {
    makeFolder(dirname(path));
    const handle = openSync(name, "wx");
    try {
      await write((bytes) => writeAll(handle, bytes));
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
    renameSync(name, path);
  } catch (error) {
    rmSync(name, { force: true });
    throw unwritten(error, [path]);
  }
};

/** Writes one text file whole or not at all (UTF-8). */
export const writeTextAtomically = (path: string, text: string): void =>
  writeAtomically([{ path, write: (sink) => sink(Buffer.from(text, "utf8")) }]);
