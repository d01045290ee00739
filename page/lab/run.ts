import type { TrainOptions } from "../../align/training/options.js";
import { type TrainStep, train } from "../../align/training/train.js";
import { type Device, dispose, upload } from "../../core/index.js";
import type { Params } from "../../models/parameters.js";
import { type Numbered, numbered, treeOf } from "./tensors.js";

/** A run as it lies in the browser's database: all that it takes to go on, or, once it is done, its weights. */
export interface KeptRun {
  readonly step: number;
  readonly batches: number;
  readonly tokens: number;
  readonly numbers: Numbered;
}

/** A training run that is taken a step at a time. */
export interface Run {
  readonly step: () => number;
  readonly isDone: () => boolean;
  /** The weights after the last step, the run's own; valid until the next. */
  readonly params: () => Params;
  readonly next: () => Promise<TrainStep>;
  /** What to keep of it; after a step that carries a record. */
  readonly kept: () => Promise<KeptRun>;
  readonly close: () => Promise<void>;
}

/** Where a run keeps its weights in its state. */
const WEIGHTS = "optimizer.params.";

/** Begins a run, or goes on with one that was kept. `optionsFrom` gives its batches from a number on. */
export const openRun = (
  optionsFrom: (batch: number) => TrainOptions,
  device: Device,
  kept: KeptRun | undefined,
): Run => {
  const begun = optionsFrom(kept?.batches ?? 0);
  const { steps } = begun;
  const isWhole = kept?.step === steps;
  const options: TrainOptions = {
    ...begun,
    ...(kept && {
      resume: (initial) => {
        const { step, batches, tokens, numbers } = kept;
        return { step, batches, tokens, state: treeOf(initial, numbers) };
      },
    }),
  };
  /** Weights that are this run's, where no step of it holds them: those it was kept with, and the final ones. */
  let own = kept && upload(treeOf(begun.params, kept.numbers, isWhole ? "" : WEIGHTS), device);
  const releaseOwn = (): void => {
    if (own !== undefined) dispose(own);
    own = undefined;
  };
  const stepping = isWhole ? undefined : train(options, device);
  let [taken, at]: [TrainStep | undefined, number] = [undefined, kept?.step ?? 0];
  let snapshot: KeptRun | undefined = isWhole ? kept : undefined;
  return {
    step: () => at,
    isDone: () => at === steps,
    params: () => own ?? taken?.params ?? begun.params,
    next: async () => {
      if (stepping === undefined) throw new Error("the run is done");
      const { value, done } = await stepping.next();
      if (done === true) throw new Error("the run ended early");
      releaseOwn();
      taken = value;
      at = value.step;
      snapshot = undefined;
      if (at === steps) {
        const { step, batches, tokens } = await value.snapshot();
        const end = await stepping.next();
        own = end.value as Params;
        snapshot = { step, batches, tokens, numbers: await numbered(own) };
      }
      return value;
    },
    kept: async () => {
      if (snapshot === undefined) {
        if (taken === undefined) throw new Error("the run has not taken a step");
        const { state, step, batches, tokens } = await taken.snapshot();
        snapshot = { step, batches, tokens, numbers: await numbered(state) };
      }
      const all = snapshot;
      snapshot = undefined; // the database has it
      return all;
    },
    close: async () => {
      await stepping?.return(begun.params);
      releaseOwn();
    },
  };
};
