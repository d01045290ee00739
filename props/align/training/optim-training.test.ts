/** The optimizers through the trainer: each setting does what its name says, and what means nothing is refused. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { batchesFrom, oneEpoch, sequenceSource } from "../../../align/data/source.js";
import { fisher, fisherMask } from "../../../align/training/fisher.js";
import { trainingOptimizer } from "../../../align/training/optimizer.js";
import { batchTensors } from "../../../align/training/reference.js";
import { referenceDelta } from "../../../align/training/rules/reference-delta.js";
import { OPTIMIZER_NAMES, type OptimizerSettings } from "../../../align/training/rules/settings.js";
import { gradients } from "../../../align/training/step.js";
import { train } from "../../../align/training/train.js";
import { dispose, evaluate, greater, InputError, read, scalar, tensor, treeMap } from "../../../core/index.js";
import {
  farthest,
  limitOf,
  type Numbers,
  numbersOf,
  sequences,
  sft,
  shared,
  tinyParams,
  trainTiny,
} from "../../generators/tiny-training.js";
import { check } from "../../law.js";
import { reach } from "../../reach.js";

/** The keys that each `optim` needs to do something of its own. */
const SETTINGS: Readonly<Record<(typeof OPTIMIZER_NAMES)[number], OptimizerSettings>> = {
  adamw: { weightDecay: 0.1 },
  sgd: { momentum: 0.5 },
  lion: { betas: [0.5, undefined] },
  muon: { momentum: 0.5 },
  adafactor: {},
  schedule_free_adamw: { betas: [0.5, undefined] },
  ondare: { alpha: 1e-3, reserveP: 0.5 },
  onties: { alpha: 1e-3, reserveP: 0.5, onlineStep: 2 },
  ondare_ties: { alpha: 1e-3, reserveP: 0.5, baseOptim: "lion" },
  onmagnitude: { alpha: 1e-3, reserveP: 0.5, mergePreset: "official", baseOptim: "sgd", momentum: 0.5 },
  childtuning_f: { reserveP: 0.5, l2Reference: 0.1 },
  childtuning_d: { reserveP: 0.5, baseOptim: "sgd" },
  ema: { emaCoefficient: 0.5, compensated: true, stateDtype: "bf16" },
};

/** Compiling each one's step takes a software adapter seconds: there those whose kernels the others share, all with TAUGRAD_REACH=10. */
const ON_WEBGPU: readonly (typeof OPTIMIZER_NAMES)[number][] = ["ondare", "onties", "childtuning_d", "ema"];

check(
  "every optim trains, differs from plain AdamW, compiles nothing after its first step, and leaks nothing",
  async (device) => {
    const start = device.stats();
    const plain = await trainTiny("sft", { steps: 3, learningRate: 0.01 }, device);
    for (const optim of device.name === "webgpu" && reach < 10 ? ON_WEBGPU : OPTIMIZER_NAMES) {
      const [base, reference] = [tinyParams(3, device), tinyParams(4, device)];
      const optimizer = { optim, ...SETTINGS[optim] };
      const gradientMask =
        optim === "childtuning_d"
          ? evaluate(
              treeMap((w) => greater(w, 0), base),
              device,
            )
          : undefined;
      const refDelta = referenceDelta(reference, base);
      const built: number[] = [];
      const { weights, records } = await trainTiny(
        "sft",
        { steps: 3, learningRate: 0.01, optimizer, refDelta, gradientMask, batchSize: 6 },
        device,
        () => {
          built.push(device.stats().programs);
        },
      );
      assert.equal(built[2], built[0], `${optim} compiled after its first step`);
      for (const { loss } of records) assert.ok(Number.isFinite(loss), optim);
      assert.ok(farthest(plain.weights, weights) > 1e-4, `${optim} is plain AdamW`);
      dispose(base, reference);
      if (gradientMask !== undefined) dispose(gradientMask);
    }
    assert.deepEqual([device.stats().liveBuffers, device.stats().liveBytes], [start.liveBuffers, start.liveBytes]);
  },
);

