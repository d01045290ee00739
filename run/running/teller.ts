import { removeCheckpoints } from "../../align/training/checkpoint.js";
import type { StepRecord, TrainStep } from "../../align/training/train.js";
import type { LoggedRecord } from "../../align/training/writer.js";
import { InputError } from "../../core/errors.js";
import { makeFolder } from "../../models/files/writing/make-folder.js";
import type { Locked } from "../writing/locked.js";
import { type RunObserver, type RunStart, together } from "./observer.js";

/** A run's output folder, and what is done to it before anything is written. */
export interface Home {
  readonly lock: Locked;
  /** Says in the folder whose it is. */
  readonly sign: () => void;
  /** Does the run begin anew there? Then checkpoints that it finds are another run's, and to be replaced. */
  readonly fresh: boolean;
  readonly tell: (line: string) => void;
}

/** Tells observers, from the first thing that there is to tell: before it, nothing is written. */
export const teller = (observers: readonly RunObserver[], at: RunStart, { lock, sign, fresh, tell }: Home) => {
  const all = together(observers);
  const records: LoggedRecord[] = [...at.records];
  let step = at.step;
  let begun = false;
  const begin = async (): Promise<void> => {
    if (begun) return;
    makeFolder(at.folder);
    const removed = fresh ? removeCheckpoints(at.folder) : [];
    if (removed.length > 0) tell(`note: ${at.folder}: removed ${removed.join(", ")} of an earlier run`);
    sign();
    await all.start(at);
    begun = true;
  };
  const note = <R extends LoggedRecord>(record: R): R => {
    records.push(record);
    return record;
  };
  return {
    /**
     * Before files are written into the folder: one that was removed or renamed meanwhile is made again, with all that was written
     * into it by line. Errors: InputError where another process has taken it over.
     */
    ready: async (): Promise<void> => {
      await begin();
      const state = lock.state();
      if (state === "held") return;
      if (state === "lost")
        throw new InputError(
          `${at.folder}: another process has taken it over meanwhile; nothing more is written there`,
        );
      tell(
        `warning: ${at.folder} was removed or renamed meanwhile; it is made again, without the checkpoints before this`,
      );
      lock.retake();
      sign();
      await all.again({ ...at, step, records });
    },
    step: async (taken: TrainStep): Promise<void> => {
      step = taken.step;
      if (taken.record !== undefined) note(taken.record);
      await begin();
      await all.step(taken);
    },
    evaluation: async (record: StepRecord | { readonly step: number }): Promise<void> => {
      note(record);
      await begin();
      await all.evaluation(record);
    },
    /** How many records were told so far. */
    count: () => records.length,
    /** Writes again what was told so far, after one of them could not write it. */
    renew: () => begin().then(() => all.again({ ...at, step, records })),
    saving: () => begin().then(all.saving),
    saved: (checkpoint: string, at: number) => begin().then(() => all.saved(checkpoint, at)),
    end: () => begin().then(all.end),
    prepared: all.ready,
    records: (): readonly LoggedRecord[] => records,
    close: all.close,
  };
};
