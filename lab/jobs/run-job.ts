import type { TrainingBatch } from "../../align/data/rows.js";
import { ktoObjective } from "../../align/objectives/kto.js";
import { completionObjective, preferenceObjective } from "../../align/objectives/objective.js";
import { adapterTraining } from "../../align/training/adapter.js";
import { fisherMask } from "../../align/training/fisher.js";
import { trainingOptimizer } from "../../align/training/optimizer.js";
import { nullSpaces } from "../../align/training/retained/activations.js";
import { referenceDelta } from "../../align/training/rules/reference-delta.js";
import type { TrainStep } from "../../align/training/train.js";
import {
  add,
  type Device,
  dispose,
  evaluate,
  foldInName,
  key,
  mul,
  namedLeaves,
  read,
  square,
  sum,
  type Tensor,
  type Tree,
  tensor,
  treeMap,
  treeZip,
} from "../../core/index.js";
import type { Params } from "../../models/index.js";
import { bema, mixing } from "../../optim/index.js";
import { blockAt, mergeTensors, searchRatios } from "../../optim/offline/index.js";
import type { OnShare } from "../sweep/graph.js";
import { config, freshParams } from "../world/model.js";
import {
  baseText,
  type OnStep,
  referenced,
  runStage,
  type Stage,
  trainBase,
  trainingAnswers,
  trainSft,
  tuningRows,
} from "../world/stages.js";
import { PAD } from "../world/vocabulary.js";
import { batchesOf, type Desk, type Ground, joined, unasked, weightsLike } from "./desk.js";
import type { AlignJob, BaseJob, DriftJob, Job, MeetJob, MergeJob, SftJob, WarpJob } from "./job.js";
import { seedOf, sftOf } from "./job.js";
import { metWorkers } from "./meet.js";
import type { CurvePoint, Outcome } from "./outcome.js";
import { warped } from "./warp.js";

interface Done {
  readonly outcome: Outcome;
  /** What later jobs need; on the device, freed once it is stored. */
  readonly tensors?: Tree;
}

/** What an alignment minimizes, and on what: KTO brings batches of its own. */
const lessonOf = async (
  { of, training: { loss, beta } }: AlignJob,
  { sft, batches }: Ground,
  device: Device,
): Promise<Pick<Stage, "objective"> & { readonly batches: readonly TrainingBatch[] }> => {
  const options = { beta, tokenMetrics: false };
  if (loss !== "kto") return { objective: preferenceObjective(config, { ...options, lossType: loss }), batches };
  const answers = await referenced(sft, trainingAnswers(seedOf(of), of.alignment), device);
  return { objective: ktoObjective(config, options), batches: answers };
};

