import type { BatchSource, TrainingBatch } from "../../align/data/rows.js";
import { beginnings } from "../../align/training/following.js";
import { mapValues } from "../../align/training/offload.js";
import type { Weights } from "../../align/training/reference.js";
import { noneRetained } from "../../align/training/retained/retain.js";
import { lastOf, train } from "../../align/training/train.js";
import { only, ownersOf, shardOf } from "../../align/training/workers/shard.js";
import { plannedRank } from "../../align/training/workers/workers.js";
import {
  type Device,
  deviceOf,
  dispose,
  leaves,
  type Planned,
  type Planner,
  sizeOf,
  treeMap,
  zeros,
} from "../../core/index.js";
import type { Model, Params } from "../../models/index.js";
import { type Follower, firstMove } from "../../optim/index.js";
import type { TrainingValues } from "../options/takes.js";
import { withTask } from "../parts/assemble.js";
import { evaluator } from "../parts/evaluation.js";
import { spanOf, type Task, trainOptions } from "../parts/task.js";
import type { Choice, Parts, Recipe } from "../recipe.js";
import { SILENT, type Voice } from "../voice.js";
import { type MemoryLine, treeBytes } from "./memory-table.js";
import { type PlanningDevice, planningDevice } from "./planning-device.js";
import { shapeModel } from "./shape-model.js";

/** What a run takes, as far as it can be known without running. */
export interface Rehearsed {
  /** Bytes at the busiest moment. */
  readonly peak: number;
  /** Who takes them. */
  readonly memory: readonly MemoryLine[];
  readonly span: ReturnType<typeof spanOf>;
  /** Kernels that a step launches; one of two batches, where more are gathered. */
  readonly launches: number;
  readonly largest: Planned["largest"];
  /** Does the loop ask a reference model that lies on the device for this alone? */
  readonly asksReference: boolean;
}

/** The largest of a source's first `count` batches, which all have as many rows, as one that anything may follow. */
const largest = ({ at, lengthAt }: BatchSource, count: number): TrainingBatch => {
  let [best, most] = [0, 0];
  for (let i = 0; i < count; i++) {
    const length = lengthAt(i);
    if (length > most) [best, most] = [i, length];
  }
  return { ...at(best), endsEpoch: false };
};

/** A follower that moves after the first step, and then rests. */
const atOnce = (follower: Follower): Follower => {
  const by = follower.moveAt(firstMove(follower, FAR) ?? 0);
  return { ...follower, moveAt: (step) => (step === 1 ? by : undefined) };
};

/** Steps after which nobody waits for a first move. */
const FAR = 1e6;

/** Bytes of a reference model that lies on the device for itself: not of what it shares with an adapter's policy, nor of graphs. */
const ownBytes = (reference: Weights | undefined, { adapted }: Task): number => {
  const shared = new Set(adapted === undefined ? [] : leaves(adapted.base));
  const own = leaves(reference?.params ?? {}).filter((t) => deviceOf(t) !== undefined && !shared.has(t));
  return treeBytes(own);
};

/**
 * Takes a step and an evaluation of a task on a device that only keeps account, and says who takes how much. Of weights only
 * the shapes matter (`shapeParams`); `load` gives those of other folders.
 */
