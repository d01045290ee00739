import type { TrainingBatch } from "../../align/data/rows.js";
import { preferenceObjective } from "../../align/objectives/objective.js";
import { evaluateOn } from "../../align/training/evaluate.js";
import { referenceDelta } from "../../align/training/rules/reference-delta.js";
import type { StepRecord, TrainStep } from "../../align/training/train.js";
import { type Device, evaluate } from "../../core/index.js";
import { type Exam, examiner } from "../../lab/world/exam.js";
import { config } from "../../lab/world/model.js";
import type { Score } from "../../lab/world/score.js";
import { ALIGNMENT, type World } from "../../lab/world/settings.js";
import { betas, heldOutPairs, type OnStep, referenced, runStage, trainingPairs } from "../../lab/world/stages.js";
import type { Params } from "../../models/index.js";
import { adamW, type Optimizer, onDare, onTies } from "../../optim/index.js";
import type { Progress } from "../progress.js";

/** How a stage tells what it does: a progress line, and its logged records. */
export interface Watch {
  readonly progress: (label: string, total: number) => Progress;
  readonly record: (stage: string, record: StepRecord) => void;
}

/** The lab's light world, scaled down. */
export const world: World = {
  base: { steps: 900, batch: 48, learningRate: 4e-3, warmup: 150, instructed: 0.03 },
  sft: { steps: 120, batch: 64, learningRate: 6e-4, warmup: 10 },
};

/** Runs a stage under a progress line. */
export const shown = async <T>(
  name: string,
  steps: number,
  watch: Watch,
  stage: (onStep: OnStep) => Promise<T>,
): Promise<T> => {
  const line = watch.progress(name, steps);
  let loss: number | undefined;
  let more: string | undefined;
  const onStep = async ({ step, tokens, record }: TrainStep): Promise<void> => {
    if (record !== undefined) {
      await new Promise(setImmediate); // lets signals in
      watch.record(name, record);
      loss = record.loss;
      const margin = record["rewards/margins"];
      more = margin === undefined ? undefined : `margin ${margin.toFixed(2)}`;
    }
    if (loss !== undefined) line.step(step, { loss, tokens, more });
  };
  try {
    return await stage(onStep);
  } finally {
    line.done();
  }
};

const merging = { betas, eps: 1e-6, weightDecay: 0, preset: "official", reserveP: 0.3, alpha: 1e-3 } as const;
const plain = { betas, eps: 1e-6, weightDecay: 0 } as const;

/** The four alignments, all from the same model and on the same pairs. */
export const alignments: readonly { name: string; folder: string; optimizer: Optimizer; learningRate: number }[] = [
  { name: "DPO, AdamW 1e-4", folder: "adamw-1e-4", optimizer: adamW(plain), learningRate: 1e-4 },
  { name: "DPO, AdamW 4e-5", folder: "adamw-4e-5", optimizer: adamW(plain), learningRate: 4e-5 },
  { name: "DPO, OnDARE 1e-4", folder: "ondare-1e-4", optimizer: onDare(merging), learningRate: 1e-4 },
  { name: "DPO, OnTIES 1e-4", folder: "onties-1e-4", optimizer: onTies(merging), learningRate: 1e-4 },
];

/** What every alignment starts from and is measured by. */
export interface Ground {
  readonly sft: Params;
  readonly refDelta: Params;
  readonly batches: readonly TrainingBatch[];
  readonly heldOut: readonly TrainingBatch[];
}

/** Training pairs and 256 held-out pairs with their reference log-probabilities, and τ = θ_sft − θ_base. */
export const prepareAlignment = async (seed: number, base: Params, sft: Params, device: Device): Promise<Ground> => ({
  sft,
  refDelta: evaluate(referenceDelta(sft, base), device),
  batches: await referenced(sft, trainingPairs(seed, ALIGNMENT), device),
  heldOut: await referenced(sft, heldOutPairs(seed, "test", 256), device),
});

const preference = preferenceObjective(config, { beta: 0.1, tokenMetrics: false });

/** 100 steps of DPO on 16 pairs each. */
export const align = (
  { name, optimizer, learningRate }: (typeof alignments)[number],
  { sft, refDelta, batches }: Ground,
  seed: number,
  device: Device,
  watch: Watch,
): Promise<Params> => {
  const stage = { objective: preference, params: sft, optimizer, batches, seed };
  return shown(name, ALIGNMENT.steps, watch, (onStep) =>
    runStage(
      { ...stage, refDelta: optimizer.usesTau ? refDelta : undefined },
      { ...ALIGNMENT, learningRate },
      device,
      onStep,
    ),
  );
};

/** Mean reward margin on held-out pairs. */
export const marginOf = async (params: Params, { heldOut }: Ground, device: Device): Promise<number> => {
  const { metrics } = await evaluateOn({ objective: preference, params, batches: heldOut }, device);
  return metrics["rewards/margins"];
};

/** The demo's exam: 48 prompts of each kind. */
export const demoExaminer = (seed: number, device: Device): ((params: Params) => Promise<Score>) => {
  const examine = examiner(device);
  const exam: Exam = { seed, split: "test", perKind: 48 };
  return (params) => examine(params, exam);
};
