import type { TrainingBatch } from "../../align/data/rows.js";
import { preferenceObjective } from "../../align/objectives/objective.js";
import { evaluateOn } from "../../align/training/evaluate.js";
import { constantData, type Device, type Tensor, upload, zeros } from "../../core/index.js";
import { type Params, parameterShapes } from "../../models/index.js";
import { toBatch } from "../world/batch.js";
import { divergenceOf } from "../world/divergence.js";
import { plainRows } from "../world/documents.js";
import { examiner } from "../world/exam.js";
import { config } from "../world/model.js";
import type { Score } from "../world/score.js";
import { type Kind, PREFERRED } from "../world/skills.js";
import { heldOutPairs, trainingPairs } from "../world/stages.js";
import type { LabCache } from "./graph.js";
import { idOf, type SftJob, seedOf } from "./job.js";
import { MARGIN_BETA, type Measures } from "./outcome.js";

/** A tuned model with all that an alignment of it needs. */
export interface Ground {
  readonly base: Params;
  readonly sft: Params;
  /** Training pairs and held-out pairs with the tuned model's log-probabilities. */
  readonly batches: readonly TrainingBatch[];
  readonly heldOut: readonly TrainingBatch[];
}

/** Where jobs are done: a device, the cache, and programs and models that serve many jobs. */
export interface Desk {
  readonly device: Device;
  readonly cache: LabCache;
  readonly ground: (job: SftJob) => Ground;
  /** The exam of the validation prompts alone. */
  readonly validate: (params: Params, job: SftJob) => Promise<Score>;
  /** Exams, margins, divergence. `params` lie on the device and stay the caller's. */
  readonly measure: (params: Params, job: SftJob, ground: Ground) => Promise<Measures>;
}

/** What the file of a base or an aligned model holds. */
export const weightsLike = (): Params =>
  Object.fromEntries([...parameterShapes(config)].map(([name, shape]) => [name, zeros(shape)]));

/** The log-probabilities of batches, one after the other. */
export const joined = (batches: readonly TrainingBatch[]): Float32Array =>
  Float32Array.from(batches.flatMap(({ reference = [] }) => Array.from(reference)));

const withJoined = (batches: readonly TrainingBatch[], all: ArrayLike<number>): TrainingBatch[] => {
  let at = 0;
  return batches.map((batch) => {
    const reference = Float32Array.from({ length: batch.rows }, (_, i) => all[at + i]);
    at += batch.rows;
    return { ...batch, reference };
  });
};

/** The batches of an alignment and of its measurement, without log-probabilities. */
export const batchesOf = (job: SftJob): { train: TrainingBatch[]; heldOut: TrainingBatch[] } => ({
  train: trainingPairs(seedOf(job), job.alignment),
  heldOut: heldOutPairs(seedOf(job), "test", job.exam.heldOut),
});

/** What a tuned model's file holds. */
const tunedLike = (train: number, heldOut: number) => ({
  weights: weightsLike(),
  train: zeros([train]),
  heldOut: zeros([heldOut]),
});

/** A batch whose reference is yet to be asked. */
export const unasked = ({ reference: _, ...batch }: TrainingBatch): TrainingBatch => batch;

const rowsIn = (batches: readonly TrainingBatch[]): number => batches.reduce((sum, { rows }) => sum + rows, 0);

/** Plain answers of a kind that π₀ and π are held against each other on. */
const MOST_PLAIN = 32;

export const openDesk = (device: Device, cache: LabCache): Desk => {
  const grounds = new Map<string, Ground>();
  const examine = examiner(device);
  const divergence = divergenceOf(device);
  const margins = preferenceObjective(config, { beta: MARGIN_BETA, tokenMetrics: false });

  const ground = (job: SftJob): Ground => {
    const known = grounds.get(idOf(job));
    if (known !== undefined) return known;
    const { train, heldOut } = batchesOf(job);
    const tuned = cache.tensors(job, tunedLike(rowsIn(train), rowsIn(heldOut)));
    const numbers = (t: Tensor) => constantData(t).data;
    const made = {
      base: upload(cache.tensors(job.of, weightsLike()), device),
      sft: upload(tuned.weights, device),
      batches: withJoined(train, numbers(tuned.train)),
      heldOut: withJoined(heldOut, numbers(tuned.heldOut)),
    };
    grounds.set(idOf(job), made);
    return made;
  };

  const measure: Desk["measure"] = async (params, job, { sft, heldOut }) => {
    const isNew = (kind: Kind) => (PREFERRED as readonly Kind[]).includes(kind);
    const plain = (preferred: boolean): TrainingBatch[] => {
      const perKind = Math.min(MOST_PLAIN, job.exam.perKind);
      const rows = plainRows(seedOf(job), "test", perKind, (kind) => isNew(kind) === preferred);
      const batch = perKind * PREFERRED.length; // the others are twice as many kinds
      return [0, batch].flatMap((at) => (at < rows.length ? [toBatch(rows.slice(at, at + batch))] : []));
    };
    const exam = { seed: seedOf(job), perKind: job.exam.perKind };
    const { metrics } = await evaluateOn({ objective: margins, params, batches: heldOut }, device);
    return {
      validation: await examine(params, { ...exam, split: "validation" }),
      test: await examine(params, { ...exam, split: "test" }),
      margin: metrics["rewards/margins"],
      accuracy: metrics["rewards/accuracies"],
      kl: await divergence(params, sft, heldOut.slice(0, 1)),
      moved: { new: await divergence(sft, params, plain(true)), old: await divergence(sft, params, plain(false)) },
    };
  };
  const validate: Desk["validate"] = (params, job) =>
    examine(params, { seed: seedOf(job), perKind: job.exam.perKind, split: "validation" });
  return { device, cache, ground, validate, measure };
};
