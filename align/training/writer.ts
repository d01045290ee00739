import { existsSync } from "node:fs";
import { asks } from "../../core/expects.js";
import { readRegular } from "../../models/files/regular.js";
import { openAppend } from "../../models/files/writing/append.js";
import { writeTextAtomically } from "../../models/files/writing/atomic.js";
import { Buffer } from "../../models/platform/node/globals.js";

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

/** More than a file of records has. */
const LARGEST = 2 ** 28;

/** The record on a line; undefined if it is none. */
const recordOf = (line: string): LoggedRecord | undefined => {
  try {
    const record = JSON.parse(line) as LoggedRecord | null;
    return typeof record?.step === "number" ? record : undefined;
  } catch {
    return undefined;
  }
};

/** What of a file's lines counts. */
interface Kept {
  readonly lines: readonly string[];
  readonly records: readonly LoggedRecord[];
  /** Numbers of lines before those of later steps that hold no record, from 1. */
  readonly damaged: readonly number[];
  /** Does the file end in the middle of a line? */
  readonly torn: boolean;
}

/** The lines up to step `last`: those after the first whole record of a later step are void. */
const upTo = (text: string, last: number): Kept => {
  const all = text.split("\n");
  const torn = all.at(-1) !== "";
  const [lines, records, damaged]: [string[], LoggedRecord[], number[]] = [[], [], []];
  for (const [i, line] of (torn ? all : all.slice(0, -1)).entries()) {
    const record = recordOf(line);
    if (record === undefined) damaged.push(i + 1);
    else if ((record.step as number) > last) return { lines, records, damaged, torn };
    else {
      lines.push(line);
      records.push(record);
    }
  }
  return { lines, records, damaged, torn };
};

/** What is lost, in one line; undefined if nothing is. */
const lossOf = (path: string, { damaged, torn, records }: Kept, last: number): string | undefined => {
  const [first] = damaged;
  if (first === undefined) return undefined;
  const from = records.at(-1)?.step ?? 0;
  const many = damaged.length === 1 ? `line ${first} holds` : `${damaged.length} lines, from line ${first} on, hold`;
  return torn && damaged.length === 1
    ? `warning: ${path}: the last line was cut off (after step ${from}), and is removed; what stands before it is whole`
    : `warning: ${path}: ${many} no record, and ${damaged.length === 1 ? "is" : "are"} removed; ${records.length} whole records up to step ${last} stay`;
};

/** What becomes of a file of records that is opened again. */
export interface RecordOptions {
  /** The file stays as it was up to that step; default: it begins empty. */
  readonly keepTo?: number;
  /** Hears of damage, in one line. */
  readonly tell?: (line: string) => void;
}

/**
 * Opens a JSON Lines file such as `metrics.jsonl`: empty, or with `keepTo` as it was up to that step, so that a resumed run
 * leaves the file of an undisturbed one. Lines that hold no whole record are removed, and told; those after them stay.
 * Errors: InputError if the file cannot be opened, read or written.
 */
export const openRecords = asks(
  "openRecords",
  "text record?",
  (path: string, { keepTo, tell = () => {} }: RecordOptions = {}): RecordWriter => {
    let kept: readonly LoggedRecord[] = [];
    let length = 0;
    if (keepTo !== undefined && existsSync(path)) {
      const bytes = Buffer.from(readRegular(path, LARGEST));
      const found = upTo(bytes.toString("utf8"), keepTo);
      const text = found.lines.map((line) => `${line}\n`).join("");
      const loss = lossOf(path, found, keepTo);
      if (loss !== undefined) tell(loss);
      kept = found.records;
      length = Buffer.byteLength(text);
      if (!bytes.subarray(0, length).equals(Buffer.from(text, "utf8"))) writeTextAtomically(path, text);
    }
    const file = openAppend(path, length);
    return { kept, write: (record) => file.write(recordText(record)), sync: file.sync, close: file.close };
  },
);