export const rehearseTask = async (
  task: Task,
  values: TrainingValues,
  device: Device,
  out: Voice,
  load: (folder: string) => Model = shapeModel,
  ranks = 1,
): Promise<Pick<Rehearsed, "memory" | "launches">> => {
  const { options, release } = await trainOptions(task, values, device, out, load);
  const {
    optimizer,
    params,
    refDelta,
    gradientMask,
    retain,
    spaces,
    reference,
    steps,
    accumulation: perStep = 1,
  } = options;
  const { source, evalSource } = task;
  const batch = largest(source, steps * perStep);
  const accumulation = Math.min(2, perStep);
  const batches = Array.from({ length: accumulation }, () => batch);
  // The second step builds nothing, and tells what a step launches.
  const { average, referenceFollows } = options;
  const follows = {
    ...(average && { average: atOnce(average) }),
    ...(referenceFollows && { referenceFollows: { ...referenceFollows, by: atOnce(referenceFollows.by) } }),
  };
  const shape = { accumulation, steps: 2, warmupSteps: 0 };
  const rank = fullest(params, ranks);
  const workers = ranks === 1 ? undefined : plannedRank(rank, ranks);
  const twice = { ...options, ...follows, ...shape, workers, batches: [...batches, ...batches] };
  const launched: number[] = [];
  const final = await lastOf(train(twice, device), async ({ step, params: weights, reference: moved }) => {
    launched.push(device.stats().launches);
    if (evalSource === undefined || step > 1) return;
    const heaviest = largest(evalSource, evalSource.batchesPerEpoch);
    const span = { steps: 1, stepsPerEpoch: 1, reference };
    const once = {
      ...task,
      evalSource: { batchesPerEpoch: 1, at: () => heaviest, lengthAt: () => heaviest.length },
      evalTasks: undefined,
    };
    await evaluator(values, once, span, device)?.run(weights, moved);
    launched[0] = device.stats().launches;
  });
  dispose(final);
  release();
  const state = optimizer.init(params);
  /** What of a tree this rank keeps; all of it where ranks share no steps. */
  const { own } = shardOf(params, plannedRank(rank, ranks));
  const share = (tree: Params | undefined): Params | undefined => tree && only(tree, own);
  const kept = (tree: Params | undefined) => (options.meets === undefined ? share(tree) : tree);
  const met = options.meets?.meeting;
  const follow = beginnings(options);
  const tau = optimizer.usesTau ? kept(optimizer.prepare(refDelta as Params, state.key)) : undefined;
  const meetingTau = met?.usesTau ? share(refDelta) : undefined;
  const here = (bytes: number): number => (values.offload === "optimizer" ? 0 : bytes);
  const known: MemoryLine[] = [
    { what: "weights", bytes: treeBytes(state.params) },
    { what: "weights that an adapter leaves as they are", bytes: treeBytes(task.adapted?.base) },
    { what: "reference model", bytes: ownBytes(reference, task) },
    { what: "reference model, moving", bytes: treeBytes(follow.reference) },
    { what: "average of the weights", bytes: treeBytes(follow.average) },
    { what: "reference delta", bytes: here(treeBytes(tau)) + treeBytes(meetingTau) },
    { what: "weights of the last meeting", bytes: met === undefined ? 0 : treeBytes(state.params) },
    { what: "momentum of meetings", bytes: treeBytes(met?.init(share(state.params) as Params)) },
    { what: "reference weights", bytes: here(optimizer.usesAnchor ? treeBytes(kept(params)) : 0) },
    { what: "mask of the gradient", bytes: treeBytes(gradientMask) },
    { what: "gradients of retained data", bytes: treeBytes(retain && noneRetained(retain, params)) },
    { what: "null spaces of retained data", bytes: treeBytes(spaces) },
    { what: "optimizer state", bytes: here(treeBytes(mapValues(state.slots, (slot) => kept(slot) as Params))) },
    { what: "gradients", bytes: treeBytes(treeMap((w) => zeros(w.shape, optimizer.storage), params)) },
  ];
  const rest = device.stats().peakBytes - known.reduce((sum, { bytes }) => sum + bytes, 0);
  const { rows, length } = batch;
  const memory = [...known, { what: `activations, batch of ${rows} × ${length} tokens`, bytes: rest }];
  return { memory, launches: launched[1] - launched[0] };
};

/** Of several ranks, one that keeps most of what is shared out. */
const fullest = (params: Params, ranks: number): number => {
  const held = Array.from({ length: ranks }, () => 0);
  const sizes = Object.values(params).map(({ shape }) => sizeOf(shape));
  for (const [i, owner] of ownersOf(params, ranks).entries()) held[owner] += sizes[i];
  return held.indexOf(Math.max(...held));
};

/** A recipe, and its parts as far as they are there before a choice is made. */
export interface Outline<V extends TrainingValues, T> {
  readonly recipe: Pick<Recipe<V, T>, "label" | "build" | "precompute">;
  readonly settings: Pick<
    Parts<V, T>,
    "values" | "config" | "training" | "evaluation" | "rows" | "evalRows" | "retained"
  >;
  /** What stands for a folder's model. Default: shapes as its weight files tell. */
  readonly load?: (folder: string) => Model;
  /** Processes that train one model together, of which one is planned. Default 1. */
  readonly ranks?: number;
}

/** See `rehearse`. */
export type Watch = (device: PlanningDevice) => PlanningDevice;

/**
 * Rehearses a recipe with weights that are only shapes, on a device that plans as `planner` does. Nothing is run or written.
 * `watch` may look at the programs that are run: it gives the device that is used in that one's place.
 */
export const rehearse = async <V extends TrainingValues, T>(
  { recipe, settings, load = shapeModel, ranks }: Outline<V, T>,
  choice: Choice,
  planner: Planner,
  watch: Watch = (device) => device,
): Promise<Rehearsed> => {
  const { values } = settings;
  const device = watch(planningDevice(planner));
  const parts = { ...settings, choice, device, load, planned: true };
  return withTask(recipe, parts, {}, SILENT, async (task) => {
    const taken = await rehearseTask(task, values, device, SILENT, load, ranks);
    const { peakBytes: peak } = device.stats();
    const asksReference = ownBytes(task.reference, task) > 0;
    return { peak, ...taken, largest: device.largest(), span: spanOf(task, values), asksReference };
  });
};