check(
  "fisher is the squared gradient averaged over batches; its mask holds the largest of all weights together",
  async (device) => {
    const params = tinyParams(1, device);
    const batches = [...oneEpoch(sequenceSource(sequences, { ...shared, batchSize: 2 }))];
    const options = { objective: sft, params, batches };
    const squares = await fisher(options, device);
    const got = await numbersOf(squares, read);
    const byHand = new Map([...got].map(([name, x]) => [name, new Float64Array(x.length)]));
    for (const batch of batches) {
      const units = sft.units(batch);
      const block = batchTensors(batch, false);
      const { grads } = evaluate(gradients(sft, params, block, { scale: scalar(1 / units) }, {}), device);
      for (const [name, g] of Object.entries(grads)) {
        const total = byHand.get(name) as Float64Array;
        for (const [i, x] of (await read(g)).entries()) total[i] += (x * x) / batches.length;
      }
      dispose(grads);
    }
    let largest = 0;
    for (const x of byHand.values()) for (const y of x) largest = Math.max(largest, y);
    assert.ok(largest > 0);
    assert.ok(farthest(byHand, got) <= limitOf(device) * largest);

    const mask = await fisherMask({ ...options, p: 0.25 }, device);
    const kept = await numbersOf(mask, read);
    const [inside, outside]: number[][] = [[], []];
    let count = 0;
    for (const [name, x] of got)
      for (let i = 0; i < x.length; i++) {
        count++;
        ((kept.get(name) as ArrayLike<number>)[i] === 1 ? inside : outside).push(x[i]);
      }
    const nonzero = [...inside, ...outside].filter((x) => x > 0).length;
    assert.equal(inside.length, Math.min(Math.floor(0.25 * count), nonzero));
    assert.ok(Math.min(...inside) >= Math.max(...outside));

    // Training moves exactly what the mask holds and the gradient reaches.
    const before = await numbersOf(params, read);
    const setting = { optim: "childtuning_d", baseOptim: "sgd", reserveP: 0.25 } as const;
    const { weights } = await trainTiny(
      "sft",
      { steps: 1, learningRate: 1, maxGradNorm: 0, optimizer: setting, gradientMask: mask, batchSize: 6 },
      device,
    );
    let moved = 0;
    for (const [name, w] of weights)
      for (let i = 0; i < w.length; i++)
        if (w[i] !== (before.get(name) as ArrayLike<number>)[i]) {
          moved++;
          assert.equal((kept.get(name) as ArrayLike<number>)[i], 1, `${name}[${i}] moved off the mask`);
        }
    assert.ok(moved > 0.9 * inside.length);
    dispose(params, squares, mask);
  },
);

check("ema shadow hands out the running average, step by step and at the end", async (device) => {
  const setting = { steps: 3, learningRate: 0.01, optimizer: { eps: 1e-3 } } as const;
  const start = tinyParams(1, device);
  const seen: Numbers[] = [await numbersOf(start, read)];
  dispose(start);
  await trainTiny("sft", setting, device, async ({ params }) => seen.push(await numbersOf(params, read)));
  const averages: Numbers[] = [];
  const ema = { optim: "ema", emaCoefficient: 0.25, eps: 1e-3 } as const;
  const { weights } = await trainTiny("sft", { ...setting, optimizer: ema }, device, async (step) => {
    averages.push(await numbersOf(step.params, read));
    assert.equal(step.params, step.params, "asked twice, made once");
  });
  let mean = seen[0];
  for (const [t, now] of seen.slice(1).entries()) {
    const last = mean;
    mean = new Map(
      [...now].map(([name, w]) => [
        name,
        Array.from(w, (x, i) => 0.75 * (last.get(name) as ArrayLike<number>)[i] + 0.25 * x),
      ]),
    );
    assert.ok(farthest(mean, averages[t]) <= limitOf(device) * 0.01, `step ${t + 1}`);
  }
  assert.equal(farthest(weights, averages[2]), 0);
});

