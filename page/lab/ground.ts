import type { TrainingBatch } from "../../align/data/rows.js";
import { preferenceObjective } from "../../align/objectives/objective.js";
import { trainingOptimizer } from "../../align/training/optimizer.js";
import type { TrainOptions } from "../../align/training/options.js";
import { batchTensors, referenceAsker } from "../../align/training/reference.js";
import { referenceDelta } from "../../align/training/rules/reference-delta.js";
import { type Device, dispose, evaluate, read } from "../../core/index.js";
import { config } from "../../lab/world/model.js";
import { runOptions, trainingPairs } from "../../lab/world/stages.js";
import type { Params } from "../../models/index.js";
import { type BranchName, type Course, type Knobs, optimizerSettings, SEED } from "./settings.js";

/** What all alignments start from: the tuned model, τ, and pairs with what the tuned model thinks of them. */
export interface Ground {
  readonly options: (name: BranchName, knobs: Knobs, from: number) => TrainOptions;
  readonly close: () => void;
}

/** Keeps the weights that it is given, which stay the caller's. */
export const openGround = (base: Params, sft: Params, { alignment, every }: Course, device: Device): Ground => {
  const refDelta = evaluate(referenceDelta(sft, base), device);
  const asker = referenceAsker({ config, params: sft }, device);
  const pairs = trainingPairs(SEED, alignment);
  const referenced: TrainingBatch[] = [];
  /** Asked when the first of the alignments comes to it. */
  const batch = async (at: number): Promise<TrainingBatch> => {
    if (referenced[at] === undefined) {
      const answer = asker.ask(batchTensors(pairs[at], false));
      referenced[at] = { ...pairs[at], reference: await read(answer).finally(() => dispose(answer)) };
    }
    return referenced[at];
  };
  const batches = async function* (from: number): AsyncGenerator<TrainingBatch> {
    for (let at = from; at < pairs.length; at++) yield await batch(at);
  };
  return {
    options: (name, knobs, from) => {
      const { learningRate, beta } = knobs;
      const optimizer = trainingOptimizer(optimizerSettings(name, knobs));
      const objective = preferenceObjective(config, { beta, tokenMetrics: false });
      const stage = { objective, params: sft, optimizer, batches: batches(from), seed: SEED };
      return {
        ...runOptions({ ...stage, ...(optimizer.usesTau && { refDelta }) }, { ...alignment, learningRate }),
        steps: Math.min(alignment.steps, pairs.length),
        loggingSteps: every.alignment,
      };
    },
    close: () => {
      asker.close();
      dispose(refDelta);
    },
  };
};
