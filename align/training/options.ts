import type { Params } from "../../models/parameters.js";
import type { Follower } from "../../optim/follow/follow.js";
import type { Meeting } from "../../optim/meet/meeting.js";
import type { Optimizer } from "../../optim/optimizer.js";
import type { ScheduleOptions } from "../../optim/schedule.js";
import type { TrainingBatch } from "../data/rows.js";
import type { Objective } from "../objectives/objective.js";
import type { Weights } from "./reference.js";
import type { Retain } from "./retained/retain.js";
import type { TrainState } from "./step.js";
import type { Wire } from "./workers/wire.js";
import type { Workers } from "./workers/workers.js";

/** Workers that take steps of their own, and then meet. */
export interface MeetsOptions {
  /** Steps from one meeting to the next; the last step of a run has one too. */
  readonly every: number;
  readonly meeting: Meeting;
}

/** A training run. Whatever tensors it is given stay the caller's. */
export interface TrainOptions {
  readonly objective: Objective;
  /** Where the weights start. */
  readonly params: Params;
  readonly optimizer: Optimizer;
  /** Taken from as needed; if they end early, so does the run. */
  readonly batches: Iterable<TrainingBatch> | AsyncIterable<TrainingBatch>;
  /** Optimizer steps (`max_steps`). */
  readonly steps: number;
  /** Peak learning rate. */
  readonly learningRate: number;
  /** `lr_scheduler_type`. Default "constant". */
  readonly scheduler?: ScheduleOptions["name"];
  /** What shapes it, by Hugging Face's names (`lr_scheduler_kwargs`). */
  readonly schedulerOptions?: ScheduleOptions["kwargs"];
  /** `warmup_steps`. Default 0. */
  readonly warmupSteps?: number;
  /** Share of the peak that `linear` and `cosine` end at. Default 0. */
  readonly minRatio?: number;
  /** Batches a step (`gradient_accumulation_steps`). Default 1. */
  readonly accumulation?: number;
  /** Global norm that gradients are clipped to (`max_grad_norm`); 0 for no clipping. Default 1. */
  readonly maxGradNorm?: number;
  /** A record every so many steps, or after those that it says, and at the last (`logging_steps`). Numbers are read back only then. Default 1. */
  readonly loggingSteps?: number | ((step: number) => boolean);
  /**
   * "optimizer": what the optimizer keeps of each parameter (moments, τ) lies on the host, and visits the device one
   * parameter at a time. Slower, and the same bits. Default "none".
   */
  readonly offload?: "none" | "optimizer";
  /** Decides the optimizer's masks. Default 0. */
  readonly seed?: number;
  /** The reference model, for batches that do not bring its log-probabilities. */
  readonly reference?: Weights;
  /** An average of the weights to hand out in their place: `bema(…)`. Beside it the run's own weights go on. */
  readonly average?: Follower;
  /** The reference moves after some steps: `by` a follower, towards the weights or towards their average (`mixing(…)`: TR-DPO). */
  readonly referenceFollows?: { readonly by: Follower; readonly of?: "weights" | "average" };
  /** τ = θ_reference − θ_base, for optimizers that merge: `referenceDelta(…)`. */
  readonly refDelta?: Params;
  /** θ_reference, for optimizers that look back at it. Default: where the weights start. */
  readonly anchor?: Params;
  /** Which elements learn, for optimizers that ask for such a mask: `fisherMask(…)`. */
  readonly gradientMask?: Params;
  /** Data that the run is to keep its loss on, and how its gradients steer the steps. */
  readonly retain?: Retain;
  /** Null spaces that steps are held in, by name of a linear layer's weights: `nullSpaces(…)`. Other parameters rest. */
  readonly spaces?: Params;
  /**
   * Goes on from a snapshot, bit for bit, instead of from `params`; `batches` then begin where it says. It is given the state
   * before the first step, whose structure a saved one is read into (this rank's part of it, and the whole). The snapshot's
   * tensors become the run's.
   */
  readonly resume?: (initial: TrainState, whole: TrainState) => TrainSnapshot | Promise<TrainSnapshot>;
  /**
   * Given the last good state and its weights, to save them, before a step that is not finite, or another error of batches or
   * device that leaves them as they were, ends the run.
   */
  readonly rescue?: (good: TrainSnapshot, params: Params) => Promise<void>;
  /**
   * Other processes that train the same model: each is given its share of every batch, and all else alike. What the optimizer
   * remembers of a parameter is then in one rank's snapshots alone (`saveShared`). Default: none.
   */
  readonly workers?: Workers;
  /** How gradients travel between them. Default "f32". */
  readonly wire?: Wire;
  /**
   * Workers take steps of their own, each with all of the optimizer's state and clipping its own gradients, and meet now and then.
   * Between meetings a step has no snapshot, and nothing is rescued; records are of all workers, their `grad_norm` the mean. Default:
   * they share every step.
   */
  readonly meets?: MeetsOptions;
}

/** Where a run stands. */
export interface Position {
  /** Steps done. */
  readonly step: number;
  /** Batches taken: the number of the next one. */
  readonly batches: number;
  /** Tokens read, without padding. */
  readonly tokens: number;
}

/** All that a run goes on from, beside its options. */
export interface TrainSnapshot extends Position {
  readonly state: TrainState;
}
