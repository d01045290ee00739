import type { BatchSource } from "../../align/data/rows.js";
import { stepsOf } from "../../align/data/source.js";
import type { Objective } from "../../align/objectives/objective.js";
import type { AdapterTraining } from "../../align/training/adapter.js";
import { fisherMask } from "../../align/training/fisher.js";
import { trainingOptimizer } from "../../align/training/optimizer.js";
import type { TrainOptions } from "../../align/training/options.js";
import type { Weights } from "../../align/training/reference.js";
import { referenceDelta } from "../../align/training/rules/reference-delta.js";
import { type Device, dispose, evaluate, key, read } from "../../core/index.js";
import type { Task as BenchmarkTask } from "../../lab/evaluate/tasks.js";
import { loadModel, type Model, type Params, type SideFiles, type Tokenizer } from "../../models/index.js";
import { absorbed } from "../../optim/index.js";
import { optimizerSettings, peakLearningRate } from "../checks/check.js";
import { checkProjection } from "../checks/projection.js";
import type { TrainingValues } from "../options/takes.js";
import type { Voice } from "../voice.js";
import { cadence, inSteps, type Span } from "./cadence.js";
import { followsOf } from "./follows.js";
import { meetsDelta, meetsFor } from "./meets.js";

/** What differs between the training commands. */
export interface Task {
  readonly label: string;
  readonly model: Model;
  readonly objective: Objective;
  readonly source: BatchSource;
  /** What to evaluate on during training. */
  readonly evalSource?: BatchSource;
  /** Benchmarks to score during training, and what their prompts are tokenized with. */
  readonly evalTasks?: { readonly tasks: readonly BenchmarkTask[]; readonly tokenizer: Tokenizer };
  /** Of the model that is saved, if it is not that of the folder it comes from. */
  readonly chatTemplate?: string;
  /** What is saved beside weights and config.json. */
  readonly sideFiles?: SideFiles;
  /** A digest of the rows that are trained on. */
  readonly fingerprint?: string;
  /** The reference model, where the loop has to ask it. */
  readonly reference?: Weights;
  /** Share of what an adapter reads that is dropped in training. */
  readonly dropout?: number;
  /** Where an adapter is trained: the weights below it, and what makes plain weights of both. */
  readonly adapted?: { readonly base: Params } & Pick<AdapterTraining, "plain" | "merged">;
  /** What is done with data that the run is to leave the model as it is on. */
  readonly retain?: TrainOptions["retain"];
  readonly spaces?: TrainOptions["spaces"];
  /** Digests of rows that decide the run beside those that are trained on, by key. */
  readonly digests?: Readonly<Record<string, string>>;
  /** τ, where it is not the difference of two folders' weights; not computed yet. */
  readonly delta?: () => Params;
  /** Writes what is trained beside the merged model, where that is an adapter. */
  readonly saveAdapter?: (factors: Params) => Promise<void>;
}

/** Hands a task's weights, as plain ones on the device, to `use`. */
export const withPlain = async <T>(
  { model, adapted }: Task,
  params: Params,
  use: (model: Model) => Promise<T>,
): Promise<T> => {
  const whole = adapted?.merged(params);
  try {
    return await use({ ...model, params: whole?.params ?? params });
  } finally {
    if (whole !== undefined) dispose(whole.fresh);
  }
};

/** A task's weights, as plain ones to be saved; graphs, where an adapter changes them. */
export const plainModel = ({ model, adapted }: Task, params: Params): Model => ({
  ...model,
  params: adapted?.plain(params) ?? params,
});

/** Steps of a run: in all, and in an epoch. */
export const spanOf = ({ source }: Task, values: TrainingValues): Span => {
  const { gradient_accumulation_steps: accumulation, num_train_epochs: epochs, max_steps } = values;
  const count = (passes: number) => stepsOf(source.batchesPerEpoch, { accumulation, epochs: passes });
  return { steps: max_steps > 0 ? max_steps : count(epochs), stepsPerEpoch: count(1) };
};

