import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { AdapterTraining } from "../../align/adapter.js";
import { fisherMask } from "../../align/fisher.js";
import type { Objective } from "../../align/objective.js";
import { referenceDelta, trainingOptimizer } from "../../align/optimizer.js";
import type { Weights } from "../../align/reference.js";
import { type BatchSource, batchesFrom, stepsOf } from "../../align/source.js";
import { type StepRecord, train } from "../../align/train.js";
import { openRecords, type RecordWriter } from "../../align/writer.js";
import { type Device, dispose, evaluate, InputError, key, read } from "../../core/index.js";
import { loadModel, type Model, type Params, saveModel } from "../../models/index.js";
import { absorbed } from "../../optim/index.js";
import type { Output } from "../output.js";
import { progress } from "../progress.js";
import { optimizerSettings, type TrainingValues } from "./check.js";
import { checkpoints } from "./checkpoints.js";

/** What differs between sft and dpo. */
export interface Task {
  readonly label: string;
  readonly model: Model;
  readonly objective: Objective;
  readonly source: BatchSource;
  /** The reference model, where the loop has to ask it. */
  readonly reference?: Weights;
  /** Makes plain weights of what is trained, where that is an adapter. */
  readonly merged?: AdapterTraining["merged"];
  /** τ, where it is not the difference of two folders' weights. The caller frees it. */
  readonly delta?: () => Params;
  /** Writes what is trained beside the merged model, where that is an adapter. */
  readonly saveAdapter?: (factors: Params) => Promise<void>;
}

/** Hands a task's weights, as plain ones, to `save`. */
const saving = async (
  { model, merged }: Task,
  params: Params,
  save: (model: Model) => Promise<void>,
): Promise<void> => {
  const whole = merged?.(params);
  try {
    await save({ ...model, params: whole?.params ?? params });
  } finally {
    if (whole !== undefined) dispose(whole.fresh);
  }
};

/** Trains, and writes metrics.jsonl, checkpoints and the model. Nothing is written before the first logged step. */
export const runTask = async (task: Task, values: TrainingValues, device: Device, out: Output): Promise<void> => {
  const { label, model, objective, source } = task;
  const { output_dir: folder, model_name_or_path: from, gradient_accumulation_steps: accumulation } = values;
  const epochs = values.num_train_epochs;
  const steps = values.max_steps > 0 ? values.max_steps : stepsOf(source.batchesPerEpoch, { accumulation, epochs });
  const optimizer = trainingOptimizer(optimizerSettings(values));
  const delta = optimizer.usesTau ? (task.delta?.() ?? deltaOf(values, device)) : undefined;
  if (delta !== undefined) await warnIfAbsorbed(model.params, delta, values, device, out);
  out.note(`${label}: ${steps} steps, ${source.batchesPerEpoch} batches an epoch, ${optimizer.name}`);
  const mask = optimizer.usesMask ? await estimatedMask(task, values, device, out) : undefined;
  out.start();

  const shown = progress({ label, total: steps, stream: process.stderr });
  const saved = checkpoints(folder, from, values.save_total_limit);
  let records: RecordWriter | undefined;
  let last: StepRecord | undefined;
  const run = train(
    {
      objective,
      params: model.params,
      optimizer,
      batches: batchesFrom(source),
      steps,
      learningRate: values.learning_rate,
      scheduler: values.lr_scheduler_type,
      warmupSteps: values.warmup_steps,
      accumulation,
      maxGradNorm: values.max_grad_norm,
      loggingSteps: values.logging_steps,
      seed: values.seed,
      reference: task.reference,
      refDelta: delta,
      anchor: optimizer.usesAnchor ? anchorOf(values) : undefined,
      gradientMask: mask,
    },
    device,
  );
  try {
    for (;;) {
      const { value, done } = await run.next();
      if (done === true) {
        await saving(task, value, (trained) => saveModel(folder, trained, { from }));
        await task.saveAdapter?.(value);
        dispose(value);
        break;
      }
      const { step, record, tokens } = value;
      if (record !== undefined) {
        if (records === undefined) {
          mkdirSync(folder, { recursive: true });
          records = openRecords(join(folder, "metrics.jsonl"));
        }
        records.write(record);
        refuseDiverged(record);
        last = record;
      }
      if (last !== undefined) shown.step(step, { loss: last.loss, tokens, more: detail(last, device) });
      if (values.save_steps !== undefined && step % values.save_steps === 0)
        await saving(task, value.params, (trained) => saved.save(step, trained));
    }
  } finally {
    shown.done();
    records?.close();
    await run.return(undefined as never);
    if (delta !== undefined) dispose(delta);
    if (mask !== undefined) dispose(mask);
  }
  out.result({ output_dir: folder, steps, ...last }, () => `the model is in ${folder}`);
};

const refuseDiverged = ({ step, loss }: StepRecord): void => {
  if (!Number.isFinite(loss))
    throw new InputError(
      `the loss is ${loss} at step ${step}: the run has diverged; lower learning_rate, or raise beta`,
    );
};

const detail = (record: StepRecord, device: Device): string => {
  const margin = record["rewards/margins"];
  const memory = `${(device.stats().liveBytes / 2 ** 20).toFixed(0)} MiB`;
  return margin === undefined ? memory : `margin ${margin.toFixed(3)}  ${memory}`;
};

/** τ = reference − base, on the device. */
const deltaOf = (values: TrainingValues, device: Device): Params => {
  const reference = loadModel(values.ref_model_name_or_path ?? values.model_name_or_path);
  const base = loadModel(values.base_model_name_or_path as string);
  return evaluate(referenceDelta(reference.params, base.params), device);
};

/** The reference weights, where they are not those that training starts from. */
const anchorOf = ({ model_name_or_path: start, ref_model_name_or_path: reference = start }: TrainingValues) =>
  reference === start ? undefined : loadModel(reference).params;

/** ChildTuning-D's mask, from the first batches of the run. */
const estimatedMask = (task: Task, values: TrainingValues, device: Device, out: Output): Promise<Params> => {
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

/** Says so if float32 would swallow α·τ. */
const warnIfAbsorbed = async (
  params: Params,
  delta: Params,
  values: TrainingValues,
  device: Device,
  out: Output,
): Promise<void> => {
  const { alpha = 0, compensated, seed } = values;
  if (alpha === 0 || compensated) return;
  // As the run will use it, but not packed.
  const tau = trainingOptimizer({ ...optimizerSettings(values), stateDtype: "f32" }).prepare(delta, key(seed));
  const counts = evaluate(absorbed(params, tau, alpha), device);
  const [lost, moved] = await Promise.all([counts.lost, counts.moved].map(async (t) => (await read(t))[0]));
  dispose(counts);
  if (lost > NOTABLE * moved)
    out.note(
      `warning: alpha ${alpha} times the reference delta is too small to change ${Math.round((100 * lost) / moved)} % of the float32 weights that it should move; compensated: true keeps it`,
    );
};
