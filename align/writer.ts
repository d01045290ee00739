import { closeSync, openSync, writeSync } from "node:fs";
import { InputError } from "../core/index.js";

/** Writes one JSON object a line, at once, so that a run that dies leaves what it had reached. */
export interface RecordWriter {
  readonly write: (record: Readonly<Record<string, unknown>>) => void;
  readonly close: () => void;
}

/** JSON knows no NaN and no infinities; they become texts, so that a diverged run shows in its file. */
const finite = (_: string, value: unknown): unknown =>
  typeof value === "number" && !Number.isFinite(value) ? String(value) : value;

/**
 * Opens a JSON Lines file such as `metrics.jsonl`, empty, or at its end with `append`.
 * Errors: InputError if the file cannot be opened.
 */
export const openRecords = (path: string, { append = false }: { readonly append?: boolean } = {}): RecordWriter => {
  let file: number | undefined;
  try {
    file = openSync(path, append ? "a" : "w");
  } catch (error) {
    throw new InputError(`${path}: cannot be written (${error instanceof Error ? error.message : String(error)})`);
  }
  return {
    write: (record) => {
      if (file !== undefined) writeSync(file, `${JSON.stringify(record, finite)}\n`);
    },
    close: () => {
      if (file !== undefined) closeSync(file);
      file = undefined;
    },
  };
};
