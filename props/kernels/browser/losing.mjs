/** A training whose device goes away under it, and that goes on on another one, from the built package: in a page, or in Node. */
import { cast, mean, read, reshape, square, sub, sum, tensor } from "taugrad";
import {
  batchesFrom,
  lastOf,
  lastSnapshot,
  saveSnapshot,
  sequenceSource,
  train,
  trainingOptimizer,
} from "taugrad/align";
import { open } from "taugrad/devices";

const rows = Array.from({ length: 6 }, (_, i) => ({ ids: [i, 3, 5 + i, 7], completionStart: 1 }));
const source = sequenceSource(rows, { padId: 0, shuffle: true, seed: 3, bucket: 4, batchSize: 2 });

/** Weights to be what a batch's numbers are on average. */
const objective = {
  ...{ name: "mean", usesReference: false, width: 1 },
  units: ({ rows: count }) => count,
  sums: ({ w }, { targets }) => {
    const loss = sum(square(sub(w, mean(cast(targets, "f32")))));
    return [loss, reshape(loss, [1])];
  },
  report: ([loss]) => ({ loss, metrics: {} }),
};

/** Weights after six steps on webgpu, and what was said meanwhile; `lose` takes the device away in the fourth, if it is given. */
export const losing = async (storage, lose) => {
  let device = await open("webgpu");
  const run = (last, onStep) => {
    const options = { objective, params: { w: tensor([1, 2, 3]) }, steps: 6, learningRate: 0.1 };
    const optimizer = trainingOptimizer({ optim: "adamw" });
    const batches = batchesFrom(source, last?.batches);
    return lastOf(train({ ...options, optimizer, batches, resume: last?.resume }, device), onStep);
  };
  let [told, last] = [];
  if (lose !== undefined) {
    const step = async ({ step, snapshot }) => {
      if (step === 4) await lose();
      await saveSnapshot(storage, await snapshot());
    };
    await run(undefined, step).catch(({ name, message }) => {
      told = `${name}: ${message}`;
    });
    await device.close();
    device = await open("webgpu");
    last = await lastSnapshot(storage);
  }
  const { w } = await run(last);
  const weights = Array.from(await read(w));
  await device.close();
  return { told, from: last?.step, weights };
};
