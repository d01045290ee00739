import { existsSync } from "node:fs";
import { join } from "node:path";
import { type LoggedRecord, openRecords, type RecordWriter } from "../../../align/training/writer.js";
import type { RunObserver } from "./observer.js";

const pathIn = (folder: string): string => join(folder, "metrics.jsonl");

/** Records of a run's metrics.jsonl up to a step; what stands after them is void, and removed. `tell` hears of damage. */
export const recordsIn = (folder: string, step: number, tell: (line: string) => void): readonly LoggedRecord[] => {
  const path = pathIn(folder);
  if (!existsSync(path)) return [];
  const file = openRecords(path, { keepTo: step, tell });
  file.close();
  return file.kept;
};

/** metrics.jsonl: a line a logged step, and a line an evaluation; on disk before a checkpoint counts on them. */
export const metricsFile = (): RunObserver => {
  let records: RecordWriter | undefined;
  return {
    start: ({ folder, step }) => {
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
