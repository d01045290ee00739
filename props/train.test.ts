/** Laws of the training loop, on a model small enough to train in a test. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { evaluateOn, evaluatePreferences } from "../align/evaluate.js";
import { completionObjective, preferenceObjective } from "../align/objective.js";
import { type OptimizerSettings, referenceDelta, trainingOptimizer } from "../align/optimizer.js";
import { referenceLogps, withReference } from "../align/reference.js";
import { batchesFrom, oneEpoch, pairSource, sequenceSource, stepsOf } from "../align/source.js";
import { lastOf, type StepRecord, type TrainOptions, type TrainStep, train } from "../align/train.js";
import { openRecords } from "../align/writer.js";
import { type Device, dispose, InputError, read, tensor } from "../core/index.js";
import type { Params } from "../models/parameters.js";
import { optimizer as liftRule, type Optimizer } from "../optim/optimizer.js";
import { sgd } from "../optim/proposal.js";
import { check, law } from "./law.js";
import {
  farthest,
  type Numbers,
  numbersOf,
  tinyPair,
  tinyParams,
  tinySequence,
  trainedConfig,
} from "./tiny-training.js";

const dpo = preferenceObjective(trainedConfig, { beta: 0.5 });
const sft = completionObjective(trainedConfig);
const pairs = Array.from({ length: 6 }, (_, i) => tinyPair(i));
const sequences = Array.from({ length: 6 }, (_, i) => tinySequence(i, 4 + (i % 4), 1 + (i % 3)));
const shared = { padId: 0, shuffle: false, bucket: 8 };

type Setting = Omit<TrainOptions, "objective" | "params" | "batches" | "optimizer"> & {
  readonly optimizer?: OptimizerSettings;
  /** Instead of one from settings. */
  readonly rule?: Optimizer;
  readonly batchSize?: number;
};

interface Outcome {
  readonly records: readonly StepRecord[];
  readonly weights: Numbers;
}

/** Trains the tiny model and gives records and final weights; nothing is left on the device but what was there. */
const run = async (
  kind: "sft" | "dpo",
  { optimizer = {}, rule, batchSize = 2, ...rest }: Setting,
  device: Device,
  onStep: (step: TrainStep) => unknown = () => {},
): Promise<Outcome> => {
  const [params, other] = [tinyParams(1, device), tinyParams(2, device)];
  const source =
    kind === "dpo" ? pairSource(pairs, { ...shared, batchSize }) : sequenceSource(sequences, { ...shared, batchSize });
  const records: StepRecord[] = [];
  const options: TrainOptions = {
    objective: kind === "dpo" ? dpo : sft,
    params,
    optimizer: rule ?? trainingOptimizer(optimizer),
    batches: batchesFrom(source),
    reference: { config: trainedConfig, params: other },
    ...rest,
  };
  const trained = await lastOf(train(options, device), async (step) => {
    if (step.record !== undefined) records.push(step.record);
    await onStep(step);
  });
  const weights = await numbersOf(trained, read);
  dispose(params, other, trained);
  return { records, weights };
};

/** A number by its name; NaN, which is close to nothing, if it is not there. */
const numberOf = (numbers: Readonly<Record<string, number>> | undefined, name: string): number =>
  numbers?.[name] ?? Number.NaN;

/** Rounding of a few steps: f64 on the oracle, f32 elsewhere, where Adam's division carries gradients' rounding into Δ. */
const limitOf = (device: Device) => (device.name === "reference" ? 1e-10 : 1e-4);

