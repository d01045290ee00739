import type { PairLossType } from "../../align/objectives/losses.js";
import type { Steering } from "../../align/training/retained/steer.js";
import type { OptimizerSettings } from "../../align/training/rules/settings.js";
import type { LoraOptions } from "../../models/index.js";
import type { BemaOptions } from "../../optim/follow/bema.js";
import type { MeetingOptions } from "../../optim/meet/meeting.js";
import type { MergeMethod } from "../../optim/offline/index.js";
import { canonical, namesBy } from "../sweep/names.js";
import type { AlignSetting, BaseSetting, Schedule } from "../world/settings.js";

/** What a model is asked: prompts of each kind in each of the two splits, and held-out pairs. */
export interface ExamSetting {
  readonly perKind: number;
  readonly heldOut: number;
}

/** A loss on pairs, or KTO on their answers one by one. */
export type Loss = PairLossType | "kto";

/** How an alignment learns, but for its learning rate. */
export interface Training {
  readonly optimizer: OptimizerSettings;
  readonly loss: Loss;
  readonly beta: number;
  /** Train a low-rank adapter. */
  readonly lora?: LoraOptions;
  /** TR-DPO: the reference moves by `mixing`. */
  readonly sync?: { readonly mixup: number; readonly every: number };
  /** BEMA is handed out. */
  readonly bema?: BemaOptions;
  /** Gradients of rows of the tuning data and of the base text, one batch each, steer the steps; taken anew every so many. */
  readonly retain?: { readonly use: Steering; readonly rows: number; readonly every: number };
  /** Steps are held in the null spaces of what so many rows of tuning data make the tuned model read. */
  readonly nullSpace?: { readonly rows: number; readonly share: number };
  /** Batches that ChildTuning-D's mask is estimated from. */
  readonly fisherBatches?: number;
}

/** Base training. */
export interface BaseJob {
  readonly kind: "base";
  readonly seed: number;
  readonly setting: BaseSetting;
}

/** Instruction tuning; also asks the tuned model for the log-probabilities that alignments compare with. */
export interface SftJob {
  readonly kind: "sft";
  readonly of: BaseJob;
  readonly setting: Schedule;
  readonly alignment: AlignSetting;
  readonly exam: ExamSetting;
}

/** Preference training of the tuned model. */
export interface AlignJob {
  readonly kind: "align";
  readonly of: SftJob;
  readonly training: Training;
  readonly learningRate: number;
  /** Keep the weights, for merges. */
  readonly keep?: true;
}

/** An offline merge of the tuned and the aligned model on the base model. */
export interface MergeJob {
  readonly kind: "merge";
  readonly of: AlignJob;
  readonly method: MergeMethod;
  /** Share of the aligned model; the tuned one has the rest. */
  readonly weight: number;
  /** Share of each delta that is kept. */
  readonly density: number;
  readonly rescale?: "density";
  /** HMA: `weight` is the mean of as many ratios as there are blocks of layers; validation prompts choose, by moves of `step`. */
  readonly hma?: { readonly blocks: number; readonly step: number };
}

/**
 * WARP: in every round some runs of the same length, each from where the round began on pairs of its own, with the KL's anchor
 * following by `mixup`; merged along the circle of their task vectors; the next round begins `eta` of the way to that.
 */
export interface WarpJob {
  readonly kind: "warp";
  readonly of: SftJob;
  readonly training: Training;
  readonly learningRate: number;
  readonly rounds: number;
  readonly runs: number;
  readonly mixup: number;
  readonly eta: number;
}

/**
 * Workers that share every global batch, each with an optimizer of its own, and meet every `gap` steps instead of adding up their
 * gradients in each.
 */
export interface MeetJob {
  readonly kind: "meet";
  readonly of: SftJob;
  readonly training: Training;
  readonly learningRate: number;
  readonly workers: number;
  readonly gap: number;
  readonly meeting: MeetingOptions;
}

/** The control that trains nothing: θ_r + c·τ. */
export interface DriftJob {
  readonly kind: "drift";
  readonly of: SftJob;
  readonly c: number;
}

/** A unit of work: a pure function of what stands in it. Jobs that build on another one hold it. */
export type Job = BaseJob | SftJob | AlignJob | MergeJob | WarpJob | MeetJob | DriftJob;

/** Part of every id: raised when a job's result changes though its settings do not. */
export const VERSION = 2;

/** A job's name in the cache: a hash of its settings, those of the jobs it builds on, and the lab's version. */
export const idOf = namesBy<Job>((job) => `${VERSION} ${canonical(job)}`);

/** What a job builds on. */
export const parentOf = (job: Job): Job | undefined => ("of" in job ? job.of : undefined);

/** The tuned model that a job starts from. */
export const sftOf = (job: Exclude<Job, BaseJob>): SftJob => {
  let at: Exclude<Job, BaseJob> = job;
  while (at.kind !== "sft") at = at.of;
  return at;
};

/** The seed of the world a job lives in; it also decides the job's own draws. */
export const seedOf = (job: Job): number => (job.kind === "base" ? job.seed : sftOf(job).of.seed);

/** Its settings without those of the jobs that it builds on, which stand by their id. */
export const settingsOf = (job: Job): Readonly<Record<string, unknown>> => {
  const { of, ...own } = { of: undefined, ...job };
  return of === undefined ? own : { ...own, of: idOf(of) };
};
