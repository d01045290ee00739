import { epochOrder } from "../../align/data/batch.js";
import { ktoSource } from "../../align/data/kto-source.js";
import type { TrainingBatch } from "../../align/data/rows.js";
import { oneEpoch } from "../../align/data/source.js";
import { completionObjective } from "../../align/objectives/objective.js";
import type { TrainOptions } from "../../align/training/options.js";
import { batchTensors, referenceAsker } from "../../align/training/reference.js";
import { lastOf, type TrainStep, train } from "../../align/training/train.js";
import { type Device, dispose, read } from "../../core/index.js";
import type { Params } from "../../models/index.js";
import { adamW } from "../../optim/index.js";
import { type Batch, baseBatch, pairBatch, sftBatch } from "./batch.js";
import { type Pair, preferencePairs, ROW_LENGTH, type Row } from "./documents.js";
import { config } from "./model.js";
import type { AlignSetting, BaseSetting, Schedule } from "./settings.js";
import type { Split } from "./skills.js";
import { PAD } from "./vocabulary.js";

/** Hears of every step; every tenth, and the last, carries a record. */
export type OnStep = (step: TrainStep) => unknown;

/** Adam as the lab sets it in every stage. */
export const betas = [0.9, 0.99] as const;
const LOGGING_STEPS = 10;

/** What a run minimizes, from where, on what, by which rule. */
export type Stage = Pick<
  TrainOptions,
  | "objective"
  | "params"
  | "optimizer"
  | "batches"
  | "seed"
  | "refDelta"
  | "anchor"
  | "gradientMask"
  | "reference"
  | "average"
  | "referenceFollows"
  | "retain"
  | "spaces"
>;

/** A training run as the lab makes them: warm-up, then cosine to 10 %. */
export const runOptions = (stage: Stage, { steps, learningRate, warmup }: Schedule): TrainOptions => {
  const schedule = { steps, learningRate, warmupSteps: warmup, scheduler: "cosine", minRatio: 0.1 } as const;
  return { ...stage, ...schedule, loggingSteps: LOGGING_STEPS };
};

/** Such a run, to its end. Gives the final weights, which are the caller's. */
export const runStage = (stage: Stage, schedule: Schedule, device: Device, onStep?: OnStep): Promise<Params> =>
  lastOf(train(runOptions(stage, schedule), device), onStep);

/** Batches made when they are needed: each is a function of its step. */
const made = function* (make: (step: number) => Batch, from: number): Generator<TrainingBatch> {
  for (let step = from; ; step++) yield make(step);
};

const supervised = (params: Params, make: (step: number) => Batch, from: number): Stage => ({
  objective: completionObjective(config, { tokenMetrics: false }),
  params,
  optimizer: adamW({ betas, weightDecay: 0.01 }),
  batches: made(make, from),
});

/** The base model: lines of skills, loss on every token; batches from that of step `from` on. */
export const baseStage = (seed: number, fresh: Params, setting: BaseSetting, from = 0): Stage =>
  supervised(fresh, (step) => baseBatch(seed, step, setting.batch, setting), from);

/** The instruction-tuned model: requests and answers, loss on the answers. */
export const sftStage = (seed: number, base: Params, setting: Schedule, from = 0): Stage =>
  supervised(base, (step) => sftBatch(seed, step, setting.batch), from);

export const trainBase = (
  seed: number,
  fresh: Params,
  setting: BaseSetting,
  device: Device,
  onStep?: OnStep,
): Promise<Params> => runStage(baseStage(seed, fresh, setting), setting, device, onStep);

export const trainSft = (
  seed: number,
  base: Params,
  setting: Schedule,
  device: Device,
  onStep?: OnStep,
): Promise<Params> => runStage(sftStage(seed, base, setting), setting, device, onStep);

/** Rows of what came before, which an alignment may look at to keep it: none that base or tuning saw in this order. */
const BEFORE = 1_000_000;

/** A batch of tuning rows, answers learned; and one of base text, all of it learned. */
export const tuningRows = (seed: number, rows: number): TrainingBatch => sftBatch(seed, BEFORE, rows);
export const baseText = (seed: number, rows: number): TrainingBatch => baseBatch(seed, BEFORE, rows, { instructed: 0 });

/** The pairs of each step of an alignment, in a drawn order. */
const pairsByStep = (seed: number, { pairs: count, batch, steps }: AlignSetting): Pair[][] => {
  const pairs = preferencePairs(seed, "train", count);
  const order = epochOrder(seed, 0, count);
  return Array.from({ length: Math.min(steps, Math.floor(count / batch)) }, (_, i) =>
    order.slice(i * batch, (i + 1) * batch).map((row) => pairs[row]),
  );
};

/** The batches of an alignment, as many as it has steps. */
export const trainingPairs = (seed: number, setting: AlignSetting): TrainingBatch[] =>
  pairsByStep(seed, setting).map(pairBatch);

/**
 * The same pairs in the same order as labelled answers, as KTO learns from them: a step's wanted answers, then its unwanted
 * ones, and each prompt once more with its neighbour's answer.
 */
export const trainingAnswers = (seed: number, setting: AlignSetting): TrainingBatch[] => {
  const labelled = (label: boolean, { ids, given }: Row) => ({ ids, completionStart: given, label });
  const answers = pairsByStep(seed, setting).flatMap((pairs) => [
    ...pairs.map(({ chosen }) => labelled(true, chosen)),
    ...pairs.map(({ rejected }) => labelled(false, rejected)),
  ]);
  const source = ktoSource(answers, { batchSize: 2 * setting.batch, padId: PAD, shuffle: false, bucket: ROW_LENGTH });
  return [...oneEpoch(source)];
};

/** Held-out pairs, to measure margins on. */
export const heldOutPairs = (seed: number, split: Split, count: number): TrainingBatch[] => {
  const pairs = preferencePairs(seed, split, count);
  const batch = Math.min(64, count);
  return Array.from({ length: Math.ceil(count / batch) }, (_, i) => pairBatch(pairs.slice(i * batch, (i + 1) * batch)));
};

/** The batches with the log-probabilities that the SFT model gives the answers. */
export const referenced = async (
  sft: Params,
  batches: readonly TrainingBatch[],
  device: Device,
): Promise<TrainingBatch[]> => {
  const asker = referenceAsker({ config, params: sft }, device);
  try {
    const out: TrainingBatch[] = [];
    for (const batch of batches) {
      const answer = asker.ask(batchTensors(batch, false));
      out.push({ ...batch, reference: await read(answer).finally(() => dispose(answer)) });
    }
    return out;
  } finally {
    asker.close();
  }
};