check("ema pullback looks back at the given reference, else at where the run starts", async (device) => {
  const anchor = tinyParams(4, device);
  const far = await numbersOf(anchor, read);
  const optimizer = { optim: "ema", emaVariant: "pullback", emaCoefficient: 1 } as const;
  const setting = { steps: 2, learningRate: 0.01, optimizer } as const;
  const { weights } = await trainTiny("sft", { ...setting, anchor }, device);
  assert.ok(farthest(weights, far) <= 1e-6);
  const start = tinyParams(1, device);
  const { weights: home } = await trainTiny("sft", setting, device);
  assert.ok(farthest(home, await numbersOf(start, read)) <= 1e-6);
  dispose(anchor, start);
});

check("leaving a run early frees averages, masks and reference weights", async (device) => {
  const before = device.stats().liveBuffers;
  const host = tinyParams(1, device);
  const optimizer = trainingOptimizer({ optim: "ema", l2Reference: 0.1 });
  const batches = batchesFrom(sequenceSource(sequences, { ...shared, batchSize: 2 }));
  const onHost = Object.fromEntries(
    await Promise.all(Object.entries(host).map(async ([name, w]) => [name, tensor(await read(w), w.shape)])),
  );
  const options = { objective: sft, params: onHost, optimizer, batches, steps: 3, learningRate: 0.01 };
  const run = train(options, device);
  const { value } = await run.next();
  assert.ok(value && "params" in value && Object.keys(value.params).length > 0);
  await run.return(undefined as never);
  dispose(host);
  assert.equal(device.stats().liveBuffers, before);
});

test("settings that mean nothing to an optimizer are refused by both names", () => {
  const wrong: readonly (readonly [RegExp, OptimizerSettings])[] = [
    [/optim is "adam"; did you mean "adamw"\?$/, { optim: "adam" as "adamw" }],
    [/optim is "none-such"; it must be one of adamw, sgd/, { optim: "none-such" as "adamw" }],
    [/base_optim is "rmsprop"/, { optim: "ema", baseOptim: "rmsprop" as "sgd" }],
    [/ema_variant is "shadows"/, { optim: "ema", emaVariant: "shadows" as "shadow" }],
    [/optim "adamw": alpha has no meaning there; it belongs to ondare, onties/, { alpha: 0.1 }],
    [/optim "lion": online_step has/, { optim: "lion", onlineStep: 2 }],
    [/optim "childtuning_f" over adamw: merge_preset/, { optim: "childtuning_f", reserveP: 0.5, mergePreset: "paper" }],
    [/optim "ema" over adamw: reserve_p/, { optim: "ema", reserveP: 0.5 }],
    [/optim "sgd": base_optim/, { optim: "sgd", baseOptim: "lion" }],
    [/optim "ondare" over adamw: ema_coefficient/, { optim: "ondare", emaCoefficient: 0.5 }],
    [/optim "ondare" over lion: momentum/, { optim: "ondare", baseOptim: "lion", momentum: 0.5 }],
    [/optim "lion": adam_epsilon/, { optim: "lion", eps: 1e-8 }],
    [/optim "sgd": adam_beta1 or adam_beta2/, { optim: "sgd", betas: [0.9, undefined] }],
    [/optim "childtuning_d" needs reserve_p/, { optim: "childtuning_d" }],
    [/optim "childtuning_d": reserve_p is 2/, { optim: "childtuning_d", reserveP: 2 }],
    [/rescaleL1 belongs to preset "official"/, { optim: "onmagnitude", rescale: true }],
    [/c is 2/, { optim: "ema", emaCoefficient: 2 }],
    [/λ is -1/, { l2Reference: -1 }],
  ];
  for (const [message, settings] of wrong)
    assert.throws(
      () => trainingOptimizer(settings),
      (error) => error instanceof InputError && message.test(error.message),
      String(message),
    );
});

check("an optimizer that lacks its reference delta or mask says so before the first step", async (device) => {
  await assert.rejects(
    trainTiny("sft", { steps: 1, learningRate: 0.1, optimizer: { optim: "ondare_ties" } }, device),
    /merges with a reference delta; name a base model/,
  );
  await assert.rejects(
    trainTiny("sft", { steps: 1, learningRate: 0.1, optimizer: { optim: "childtuning_d", reserveP: 0.5 } }, device),
    /needs a mask of the gradient; estimate one with fisherMask/,
  );
});
