import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Objective } from "../../align/objective.js";
import { referenceDelta, trainingOptimizer } from "../../align/optimizer.js";
import type { Weights } from "../../align/reference.js";
import { type BatchSource, batchesFrom, stepsOf } from "../../align/source.js";
import { type StepRecord, train } from "../../align/train.js";
import { openRecords, type RecordWriter } from "../../align/writer.js";
import { type Device, dispose, evaluate, InputError } from "../../core/index.js";
import { loadModel, type Model, type Params, saveModel } from "../../models/index.js";
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
}

/** Trains, and writes metrics.jsonl, checkpoints and the model. Nothing is written before the first logged step. */
export const runTask = async (task: Task, values: TrainingValues, device: Device, out: Output): Promise<void> => {
  const { label, model, objective, source } = task;
  const { output_dir: folder, model_name_or_path: from, gradient_accumulation_steps: accumulation } = values;
  const epochs = values.num_train_epochs;
  const steps = values.max_steps > 0 ? values.max_steps : stepsOf(source.batchesPerEpoch, { accumulation, epochs });
  const optimizer = trainingOptimizer(optimizerSettings(values));
  const delta = optimizer.usesTau ? deltaOf(values, device) : undefined;
  out.note(`${label}: ${steps} steps, ${source.batchesPerEpoch} batches an epoch, ${optimizer.name}`);
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
    },
    device,
  );
  try {
    for (;;) {
      const { value, done } = await run.next();
      if (done === true) {
        await saveModel(folder, { ...model, params: value }, { from });
        dispose(value);
        break;
      }
      const { step, record, tokens, params } = value;
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
        await saved.save(step, { ...model, params });
    }
  } finally {
    shown.done();
    records?.close();
    await run.return(undefined as never);
    if (delta !== undefined) dispose(delta);
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
