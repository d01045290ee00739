import { closeSync, constants, fstatSync, fsyncSync, ftruncateSync, openSync, writeSync } from "node:fs";
import { InputError } from "../../../core/errors.js";
import { Buffer } from "../../platform/node/globals.js";
import { isSystemError, reasonOf } from "./system-error.js";

const { O_WRONLY, O_APPEND, O_CREAT } = constants;

/** A file that grows by whole records. */
export interface Appender {
  /** Appends all of it, or nothing. */
  readonly write: (record: Uint8Array | string) => void;
  /** What was written is on disk, also after a power cut. */
  readonly sync: () => void;
  readonly close: () => void;
}

/** What a file could not be used for, as an InputError where the system refused; everything else as it is. */
export const unwritten = (error: unknown, paths: readonly string[]): unknown =>
  isSystemError(error)
    ? Object.assign(new InputError(`${paths.join(", ")}: cannot be written (${reasonOf(error)})`), { cause: error })
    : error;

/** Writes all bytes at the end of an open file: the system may take less than it is given, as on a disk that is about full. */
export const writeAll = (file: number, bytes: Uint8Array): void => {
  for (let done = 0; done < bytes.byteLength; ) done += writeSync(file, bytes, done, bytes.byteLength - done);
};

/**
 * Opens a file to append to its first `keep` bytes; what stands after them is cut. A record that does not fit leaves nothing of
 * itself. Errors: InputError for a file that cannot be opened or written.
 */
export const openAppend = (path: string, keep: number): Appender => {
  const attempt = (run: () => void): void => {
    try {
      run();
    } catch (error) {
      throw unwritten(error, [path]);
    }
  };
  let file: number | undefined;
  let length = keep;
  const close = (): void => {
    if (file !== undefined) closeSync(file);
    file = undefined;
  };
  try {
    // A pipe without a reader would be waited for.
    file = openSync(path, O_WRONLY | O_APPEND | O_CREAT | (constants.O_NONBLOCK ?? 0), 0o666);
    if (fstatSync(file).size > keep) ftruncateSync(file, keep);
  } catch (error) {
    close();
    throw unwritten(error, [path]);
  }
  return {
    write: (record) =>
      attempt(() => {
        if (file === undefined) return;
        const bytes = typeof record === "string" ? Buffer.from(record, "utf8") : record;
        try {
          writeAll(file, bytes);
          length += bytes.byteLength;
        } catch (error) {
          try {
            ftruncateSync(file, length);
          } catch {
            // no file that can be cut; whoever opens it again leaves out what is torn
          }
          throw error;
        }
      }),
    sync: () =>
      attempt(() => {
        if (file !== undefined) fsyncSync(file);
      }),
    close,
  };
};