/** Keeps the logged numbers, and lets the process hear its parent now and then. */
const curved = (steps: number, onShare: OnShare): { curve: CurvePoint[]; onStep: OnStep } => {
  const curve: CurvePoint[] = [];
  const onStep = async ({ step, record }: TrainStep): Promise<void> => {
    if (record === undefined) return;
    const margin = record["rewards/margins"];
    curve.push({ step, loss: record.loss, ...(margin === undefined ? {} : { margin }) });
    onShare(step / steps);
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { curve, onStep };
};

const doBase = async ({ seed, setting }: BaseJob, { device }: Desk, onShare: OnShare): Promise<Done> => {
  const { curve, onStep } = curved(setting.steps, onShare);
  const fresh = freshParams(seed, device);
  const params = await trainBase(seed, fresh, setting, device, onStep).finally(() => dispose(fresh));
  return { outcome: { curve }, tensors: params };
};

/** rms τ / rms θ. */
const relativeDelta = async (sft: Params, base: Params, desk: Desk): Promise<number> => {
  const squares = (tree: Params): Tensor =>
    namedLeaves(tree).reduce<Tensor>((total, [, t]) => add(total, sum(square(t))), tensor(0));
  const both = evaluate({ tau: squares(referenceDelta(sft, base)), theta: squares(sft) }, desk.device);
  const [[tau], [theta]] = await Promise.all([read(both.tau), read(both.theta)]);
  dispose(both);
  return Math.sqrt(tau / theta);
};

const doSft = async (job: SftJob, desk: Desk, onShare: OnShare): Promise<Done> => {
  const { device, cache } = desk;
  const { curve, onStep } = curved(job.setting.steps, onShare);
  const base = cache.tensors(job.of, weightsLike());
  const params = await trainSft(seedOf(job), base, job.setting, device, onStep);
  const batches = batchesOf(job);
  const train = await referenced(params, batches.train, device);
  const heldOut = await referenced(params, batches.heldOut, device);
  const measures = await desk.measure(params, job, { base, sft: params, batches: train, heldOut });
  return {
    outcome: { curve, measures, relativeDelta: await relativeDelta(params, base, desk) },
    tensors: { weights: params, train: tensor(joined(train)), heldOut: tensor(joined(heldOut)) },
  };
};

/** What holds an alignment to what the tuned model can do. */
const keeping = (
  job: AlignJob,
  { sft }: Ground,
  own: <T extends Tree>(tree: T) => T,
  device: Device,
): Pick<Stage, "retain" | "spaces"> => {
  const { retain, nullSpace } = job.training;
  const seed = seedOf(job);
  return {
    ...(retain && {
      retain: {
        objective: completionObjective(config, { tokenMetrics: false }),
        sets: [[tuningRows(seed, retain.rows)], [baseText(seed, retain.rows)]],
        ...{ every: retain.every, use: retain.use },
      },
    }),
    ...(nullSpace && {
      spaces: own(
        nullSpaces(
          { config, params: sft, batches: [tuningRows(seed, nullSpace.rows)], padId: PAD, share: nullSpace.share },
          device,
        ),
      ),
    }),
  };
};

const doAlign = async (job: AlignJob, desk: Desk, onShare: OnShare): Promise<Done> => {
  const { device } = desk;
  const { training, learningRate, of } = job;
  const ground = desk.ground(of);
  const { sft, base } = ground;
  const seed = seedOf(job);
  const { objective, batches } = await lessonOf(job, ground, device);
  const { curve, onStep } = curved(of.alignment.steps, onShare);
  const optimizer = trainingOptimizer(training.optimizer);
  const schedule = { ...of.alignment, learningRate };
  const owned: Tree[] = [];
  const own = <T extends Tree>(tree: T): T => {
    owned.push(tree);
    return tree;
  };
  try {
    let params: Params;
    if (training.lora !== undefined) {
      const adapter = adapterTraining(objective, { config, params: sft }, { ...training.lora, seed }, device);
      const stage = { objective: adapter.objective, params: own(adapter.factors), optimizer, batches, seed };
      const merged = adapter.merged(own(await runStage(stage, schedule, device, onStep)));
      own(merged.fresh);
      params = merged.params;
    } else {
      const refDelta = optimizer.usesTau ? own(evaluate(referenceDelta(sft, base), device)) : undefined;
      const sample = batches.slice(0, training.fisherBatches ?? 1);
      const p = training.optimizer.reserveP ?? 1;
      const gradientMask = optimizer.usesMask
        ? own(await fisherMask({ objective, params: sft, batches: sample, p }, device))
        : undefined;
      const { sync, bema: averaging } = training;
      const follows = {
        ...(sync && { reference: { config, params: sft }, referenceFollows: { by: mixing(sync) } }),
        ...(averaging && { average: bema(averaging) }),
      };
      const held = keeping(job, ground, own, device);
      const asked = sync === undefined ? batches : batches.map(unasked);
      const stage = {
        objective,
        params: sft,
        optimizer,
        batches: asked,
        seed,
        refDelta,
        gradientMask,
        ...follows,
        ...held,
      };
      params = own(await runStage(stage, schedule, device, onStep));
    }
    const measures = await desk.measure(params, of, ground);
    if (job.keep !== true) return { outcome: { curve, measures } };
    owned.splice(0, owned.length, ...owned.filter((tree) => tree !== params)); // stored first
    return { outcome: { curve, measures }, tensors: params };
  } finally {
    dispose(...owned);
  }
};

/** Measures weights that are a formula of others. */
const measured = async (params: Params, job: MergeJob | DriftJob | WarpJob, desk: Desk): Promise<Done> => {
  const made = evaluate(params, desk.device);
  try {
    const sft = sftOf(job);
    return { outcome: { measures: await desk.measure(made, sft, desk.ground(sft)) } };
  } finally {
    dispose(made);
  }
};

const doMerge = async (job: MergeJob, desk: Desk): Promise<Done> => {
  const { base, sft } = desk.ground(sftOf(job));
  const aligned = desk.cache.tensors(job.of, weightsLike());
  const { method, weight, density, rescale, hma } = job;
  const merged = (ratioOf: (name: string) => number): Params =>
    treeMap((start, name) => {
      const sources = [
        { tensor: sft[name], weight: 1 - ratioOf(name), density },
        { tensor: aligned[name], weight: ratioOf(name), density },
      ];
      return mergeTensors(sources, start, { method, rescale, key: foldInName(key(seedOf(job)), name) });
    }, base);
  if (hma === undefined)
    return measured(
      merged(() => weight),
      job,
      desk,
    );
  const inBlocks = (ratios: readonly number[]) => merged((name) => ratios[blockAt(depthOf(name), ratios.length)]);
  const score = async (ratios: readonly number[]): Promise<number> => {
    const made = evaluate(inBlocks(ratios), desk.device);
    const { average, style } = await desk.validate(made, sftOf(job)).finally(() => dispose(made));
    return average + style;
  };
  return measured(inBlocks(await searchRatios({ ...hma, mean: weight, score })), job, desk);
};

/** How deep a tensor lies: its layer's share; the embedding 0, the last norm 1. */
const depthOf = (name: string): number => {
  const layer = /\.layers\.(\d+)\./.exec(name)?.[1];
  if (layer === undefined) return name.includes("embed") ? 0 : 1;
  return config.layers === 1 ? 0 : Number(layer) / (config.layers - 1);
};

const doDrift = (job: DriftJob, desk: Desk): Promise<Done> => {
  const { base, sft } = desk.ground(job.of);
  return measured(
    treeZip(([w, t]) => add(w, mul(job.c, t)), sft, referenceDelta(sft, base)),
    job,
    desk,
  );
};

const doMeet = (job: MeetJob, desk: Desk, onShare: OnShare): Promise<Done> =>
  metWorkers(job, desk, {
    onShare,
    use: async (weights, curve) => ({
      outcome: { curve, measures: await desk.measure(weights, job.of, desk.ground(job.of)) },
    }),
  });

const perform = (job: Job, desk: Desk, onShare: OnShare): Promise<Done> => {
  switch (job.kind) {
    case "base":
      return doBase(job, desk, onShare);
    case "sft":
      return doSft(job, desk, onShare);
    case "align":
      return doAlign(job, desk, onShare);
    case "merge":
      return doMerge(job, desk);
    case "warp":
      return warped(job, desk, (weights) => measured(weights, job, desk));
    case "meet":
      return doMeet(job, desk, onShare);
    case "drift":
      return doDrift(job, desk);
  }
};

/** Does a job whose parents are in the cache, and puts what it found there. */
export const runJob = async (job: Job, desk: Desk, onShare: OnShare = () => {}): Promise<void> => {
  const { outcome, tensors } = await perform(job, desk, onShare);
  try {
    await desk.cache.put(job, outcome, tensors);
  } finally {
    if (tensors !== undefined) dispose(tensors);
  }
};
