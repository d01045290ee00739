import type { Dataset } from "../../../align/data/dataset.js";
import type { BatchSource, TrainingBatch } from "../../../align/data/source.js";
import { lastOf, train } from "../../../align/training/train.js";
import { type Device, dispose } from "../../../core/index.js";
import type { Tokenizer } from "../../../models/index.js";
import type { Output } from "../../output.js";
import type { TrainingValues } from "../checks/check.js";
import { tellDrift } from "../checks/start-checks.js";
import { yamlOf } from "../outputs/settings.js";
import { withAdapter } from "../parts/adapter.js";
import { evaluator } from "../parts/evaluation.js";
import { spanOf, type Task, trainOptions } from "../parts/task.js";
import type { Parts, Recipe } from "../recipe.js";
import { type MemoryLine, printMemory, shownBytes, treeBytes } from "./memory-table.js";
import { planningDevice } from "./planning-device.js";
import { printSamples, sampleRows } from "./sample-rows.js";
import { shapeModel } from "./shape-model.js";

/** What a dry run looks at: a recipe, and its parts as far as they are there. */
export interface DryRun<V extends TrainingValues, T> {
  readonly recipe: Pick<Recipe<V, T>, "label" | "build">;
  readonly settings: Pick<Parts<V, T>, "values" | "config" | "training" | "evaluation">;
  readonly rows: Dataset<T>;
  readonly evalRows: Dataset<T> | undefined;
  readonly tokenizer: Tokenizer;
  readonly device: Device;
}

/** Batches that are looked at for the largest; a run that goes on for longer meets few larger ones. */
const ENOUGH = 2000;

/** The largest of a source's first `count` batches, as one that anything may follow. */
const largest = ({ at }: BatchSource, count: number): TrainingBatch => {
  let best = at(0);
  for (let i = 1; i < Math.min(count, ENOUGH); i++) {
    const batch = at(i);
    if (batch.rows * batch.length > best.rows * best.length) best = batch;
  }
  return { ...best, endsEpoch: false };
};

/** Takes a step and an evaluation on a device that only keeps account, and says who takes how much. */
const rehearsed = async (task: Task, values: TrainingValues, device: Device, out: Output): Promise<MemoryLine[]> => {
  const quiet = { ...out, note: () => {} };
  const { options, release } = await trainOptions(task, values, device, quiet, shapeModel);
  const { optimizer, params, refDelta, gradientMask, reference, steps, accumulation: perStep = 1 } = options;
  const { source, evalSource } = task;
  const batch = largest(source, steps * perStep);
  const accumulation = Math.min(2, perStep);
  const batches = Array.from({ length: accumulation }, () => batch);
  const once = { ...options, batches, accumulation, steps: 1, warmupSteps: 0 };
  const final = await lastOf(train(once, device), async ({ params: weights }) => {
    if (evalSource === undefined) return;
    const heaviest = largest(evalSource, evalSource.batchesPerEpoch);
    const span = { steps: 1, stepsPerEpoch: 1, reference };
    const once = { ...task, evalSource: { batchesPerEpoch: 1, at: () => heaviest }, evalTasks: undefined };
    await evaluator(values, once, span, device)?.run(weights);
  });
  dispose(final);
  release();
  const state = optimizer.init(params);
  const known: MemoryLine[] = [
    { what: "weights", bytes: treeBytes(params) },
    { what: "weights that an adapter leaves as they are", bytes: task.merged ? treeBytes(task.model.params) : 0 },
    { what: "reference model", bytes: treeBytes(reference?.params) },
    {
      what: "reference delta",
      bytes: refDelta ? treeBytes(optimizer.prepare(refDelta, state.key)) : 0,
    },
    { what: "reference weights", bytes: optimizer.usesAnchor ? treeBytes(params) : 0 },
    { what: "mask of the gradient", bytes: treeBytes(gradientMask) },
    { what: "optimizer state", bytes: treeBytes(state.slots) },
  ];
  const rest = device.stats().peakBytes - known.reduce((sum, { bytes }) => sum + bytes, 0);
  const { rows, length } = batch;
  return [...known, { what: `gradients, activations, batch of ${rows} × ${length} tokens`, bytes: rest }];
};

/** A WebAssembly memory's addresses. */
const CPU_LIMIT = 2 ** 32;

/** Shows what a training command would run on: settings, two rows as the model reads them, steps, memory. Writes nothing. */
export const dryRun = async <V extends TrainingValues, T>(run: DryRun<V, T>, out: Output): Promise<void> => {
  const { recipe, settings, rows, evalRows, tokenizer, device: real } = run;
  const { values } = settings;
  const device = planningDevice(real);
  const built = await recipe.build({ ...settings, rows, evalRows, device, load: shapeModel, planned: true });
  const task = { label: recipe.label, model: shapeModel(values.model_name_or_path), ...built };
  let memory: readonly MemoryLine[] = [];
  await withAdapter(task, values, device, out, async (adapted) => {
    memory = await rehearsed(adapted, values, device, out);
  });
  const samples = sampleRows(rows, 2, tokenizer);
  const span = spanOf(task, values);
  tellDrift(values, span.steps, out);
  const { peakBytes } = device.stats();
  if (real.name === "cpu" && peakBytes > CPU_LIMIT)
    out.note(
      `warning: ${shownBytes(peakBytes)} is more than the ${shownBytes(CPU_LIMIT)} that cpu can address; make per_device_train_batch_size or max_length smaller, set gradient_checkpointing, or use_peft`,
    );
  const config = await yamlOf(values);
  const document = {
    ...{ command: recipe.label, config: { ...values, json: undefined, dry_run: undefined }, ...span },
    ...{ data: rows.report, eval_data: evalRows?.report, samples },
    memory: Object.fromEntries(memory.map(({ what, bytes }) => [what, bytes])),
    peak_memory_bytes: peakBytes,
  };
  const text = (): string =>
    [
      `# settings\n${config}`,
      `# rows: what is learned stands in ⟦ ⟧\n${printSamples(samples)}\n`,
      `# steps\n  ${span.steps}, ${span.stepsPerEpoch} an epoch\n`,
      `# memory on ${real.name}\n${printMemory(memory)}`,
    ].join("\n");
  out.result(document, text);
};
