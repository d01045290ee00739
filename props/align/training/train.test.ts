/** Laws of the training loop, on a model small enough to train in a test. */
import assert from "node:assert/strict";
import { batchesFrom, oneEpoch, pairSource, sequenceSource } from "../../../align/data/source.js";
import { trainingOptimizer } from "../../../align/training/optimizer.js";
import type { TrainOptions } from "../../../align/training/options.js";
import { referenceLogps } from "../../../align/training/reference.js";
import { lastOf, train } from "../../../align/training/train.js";
import { dispose, InputError, read } from "../../../core/index.js";
import {
  dpo,
  farthest,
  limitOf,
  type Numbers,
  numbersOf,
  pairs,
  sequences,
  sft,
  shared,
  tinyParams,
  trainedConfig,
  trainTiny,
} from "../../generators/tiny-training.js";
import { check } from "../../law.js";

for (const kind of ["sft", "dpo"] as const) {
  check(`${kind}: accumulated batches are the big batch`, async (device) => {
    const setting = { steps: 2, learningRate: 0.01, optimizer: { eps: 1e-3 } };
    const big = await trainTiny(kind, { ...setting, batchSize: 6 }, device);
    const cut = await trainTiny(kind, { ...setting, batchSize: 2, accumulation: 3 }, device);
    assert.ok(farthest(big.weights, cut.weights) <= limitOf(device), `off by ${farthest(big.weights, cut.weights)}`);
    for (const [i, record] of big.records.entries())
      for (const [name, value] of Object.entries(record))
        assert.ok(
          Math.abs(cut.records[i][name] - value) <= limitOf(device),
          `${name}: ${cut.records[i][name]} is not ${value}`,
        );
  });
}

check("batches that do not divide the data are padded, and the padding counts for nothing", async (device) => {
  const setting = { steps: 1, learningRate: 0.01, optimizer: { eps: 1e-3 } };
  for (const kind of ["sft", "dpo"] as const) {
    const exact = await trainTiny(kind, { ...setting, batchSize: 6 }, device);
    const cut = await trainTiny(kind, { ...setting, batchSize: 4, accumulation: 2 }, device);
    assert.ok(farthest(exact.weights, cut.weights) <= limitOf(device));
    assert.equal(cut.records[0].num_tokens, exact.records[0].num_tokens);
    assert.ok(Math.abs(cut.records[0].loss - exact.records[0].loss) <= limitOf(device));
  }
});

check(
  "live buffers are the same after every step, the second step compiles nothing, and nothing stays",
  async (device) => {
    const before = device.stats().liveBuffers;
    for (const optim of ["adamw", "ondare"] as const) {
      const base = tinyParams(3, device);
      const seen: { live: number; bytes: number; programs: number; kernels: number }[] = [];
      await trainTiny(
        "dpo",
        {
          steps: 5,
          learningRate: 1e-3,
          scheduler: "cosine",
          warmupSteps: 2,
          optimizer: optim === "adamw" ? { weightDecay: 0.1 } : { optim, reserveP: 0.5, alpha: 1e-3, onlineStep: 2 },
          refDelta: optim === "adamw" ? undefined : base,
        },
        device,
        () => {
          const { liveBuffers: live, liveBytes: bytes, programs, kernels } = device.stats();
          seen.push({ live, bytes, programs, kernels });
        },
      );
      dispose(base);
      for (const later of seen) assert.deepEqual(later, seen[0]);
      assert.equal(device.stats().liveBuffers, before);
    }
  },
);

check("a run that is left early leaves nothing behind", async (device) => {
  const before = device.stats().liveBuffers;
  const params = tinyParams(1, device);
  const options = {
    objective: sft,
    params,
    optimizer: trainingOptimizer(),
    batches: batchesFrom(sequenceSource(sequences, { ...shared, batchSize: 2 })),
    steps: 50,
    learningRate: 1e-3,
    loggingSteps: 25,
  };
  for await (const { step } of train(options, device)) if (step === 10) break;
  const failing = train(
    { ...options, batches: [{ ids: new Int32Array(8), mask: new Float32Array(8), rows: 1, length: 8 }] },
    device,
  );
  await assert.rejects(failing.next(), InputError);
  dispose(params);
  assert.equal(device.stats().liveBuffers, before);
});

check("the same seed gives the same bits, another seed other masks", async (device) => {
  const delta = tinyParams(3, device);
  const merging = { optim: "ondare", reserveP: 0.5, alpha: 0.01 } as const;
  const once = (seed: number) =>
    trainTiny("dpo", { steps: 3, learningRate: 0.01, seed, optimizer: merging, refDelta: delta }, device);
  const [a, b, c] = [await once(7), await once(7), await once(8)];
  assert.deepEqual(a, b);
  assert.ok(farthest(a.weights, c.weights) > 1e-4);
  dispose(delta);
});

check("what is logged less often is the mean of what is logged at every step", async (device) => {
  const setting = { steps: 6, learningRate: 0.01, batchSize: 2 };
  const often = await trainTiny("dpo", setting, device);
  const seldom = await trainTiny("dpo", { ...setting, loggingSteps: 5 }, device);
  assert.deepEqual(
    seldom.records.map(({ step }) => step),
    [5, 6],
  );
  assert.deepEqual(seldom.weights, often.weights);
  for (const [record, from] of [
    [seldom.records[0], 0],
    [seldom.records[1], 5],
  ] as const) {
    const window = often.records.slice(from, record.step);
    for (const name of ["loss", "rewards/margins", "rewards/accuracies", "logps/chosen"]) {
      const mean = window.reduce((sum, r) => sum + r[name], 0) / window.length;
      assert.ok(Math.abs(record[name] - mean) <= limitOf(device), `${name}: ${record[name]} is not ${mean}`);
    }
    const last = often.records[record.step - 1];
    for (const name of ["grad_norm", "learning_rate", "epoch", "num_tokens"]) assert.equal(record[name], last[name]);
  }
});

check("reference log-probabilities computed beforehand train as those asked in the loop", async (device) => {
  const [params, other] = [tinyParams(1, device), tinyParams(2, device)];
  const model = { config: trainedConfig, params: other };
  const options = { ...shared, batchSize: 4 };
  const reference = await referenceLogps(model, pairs, { ...options, batchSize: 3 }, device);
  const base = { objective: dpo, params, optimizer: trainingOptimizer({ eps: 1e-3 }), steps: 2, learningRate: 0.01 };
  const sources: TrainOptions[] = [
    { ...base, batches: oneEpoch(pairSource(pairs, options)), reference: model },
    { ...base, batches: oneEpoch(pairSource(pairs, { ...options, reference })) },
  ];
  const results: Numbers[] = [];
  for (const source of sources) {
    const trained = await lastOf(train(source, device));
    results.push(await numbersOf(trained, read));
    dispose(trained);
  }
  for (const result of results) assert.ok(farthest(result, results[0]) <= limitOf(device));
  dispose(params, other);
});

check("training learns: the tiny model memorizes, and comes to prefer what it is told", async (device) => {
  const learnt = await trainTiny("sft", { steps: 30, learningRate: 0.03, batchSize: 6, loggingSteps: 29 }, device);
  const [early, late] = learnt.records;
  assert.ok(late.loss < 0.7 * early.loss, `${early.loss} → ${late.loss}`);
  const aligned = await trainTiny("dpo", { steps: 12, learningRate: 0.01, batchSize: 6, loggingSteps: 11 }, device);
  assert.ok(aligned.records[1]["rewards/margins"] > aligned.records[0]["rewards/margins"]);
});
