/** A model that is loaded, trained, kept and found again, from the built package: in a browser's own storage, or in memory. */
import * as tg from "taugrad";
import {
  batchesFrom,
  completionObjective,
  lastOf,
  lastSnapshot,
  saveSnapshot,
  sequenceSource,
  train,
  trainingOptimizer,
} from "taugrad/align";
import { open } from "taugrad/devices";
import { folderAt, loadModel, loadTokenizer, saveModel } from "taugrad/models";

const rows = Array.from({ length: 6 }, (_, i) => ({
  ids: Array.from({ length: 5 + (i % 3) }, (_, j) => 3 + ((7 * i + 5 * j) % 40)),
  completionStart: 2,
}));

/** Weights after six steps on a model at an address; cut off after the fourth, and gone on with, if there is where to keep it. */
export const kept = async (address, storage) => {
  const device = await open("cpu");
  const there = folderAt(address);
  const model = await loadModel(there, device);
  const source = sequenceSource(rows, { padId: 0, shuffle: true, seed: 3, bucket: 8, batchSize: 2 });
  const options = {
    ...{ objective: completionObjective(model.config), params: model.params, steps: 6, learningRate: 0.01 },
    optimizer: trainingOptimizer({ optim: "adamw" }),
  };
  const run = (last, onStep) =>
    lastOf(train({ ...options, batches: batchesFrom(source, last?.batches), resume: last?.resume }, device), onStep);
  let params;
  if (storage === undefined) params = await run();
  else {
    const cut = async ({ step, snapshot }) => {
      if (step === 5) throw new Error("closed");
      await saveSnapshot(storage, await snapshot());
    };
    await run(undefined, cut).catch(() => {});
    const last = await lastSnapshot(storage);
    if (last?.step !== 4) throw new Error(`went on from ${last?.step}`);
    params = await run(last);
    const saved = storage.within("saved");
    await saveModel(saved, { ...model, params }, { from: there });
    params = (await loadModel(saved)).params;
    if ((await loadTokenizer(saved)).vocabSize !== (await loadTokenizer(there)).vocabSize) throw new Error("tokenizer");
  }
  const found = {};
  for (const [name, t] of Object.entries(params)) found[name] = Array.from((await tg.read(t)).slice(0, 4));
  await device.close();
  return found;
};
