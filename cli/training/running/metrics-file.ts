import { existsSync } from "node:fs";
import { join } from "node:path";
import { type LoggedRecord, openRecords, type RecordWriter } from "../../../align/training/writer.js";
import type { RunObserver } from "./observer.js";

/** Records of a run's metrics.jsonl up to a step; what stands after them is void, and removed. */
export const recordsIn = (folder: string, step: number): readonly LoggedRecord[] => {
  const path = join(folder, "metrics.jsonl");
  if (!existsSync(path)) return [];
  const file = openRecords(path, { keepTo: step });
  file.close();
  return file.kept;
};

/** metrics.jsonl: a line a logged step, and a line an evaluation; on disk before a checkpoint counts on them. */
export const metricsFile = (): RunObserver => {
  let records: RecordWriter | undefined;
  return {
    start: ({ folder, step }) => {
      records = openRecords(join(folder, "metrics.jsonl"), step > 0 ? { keepTo: step } : {});
    },
    step: ({ record }) => {
      if (record !== undefined) records?.write(record);
    },
    evaluation: (record) => records?.write(record),
    saving: () => records?.sync(),
    close: () => records?.close(),
  };
};
