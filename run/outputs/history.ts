import type { LoggedRecord } from "../../align/training/writer.js";
import type { RunObserver, RunStart } from "../running/observer.js";

/** All records of a run so far, those from before it was resumed among them. */
export interface RunHistory {
  readonly observer: RunObserver;
  /** How the run began. */
  readonly start: () => RunStart;
  readonly records: () => readonly LoggedRecord[];
}

/** Gathers records; a resumed run's earlier ones are there when it begins. */
export const runHistory = (): RunHistory => {
  let records: LoggedRecord[] = [];
  let begun: RunStart | undefined;
  return {
    observer: {
      start: (at) => {
        begun = at;
        records = [...at.records];
      },
      step: ({ record }) => {
        if (record !== undefined) records.push(record);
      },
      evaluation: (record) => {
        records.push(record);
      },
    },
    start: () => begun as RunStart,
    records: () => records,
  };
};

/** Training records have a loss; those of an evaluation eval_loss, or scores of benchmarks alone. */
export const isEvaluation = (record: LoggedRecord): boolean => !("loss" in record);
