import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { InputError } from "../../core/errors.js";

/** Appends bytes to the file being written. */
export type Sink = (bytes: Uint8Array) => void;

/** One file to write: where, and what puts its bytes. */
export interface PendingFile {
  readonly path: string;
  readonly write: (sink: Sink) => void;
}

let serial = 0;

const temporaryName = (path: string): string => `${path}.${process.pid}-${serial++}.tmp`;

const reason = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** What went wrong with a file, as an InputError where the system refused; everything else as it is. */
export const unwritten = (error: unknown, paths: readonly string[]): unknown =>
  error instanceof Error && "syscall" in error
    ? new InputError(`${paths.join(", ")}: cannot be written (${reason(error)})`)
    : error;

/** writeSync may write less than asked for. */
const sinkOf =
  (handle: number): Sink =>
  (bytes) => {
    for (let done = 0; done < bytes.byteLength; ) done += writeSync(handle, bytes, done, bytes.byteLength - done);
  };

/**
 * Writes files so that a reader sees each either as it was or whole: everything goes to temporary names first, and is
 * renamed, in order, only after the last byte of the last file is on disk.
 * Errors: InputError when a folder or file cannot be written; temporary files are removed then.
 */
export const writeAtomically = (files: readonly PendingFile[]): void => {
  const temporary: string[] = [];
  try {
    for (const { path, write } of files) {
      mkdirSync(dirname(path), { recursive: true });
      const name = temporaryName(path);
      const handle = openSync(name, "wx");
      temporary.push(name);
      try {
        write(sinkOf(handle));
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
    mkdirSync(dirname(path), { recursive: true });
    const handle = openSync(name, "wx");
    try {
      await write(sinkOf(handle));
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