for (const kind of ["sft", "dpo"] as const) {
  check(`${kind}: accumulated batches are the big batch`, async (device) => {
    const setting = { steps: 2, learningRate: 0.01, optimizer: { eps: 1e-3 } };
    const big = await run(kind, { ...setting, batchSize: 6 }, device);
    const cut = await run(kind, { ...setting, batchSize: 2, accumulation: 3 }, device);
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
    const exact = await run(kind, { ...setting, batchSize: 6 }, device);
    const cut = await run(kind, { ...setting, batchSize: 4, accumulation: 2 }, device);
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
      await run(
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
    run("dpo", { steps: 3, learningRate: 0.01, seed, optimizer: merging, refDelta: delta }, device);
  const [a, b, c] = [await once(7), await once(7), await once(8)];
  assert.deepEqual(a, b);
  assert.ok(farthest(a.weights, c.weights) > 1e-4);
  dispose(delta);
});

check("what is logged less often is the mean of what is logged at every step", async (device) => {
  const setting = { steps: 6, learningRate: 0.01, batchSize: 2 };
  const often = await run("dpo", setting, device);
  const seldom = await run("dpo", { ...setting, loggingSteps: 5 }, device);
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
    { ...base, batches: await withReference(model, oneEpoch(pairSource(pairs, options)), device) },
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

check("evaluation does not depend on how the pairs are cut; its gradient norms make up the run's", async (device) => {
  const [policy, other] = [1, 2].map((seed) => ({ config: trainedConfig, params: tinyParams(seed, device) }));
  const scored = (batchSize: number, bucket: number) =>
    evaluatePreferences(policy, other, pairs, { beta: 0.5, padId: 0, batchSize, bucket, gradNorms: true }, device);
  const whole = await scored(6, 8);
  for (const [batchSize, bucket] of [
    [4, 8],
    [1, 3],
  ]) {
    const cut = await scored(batchSize, bucket);
    const names = Object.keys(whole.grad_norms ?? {});
    assert.deepEqual(names, Object.keys(policy.params));
    for (const name of names)
      assert.ok(Math.abs(numberOf(cut.grad_norms, name) - numberOf(whole.grad_norms, name)) <= limitOf(device), name);
    for (const [name, value] of Object.entries({ loss: whole.loss, ...whole.metrics }))
      assert.ok(Math.abs(numberOf({ loss: cut.loss, ...cut.metrics }, name) - value) <= limitOf(device), name);
  }
  const { records } = await run("dpo", { steps: 1, learningRate: 0, batchSize: 6, maxGradNorm: 0 }, device);
  const norm = Math.hypot(...Object.values(whole.grad_norms ?? {}));
  assert.ok(Math.abs(records[0].grad_norm - norm) <= limitOf(device) * norm);
  assert.ok(Math.abs(records[0].loss - whole.loss) <= limitOf(device));
  const totals = await evaluateOn({ objective: sft, params: policy.params, batches: [] }, device);
  assert.equal(totals.loss, 0);
  dispose(policy.params, other.params);
});

check("where policy = reference: loss log 2, rewards, margins and accuracy 0", async (device) => {
  const model = { config: trainedConfig, params: tinyParams(1, device) };
  const { loss, metrics } = await evaluatePreferences(model, model, pairs, { padId: 0, batchSize: 4 }, device);
  assert.ok(Math.abs(loss - Math.LN2) <= 1e-6);
  for (const name of ["chosen", "rejected", "margins", "accuracies"]) assert.equal(metrics[`rewards/${name}`], 0);
  // The training step is another program than the one that asks the reference; the forward pass must round alike in both.
  const { records } = await run("dpo", { steps: 1, learningRate: 0.1, batchSize: 6, reference: model }, device);
  for (const name of ["chosen", "rejected", "margins", "accuracies"]) assert.equal(records[0][`rewards/${name}`], 0);
  dispose(model.params);
});

check("recomputing layers in the backward pass changes no number", async (device) => {
  const params = tinyParams(1, device);
  const batches = oneEpoch(sequenceSource(sequences, { ...shared, batchSize: 6 }));
  const [plain, again] = [
    await evaluateOn({ objective: sft, params, batches, gradNorms: true }, device),
    await evaluateOn(
      { objective: completionObjective(trainedConfig, { checkpoint: true }), params, batches, gradNorms: true },
      device,
    ),
  ];
  for (const [name, norm] of Object.entries(plain.grad_norms ?? {}))
    assert.ok(Math.abs(numberOf(again.grad_norms, name) - norm) <= limitOf(device), name);
  dispose(params);
});

check("the schedule is what is logged, and what moves the weights", async (device) => {
  const setting = { steps: 4, learningRate: 0.01, scheduler: "linear", warmupSteps: 2, minRatio: 0.5 } as const;
  const seen: Numbers[] = [];
  const { records } = await run("sft", setting, device, async ({ params }) => seen.push(await numbersOf(params, read)));
  const rates = [0, 0.005, 0.01, 0.0075];
  assert.deepEqual(
    records.map(({ learning_rate }) => Math.round(learning_rate * 1e9) / 1e9),
    rates,
  );
  const start = tinyParams(1, device);
  assert.equal(farthest(await numbersOf(start, read), seen[0]), 0);
  dispose(start);
  // Adam's step is bounded by the rate (by a little more while the moments warm up), and here it comes close to it.
  for (let i = 1; i < rates.length; i++) {
    const moved = farthest(seen[i], seen[i - 1]);
    assert.ok(moved > 0.5 * rates[i] && moved < 1.5 * rates[i], `step ${i + 1} moved ${moved} at rate ${rates[i]}`);
  }
});

check("weight decay shrinks matrices and leaves biases and norm weights alone", async (device) => {
  const setting = { steps: 1, learningRate: 0.01 };
  const [free, decayed] = [
    await run("sft", setting, device),
    await run("sft", { ...setting, optimizer: { weightDecay: 0.5 } }, device),
  ];
  const start = tinyParams(1, device);
  const before = await numbersOf(start, read);
  dispose(start);
  for (const [name, w] of before) {
    const exempt = name.endsWith("norm.weight") || name.endsWith(".bias");
    for (let i = 0; i < w.length; i++) {
      const shrunk = (free.weights.get(name)?.[i] ?? 0) - (decayed.weights.get(name)?.[i] ?? 0);
      assert.ok(Math.abs(shrunk - (exempt ? 0 : 0.005 * w[i])) <= 1e-6, `${name}[${i}]`);
    }
  }
});

check("clipping scales the gradient to the bound, and the norm before it is logged", async (device) => {
  const limit = 1e-2;
  // Plain descent at rate 1 moves the weights by the gradient itself.
  const setting = { steps: 1, learningRate: 1, rule: liftRule(sgd()) };
  const free = await run("sft", { ...setting, maxGradNorm: 0 }, device);
  const clipped = await run("sft", { ...setting, maxGradNorm: limit }, device);
  const start = tinyParams(1, device);
  const before = await numbersOf(start, read);
  dispose(start);
  const moves = ({ weights }: Outcome) =>
    [...weights].flatMap(([name, w]) => Array.from(w, (x, i) => x - (before.get(name)?.[i] ?? 0)));
  const [whole, scaled] = [moves(free), moves(clipped)];
  const norm = free.records[0].grad_norm;
  assert.ok(norm > 10 * limit);
  assert.equal(clipped.records[0].grad_norm, norm);
  assert.ok(Math.abs(Math.hypot(...whole) / norm - 1) <= 1e-4);
  for (const [i, move] of scaled.entries()) assert.ok(Math.abs(move - (whole[i] * limit) / (norm + 1e-6)) <= 1e-6);
});

check("with α = 1 and p = 1 a step is the reference delta", async (device) => {
  const [base, reference, start] = [3, 4, 1].map((seed) => tinyParams(seed, device));
  const { weights } = await run(
    "sft",
    {
      steps: 1,
      learningRate: 0.01,
      optimizer: { optim: "onties", alpha: 1 },
      refDelta: referenceDelta(reference, base),
    },
    device,
  );
  const [b, r, w] = [await numbersOf(base, read), await numbersOf(reference, read), await numbersOf(start, read)];
  for (const [name, after] of weights)
    for (let i = 0; i < after.length; i++) {
      const expected = (w.get(name)?.[i] ?? 0) + (r.get(name)?.[i] ?? 0) - (b.get(name)?.[i] ?? 0);
      assert.ok(Math.abs(after[i] - expected) <= 1e-6, `${name}[${i}]: ${after[i]} is not ${expected}`);
    }
  dispose(base, reference, start);
});

check("training learns: the tiny model memorizes, and comes to prefer what it is told", async (device) => {
  const learnt = await run("sft", { steps: 30, learningRate: 0.03, batchSize: 6, loggingSteps: 29 }, device);
  const [early, late] = learnt.records;
  assert.ok(late.loss < 0.7 * early.loss, `${early.loss} → ${late.loss}`);
  const aligned = await run("dpo", { steps: 12, learningRate: 0.01, batchSize: 6, loggingSteps: 11 }, device);
  assert.ok(aligned.records[1]["rewards/margins"] > aligned.records[0]["rewards/margins"]);
});

/** Hugging Face's Trainer: updates an epoch = len // A + (len % A > 0), max_steps = ceil(epochs · updates). */
test("steps of a run: groups of batches never cross the end of an epoch", () =>
  fc.assert(
    fc.property(
      fc.record({
        rows: fc.integer({ min: 1, max: 40 }),
        batchSize: fc.integer({ min: 1, max: 9 }),
        accumulation: fc.integer({ min: 1, max: 5 }),
        epochs: fc.integer({ min: 1, max: 3 }),
      }),
      ({ rows, batchSize, accumulation, epochs }) => {
        const source = sequenceSource(
          Array.from({ length: rows }, (_, i) => tinySequence(i, 3, 1)),
          { ...shared, batchSize },
        );
        let [steps, group] = [0, 0];
        for (let i = 0; i < epochs * source.batchesPerEpoch; i++) {
          const { endsEpoch = false, epoch = 0 } = source.at(i);
          group++;
          if (group === accumulation || endsEpoch) [steps, group] = [steps + 1, 0];
          assert.equal(Number.isInteger(epoch), endsEpoch);
        }
        assert.equal(stepsOf(source.batchesPerEpoch, { accumulation, epochs }), steps);
      },
    ),
  ));

law(
  "an epoch holds every target once, in any order and cut",
  fc.record({ batchSize: fc.integer({ min: 1, max: 7 }), seed: fc.nat(1000), shuffle: fc.boolean() }),
  async ({ batchSize, seed, shuffle }) => {
    const source = pairSource(pairs, { padId: 0, batchSize, seed, shuffle });
    const epoch = oneEpoch(source);
    const targets = (b: (typeof epoch)[number]) => b.mask.reduce((n, x) => n + x, 0);
    const expected = pairs
      .flatMap(({ chosen, rejected }) => [chosen, rejected])
      .reduce((n, { ids, completionStart }) => n + ids.length - completionStart, 0);
    assert.equal(
      epoch.reduce((n, b) => n + targets(b), 0),
      expected,
    );
    assert.equal(
      epoch.reduce((n, b) => n + dpo.units(b), 0),
      pairs.length,
    );
    assert.equal(
      epoch.reduce((n, b) => n + sft.units(b), 0),
      expected,
    );
    assert.ok(new Set(epoch.map(({ length }) => length)).size <= 4);
  },
  { on: ["reference"] },
);

const refusal = (pattern: RegExp) => (error: unknown) => {
  assert.ok(error instanceof InputError, String(error));
  assert.match(error.message, pattern);
  assert.ok(!error.message.includes("\n"));
  return true;
};

test("what cannot be trained is refused in one line", async () => {
  const zero = (shape: readonly number[]) => tensor(new Float32Array(shape.reduce((n, x) => n * x, 1)), shape);
  const a: Params = { x: zero([2, 3]), y: zero([4]) };
  assert.throws(() => referenceDelta(a, { x: zero([3, 2]), y: zero([4]) }), refusal(/"x" is \[2,3\].*\[3,2\]/));
  assert.throws(
    () => referenceDelta(a, { x: zero([2, 3]) }),
    refusal(/"y" is in the reference model but not in the base/),
  );
  assert.throws(
    () => referenceDelta({ x: zero([2, 3]) }, a),
    refusal(/"y" is in the base model but not in the reference/),
  );
  assert.throws(() => trainingOptimizer({ alpha: 0.1 }), refusal(/alpha has no meaning/));
  assert.throws(() => trainingOptimizer({ optim: "ondare", alpha: 1.5 }), refusal(/alpha is 1.5/));
  assert.throws(() => trainingOptimizer({ optim: "onties", reserveP: -1 }), refusal(/reserveP is -1/));
  assert.throws(() => trainingOptimizer({ optim: "ondare", rescale: "l1" }), refusal(/official/));
});

check(
  "a run without reference, reference delta or batches is refused in one line",
  async (device) => {
    const params = tinyParams(1, device);
    const before = device.stats().liveBuffers;
    const options = { objective: dpo, params, optimizer: trainingOptimizer(), steps: 1, learningRate: 0.1 };
    const batches = oneEpoch(pairSource(pairs, { ...shared, batchSize: 2 }));
    const merging = trainingOptimizer({ optim: "ondare" });
    await assert.rejects(train({ ...options, batches }, device).next(), refusal(/reference model/));
    await assert.rejects(train({ ...options, batches, optimizer: merging }, device).next(), refusal(/base model/));
    await assert.rejects(train({ ...options, batches: [] }, device).next(), refusal(/no batches/));
    const small = { config: { ...trainedConfig, vocabSize: 5 }, params };
    const compared = train({ ...options, batches, reference: small }, device);
    await assert.rejects(compared.next(), refusal(/outside of the reference model's vocabulary of 5/));
    await assert.rejects(referenceLogps(small, pairs, { padId: 0, batchSize: 2 }, device), refusal(/vocabulary of 5/));
    assert.equal(device.stats().liveBuffers, before);
    const untouched = await lastOf(train({ ...options, batches, steps: 0 }, device));
    assert.equal(farthest(await numbersOf(untouched, read), await numbersOf(params, read)), 0);
    dispose(untouched, params);
  },
  ["reference"],
);

test("records are written line by line, and a diverged number as its name", () => {
  const folder = mkdtempSync(join(tmpdir(), "taugrad-records-"));
  try {
    const path = join(folder, "metrics.jsonl");
    const first = openRecords(path);
    first.write({ step: 1, loss: 0.5 });
    assert.equal(readFileSync(path, "utf8"), '{"step":1,"loss":0.5}\n');
    first.close();
    const second = openRecords(path, { append: true });
    second.write({ step: 2, loss: Number.NaN });
    second.close();
    second.close();
    assert.deepEqual(
      readFileSync(path, "utf8")
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line)),
      [
        { step: 1, loss: 0.5 },
        { step: 2, loss: "NaN" },
      ],
    );
    assert.throws(() => openRecords(join(folder, "nowhere", "metrics.jsonl")), refusal(/cannot be written/));
  } finally {
    rmSync(folder, { recursive: true });
  }
});
