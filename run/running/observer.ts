import type { TrainStep } from "../../align/training/train.js";
import type { LoggedRecord } from "../../align/training/writer.js";

/** A run as it begins. */
export interface RunStart {
  /** Steps done already: 0, or those of the checkpoint that it goes on from. What was written of later steps is void. */
  readonly step: number;
  /** Steps in all, and in an epoch. */
  readonly steps: number;
  readonly stepsPerEpoch: number;
  /** `sft`, `dpo`, … */
  readonly label: string;
  /** `output_dir`; there from now on. */
  readonly folder: string;
  /** What was logged up to that step. */
  readonly records: readonly LoggedRecord[];
}

/** Metrics of an evaluation, `eval_…`, after so many steps. */
export type EvaluationRecord = { readonly step: number } & Readonly<Record<string, number>>;

/**
 * Something that watches a run: metrics.jsonl, progress, plots. Called one after another, in the order in which they were
 * given, and awaited; an error ends the run.
 * Law: what an observer has written once a run that was killed and resumed has ended is what it would have written otherwise.
 */
export interface RunObserver {
  /** Where several ranks train one model: is it told by each of them? Else by the first alone. */
  readonly everyRank?: true;
  /** Once, when all is prepared: the first step, or an evaluation before it, is next. */
  readonly ready?: () => void;
  /** Once, before the first step. */
  readonly start?: (at: RunStart) => void | Promise<void>;
  /** After every step. */
  readonly step?: (taken: TrainStep) => void | Promise<void>;
  /** After an evaluation: before the first step of a fresh run (step 0), or after `step` and before `saved` of that step. */
  readonly evaluation?: (record: EvaluationRecord) => void | Promise<void>;
  /** A checkpoint of the step that was told last is about to be written; what it counts on must be on disk. */
  readonly saving?: () => void | Promise<void>;
  /** A checkpoint is on disk; a resumed run will go on from here. */
  readonly saved?: (checkpoint: string, step: number) => void | Promise<void>;
  /** The folder went, and was made again: what was written into it is to be written once more. `step` is the last one done. */
  readonly again?: (at: RunStart) => void | Promise<void>;
  /** All steps are done and the model is in `folder`. */
  readonly end?: () => void | Promise<void>;
  /** Last, however the run ended: hand back what is open. Must not throw. */
  readonly close?: () => void;
}

/** Many observers as one. */
export const together = (observers: readonly RunObserver[]): Omit<Required<RunObserver>, "everyRank"> => ({
  ready: () => {
    for (const { ready } of observers) ready?.();
  },
  start: async (at) => {
    for (const { start } of observers) await start?.(at);
  },
  step: async (taken) => {
    for (const { step } of observers) await step?.(taken);
  },
  evaluation: async (record) => {
    for (const { evaluation } of observers) await evaluation?.(record);
  },
  saving: async () => {
    for (const { saving } of observers) await saving?.();
  },
  saved: async (checkpoint, step) => {
    for (const { saved } of observers) await saved?.(checkpoint, step);
  },
  again: async (at) => {
    for (const { again } of observers) await again?.(at);
  },
  end: async () => {
    for (const { end } of observers) await end?.();
  },
  close: () => {
    for (const { close } of observers) close?.();
  },
});
