/** Training through an adapter. */
import assert from "node:assert/strict";
import { batchesFrom, sequenceSource } from "../../../align/data/source.js";
import { adapterTraining } from "../../../align/training/adapter.js";
import { lastOf, train } from "../../../align/training/train.js";
import { dispose, read } from "../../../core/index.js";
import type { Params } from "../../../models/index.js";
import { adamW } from "../../../optim/index.js";
import { assertSame } from "../../close.js";
import { tinyModel } from "../../generators/tiny-models.js";
import { sequences, sft, trainedConfig } from "../../generators/tiny-training.js";
import { check } from "../../law.js";

check("lora: training moves the factors alone, and the merged model computes what the adapter did", async (device) => {
  const { params: base } = tinyModel(trainedConfig, device);
  const before = new Map(
    await Promise.all(Object.entries(base).map(async ([name, t]) => [name, await read(t)] as const)),
  );
  const live = device.stats().liveBuffers;
  const adapter = adapterTraining(
    sft,
    { config: trainedConfig, params: base },
    { rank: 2, alpha: 8, targets: ["v_proj", "o_proj"], seed: 4 },
    device,
  );
  const source = sequenceSource(sequences, { batchSize: 6, padId: 0, shuffle: false });
  const losses: number[] = [];
  const factors = await lastOf(
    train(
      {
        objective: adapter.objective,
        params: adapter.factors,
        optimizer: adamW({}),
        batches: batchesFrom(source),
        steps: 8,
        learningRate: 0.05,
      },
      device,
    ),
    ({ record }) => losses.push(record?.loss as number),
  );
  assert.ok(losses[7] < losses[0] - 0.1, losses.join());
  assert.equal(Object.keys(factors).length, 4);
  const { params: merged, fresh } = adapter.merged(factors);
  for (const [name, t] of Object.entries(base)) {
    assertSame(await read(t), before.get(name) ?? [], `${name} of the base`);
    const moved = /self_attn\.(v|o)_proj\.weight$/.test(name);
    assert.equal(merged[name] !== t, moved, name);
    if (moved) assert.notDeepEqual(await read(merged[name]), before.get(name));
  }
  // One more step at rate 0 tells the adapter's loss; the merged weights' own loss is the same.
  const lossOf = async (objective: typeof sft, params: Params): Promise<number> => {
    let seen = Number.NaN;
    const run = train(
      { objective, params, optimizer: adamW({}), batches: batchesFrom(source), steps: 1, learningRate: 0 },
      device,
    );
    dispose(
      await lastOf(run, ({ record }) => {
        seen = record?.loss as number;
      }),
    );
    return seen;
  };
  const [adapted, plain] = [await lossOf(adapter.objective, factors), await lossOf(sft, merged)];
  assert.ok(Math.abs(adapted - plain) < 1e-5 && plain < losses[0] - 0.1, `${adapted} and ${plain}`);
  dispose(fresh, factors, adapter.factors);
  assert.equal(device.stats().liveBuffers, live, "everything was given back");
  dispose(base);
});
