import { join } from "node:path";
import { openRecords, type RecordWriter } from "../../../align/training/writer.js";
import type { RunObserver } from "./observer.js";

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
