import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { type LoggedRecord, openRecords, type RecordWriter } from "../../align/training/writer.js";
import type { RunObserver } from "./observer.js";

const pathIn = (folder: string): string => join(folder, "metrics.jsonl");

const kept = (path: string, step: number, tell: (line: string) => void): readonly LoggedRecord[] => {
  if (!existsSync(path)) return [];
  const file = openRecords(path, { keepTo: step, tell });
  file.close();
  return file.kept;
};

/**
 * Records of a run's metrics.jsonl up to a step, of which there were `written`; what stands after them is void, and removed.
 * `tell` hears of damage, and of another number.
 */
export const recordsIn = (
  folder: string,
  step: number,
  tell: (line: string) => void,
  written?: number,
): readonly LoggedRecord[] => {
  const records = kept(pathIn(folder), step, tell);
  if (written !== undefined && records.length !== written)
    tell(
      `warning: ${pathIn(folder)}: holds ${records.length} records up to step ${step}, and ${written} were written; the run goes on with what is there`,
    );
  return records;
};

/** What a run that begins anew finds of an earlier one. */
const replaced = (folder: string, tell: (line: string) => void): void => {
  // What is no file of records says so when it is written.
  if (statSync(pathIn(folder), { throwIfNoEntry: false })?.isFile() !== true) return;
  const found = kept(pathIn(folder), Number.POSITIVE_INFINITY, () => {});
  if (found.length > 0)
    tell(
      `note: ${pathIn(folder)}: ${found.length} records of an earlier run, to step ${found.at(-1)?.step}, are replaced, and its events with them`,
    );
};

/**
 * metrics.jsonl: a line a logged step, and a line an evaluation; on disk before a checkpoint counts on them. `tell` hears of
 * records that a run from the beginning replaces.
 */
export const metricsFile = (tell: (line: string) => void): RunObserver => {
  let records: RecordWriter | undefined;
  return {
    start: ({ folder, step }) => {
      if (step === 0) replaced(folder, tell);
      records = openRecords(pathIn(folder), step > 0 ? { keepTo: step } : {});
    },
    step: ({ record }) => {
      if (record !== undefined) records?.write(record);
    },
    evaluation: (record) => records?.write(record),
    saving: () => records?.sync(),
    again: ({ folder, records: all }) => {
      records?.close();
      records = openRecords(pathIn(folder));
      for (const record of all) records.write(record);
    },
    close: () => records?.close(),
  };
};