/** What `train` is told, but for the batches. `load` gives a model folder's model; `release` frees what was made here. */
export const trainOptions = async (
  task: Task,
  values: TrainingValues,
  device: Device,
  out: Voice,
  load: (folder: string) => Model = loadModel,
): Promise<{ readonly options: Omit<TrainOptions, "batches">; readonly release: () => void }> => {
  const { model, objective, reference } = task;
  const { ref_model_name_or_path: referenceFolder = values.model_name_or_path } = values;
  const optimizer = trainingOptimizer(optimizerSettings(values));
  checkProjection(values, model.params);
  const span = spanOf(task, values);
  const { steps } = span;
  // Not computed yet: what the optimizer prepares of it is all that has to stay.
  const usesTau = optimizer.usesTau || meetsDelta(values);
  const delta = usesTau ? (task.delta?.() ?? between(referenceFolder, values, load)) : undefined;
  if (delta !== undefined && optimizer.usesTau) await warnIfAbsorbed(model.params, delta, values, device, out);
  out.note(`${task.label}: ${steps} steps, ${task.source.batchesPerEpoch} batches an epoch, ${optimizer.name}`);
  const mask = optimizer.usesMask ? await estimatedMask(task, values, device, out) : undefined;
  // The reference weights, where they are not those that training starts from.
  const other = optimizer.usesAnchor && referenceFolder !== values.model_name_or_path;
  return {
    options: {
      objective,
      params: model.params,
      optimizer,
      steps,
      learningRate: peakLearningRate(values),
      scheduler: values.lr_scheduler_type,
      schedulerOptions: values.lr_scheduler_kwargs,
      warmupSteps: inSteps(values.warmup_steps, steps),
      accumulation: values.gradient_accumulation_steps,
      maxGradNorm: values.max_grad_norm,
      loggingSteps: cadence(values, span).logs,
      seed: values.seed,
      offload: values.offload,
      reference,
      refDelta: delta,
      anchor: other ? load(referenceFolder).params : undefined,
      gradientMask: mask,
      ...followsOf(values),
      ...{ retain: task.retain, spaces: task.spaces, meets: meetsFor(values) },
    },
    release: () => dispose(mask ?? {}),
  };
};

/** τ between the weights of two folders. */
const between = (reference: string, values: TrainingValues, load: (folder: string) => Model): Params =>
  referenceDelta(load(reference).params, load(values.base_model_name_or_path as string).params);

/** ChildTuning-D's mask, from the first batches of the run. */
const estimatedMask = (task: Task, values: TrainingValues, device: Device, out: Voice): Promise<Params> => {
  const { source, objective, model, reference } = task;
  const count = values.fisher_batches ?? source.batchesPerEpoch;
  out.note(`${task.label}: Fisher information from ${count} batches`);
  const batches = (function* () {
    for (let index = 0; index < count; index++) yield source.at(index);
  })();
  return fisherMask({ objective, params: model.params, batches, reference, p: values.reserve_p as number }, device);
};

/** From this share on, weights that the drift cannot move are worth a line. */
const NOTABLE = 0.01;

/** Says so if α·τ is nothing, or float32 would swallow it. What is scaled to each update is as long as that. */
const warnIfAbsorbed = async (
  params: Params,
  delta: Params,
  values: TrainingValues,
  device: Device,
  out: Voice,
): Promise<void> => {
  const { alpha = 0, compensated, seed, tau_scale } = values;
  if (alpha === 0) return;
  // As the run will use it, but not packed.
  const tau = trainingOptimizer({ ...optimizerSettings(values), stateDtype: "f32" }).prepare(delta, key(seed));
  let [lost, moved] = [0, 0];
  for (const name of Object.keys(params)) {
    const counts = evaluate(absorbed(params[name], tau[name], alpha), device);
    lost += (await read(counts.lost))[0];
    moved += (await read(counts.moved))[0];
    dispose(counts);
  }
  if (moved === 0)
    out.note(
      "warning: the reference delta is 0 everywhere, and nothing drifts: the reference has the weights of base_model_name_or_path, the model before SFT",
    );
  if (lost > NOTABLE * moved && !compensated && tau_scale !== "update")
    out.note(
      `warning: alpha ${alpha} times the reference delta is too small to change ${Math.round((100 * lost) / moved)} % of the float32 weights that it should move; compensated: true keeps it`,
    );
};
