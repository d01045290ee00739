import { closeSync, fstatSync, fsyncSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { InputError } from "../../core/errors.js";

export type LoggedRecord = Readonly<Record<string, unknown>>;

/** Writes one JSON object a line, at once, so that a run that dies leaves what it had reached. */
export interface RecordWriter {
  /** What stood in the file already. */
  readonly kept: readonly LoggedRecord[];
  readonly write: (record: LoggedRecord) => void;
  /** What was written is on disk, also after a power cut. */
  readonly sync: () => void;
  readonly close: () => void;
}

/** JSON knows no NaN and no infinities; they become texts, so that a diverged run shows in its file. */
const finite = (_: string, value: unknown): unknown =>
  typeof value === "number" && !Number.isFinite(value) ? String(value) : value;

/** One JSON document, with names for numbers that JSON does not know. */
export const recordText = (record: unknown, indent = 0): string => `${JSON.stringify(record, finite, indent)}\n`;

/** The record on a line, if it is one of a step up to `last`. */
const recordOf = (line: string, last: number): LoggedRecord | undefined => {
  try {
    const record = JSON.parse(line) as LoggedRecord;
    return typeof record.step === "number" && record.step <= last ? record : undefined;
  } catch {
    return undefined; // a line that a crash cut off
  }
};

/** Records up to step `last`, and how many bytes they take. */
const upTo = (bytes: Buffer, last: number): readonly [kept: LoggedRecord[], length: number] => {
  const kept: LoggedRecord[] = [];
  let from = 0;
  for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, from)) {
    const record = recordOf(bytes.toString("utf8", from, end), last);
    if (record === undefined) break;
    kept.push(record);
    from = end + 1;
  }
  return [kept, from];
};

/**
 * Opens a JSON Lines file such as `metrics.jsonl`: empty, or with `keepTo` as it was up to that step, so that a resumed run
 * leaves the file of an undisturbed one. Errors: InputError if the file cannot be opened.
 */
export const openRecords = (path: string, { keepTo }: { readonly keepTo?: number } = {}): RecordWriter => {
  const unwritten = (error: unknown): InputError =>
    new InputError(`${path}: cannot be written (${error instanceof Error ? error.message : String(error)})`);
  let file: number | undefined;
  let kept: readonly LoggedRecord[] = [];
  try {
    file = openSync(path, keepTo === undefined ? "w" : "a+");
    if (keepTo !== undefined) {
      let length: number;
      [kept, length] = upTo(readFileSync(path), keepTo);
      if (fstatSync(file).size > length) ftruncateSync(file, length);
    }
  } catch (error) {
    if (file !== undefined) closeSync(file);
    throw unwritten(error);
  }
  return {
    kept,
    write: (record) => {
      try {
        if (file !== undefined) writeSync(file, recordText(record));
      } catch (error) {
        throw unwritten(error);
      }
    },
    sync: () => {
      if (file !== undefined) fsyncSync(file);
    },
    close: () => {
      if (file !== undefined) closeSync(file);
      file = undefined;
    },
  };
};
