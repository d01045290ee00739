import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { batchesFrom } from "../../../align/data/source.js";
import type { TrainOptions } from "../../../align/training/options.js";
import { loadTree } from "../../../align/training/state-file.js";
import { type StepRecord, type TrainStep, train } from "../../../align/training/train.js";
import { type Device, dispose } from "../../../core/index.js";
import { type Params, saveModel } from "../../../models/index.js";
import type { Output } from "../../output.js";
import { Stopped } from "../../stopped.js";
import type { TrainingValues } from "../checks/check.js";
import { evaluator } from "../parts/evaluation.js";
import { plainModel, spanOf, type Task, trainOptions } from "../parts/task.js";
import { checkpoints, type Resumed, resumedFrom, STATE } from "./checkpoints.js";
import { metricsFile } from "./metrics-file.js";
import { type RunObserver, together } from "./observer.js";
import { progressLine } from "./progress-line.js";
import { identityOf } from "./same-run.js";
import { stopWatch } from "./signals.js";

/** Tells observers, from the first thing that there is to tell: before it, nothing is written. */
const teller = (observers: readonly RunObserver[], at: Parameters<NonNullable<RunObserver["start"]>>[0]) => {
  const all = together(observers);
  let begun = false;
  const begin = async (): Promise<void> => {
    if (begun) return;
    begun = true;
    mkdirSync(at.folder, { recursive: true });
    await all.start(at);
  };
  return {
    step: (taken: TrainStep) => begin().then(() => all.step(taken)),
    evaluation: (record: StepRecord | { readonly step: number }) => begin().then(() => all.evaluation(record)),
    saving: () => begin().then(all.saving),
    saved: (checkpoint: string, step: number) => begin().then(() => all.saved(checkpoint, step)),
    end: () => begin().then(all.end),
    close: all.close,
  };
};

/** Where a resumed run takes its state from. */
const resuming = (
  { folder, ...position }: Resumed,
  { offload }: TrainingValues,
  device: Device,
): TrainOptions["resume"] => {
  // Part of an offloaded state stays on the host; the run itself uploads the rest.
  const at = offload === "none" ? device : undefined;
  return (initial) => ({ ...position, state: loadTree(join(folder, STATE), initial, at) });
};

/** Trains, and writes metrics.jsonl, checkpoints and the model, and what the observers write. */
export const runTask = async (
  task: Task,
  values: TrainingValues,
  device: Device,
  out: Output,
  observers: readonly RunObserver[] = [],
): Promise<void> => {
  const { label, model, source, reference } = task;
  const { output_dir: folder, save_steps } = values;
  const span = spanOf(task, values);
  const { steps } = span;
  const identity = identityOf({ ...values, device: device.name }, task.fingerprint);
  const resumed = await resumedFrom(values, identity, steps, out);
  const { options, release } = await trainOptions(task, values, device, out);
  const evaluation = evaluator(values, task, { ...span, reference }, device);
  out.start();

  const first = resumed?.step ?? 0;
  const told = teller([metricsFile(), progressLine(device), ...observers], { step: first, steps, label, folder });
  const how = { from: values.model_name_or_path, chatTemplate: task.chatTemplate, device };
  const saved = checkpoints(values, identity, how);
  const stop = stopWatch(out.note);
  const evaluateAt = async (at: { readonly step: number; readonly params: Params }): Promise<void> => {
    if (evaluation?.due(at.step))
      await told.evaluation({
        step: at.step,
        epoch: at.step / span.stepsPerEpoch,
        ...(await evaluation.run(at.params)),
      });
  };
  const save = async (params: Params, snapshot: Awaited<ReturnType<TrainStep["snapshot"]>>): Promise<string> => {
    await told.saving();
    const path = await saved.save(plainModel(task, params), snapshot);
    await told.saved(path, snapshot.step);
    return path;
  };

  let last: StepRecord | undefined;
  const run = train(
    {
      ...options,
      batches: batchesFrom(source, resumed?.batches),
      resume: resumed && resuming(resumed, values, device),
      rescue: async (good, params) => {
        await save(params, good).then(
          (path) => out.note(`${path} holds the last good state`),
          (error: Error) => out.note(`warning: ${error.message}`),
        );
      },
    },
    device,
  );
  try {
    if (first === 0) await evaluateAt({ step: 0, params: model.params });
    for (;;) {
      const { value, done } = await run.next();
      if (done === true) {
        await saveModel(folder, plainModel(task, value), how);
        await task.saveAdapter?.(value);
        dispose(value);
        break;
      }
      const { step, record } = value;
      if (record !== undefined) last = record;
      await told.step(value);
      await evaluateAt(value);
      const signal = await stop.asked();
      const leaves = signal !== undefined && step < steps;
      if (step % save_steps === 0 || leaves) {
        const path = await save(value.params, await value.snapshot());
        if (leaves)
          throw new Stopped(
            signal,
            `stopped by ${signal} after step ${step} of ${steps}; --resume goes on from ${path}`,
          );
      }
    }
    await told.end();
  } finally {
    stop.close();
    told.close();
    await run.return(undefined as never);
    release();
  }
  out.result(
    { output_dir: folder, steps, ...last, peak_memory_bytes: device.stats().peakBytes },
    () => `the model is in ${folder}`,
  );
};
