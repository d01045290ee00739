/** Where an optimizer's slots live changes no bit; what a run holds on the device does. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { batchesFrom, oneEpoch, pairSource, sequenceSource } from "../../../align/data/source.js";
import type { Position } from "../../../align/training/options.js";
import { batchTensors } from "../../../align/training/reference.js";
import type { OptimizerSettings } from "../../../align/training/rules/settings.js";
import { loadTree, saveTree } from "../../../align/training/state-file.js";
import { type Carry, compileGradients } from "../../../align/training/step.js";
import { type Device, dispose, key, leaves, read, scalar } from "../../../core/index.js";
import type { DeviceName } from "../../devices.js";
import {
  type Numbers,
  numbersOf,
  pairs,
  type Setting,
  sequences,
  sft,
  shared,
  tinyParams,
  trainTiny,
} from "../../generators/tiny-training.js";
import { check } from "../../law.js";

const folder = mkdtempSync(join(tmpdir(), "taugrad-offload-"));
after(() => rmSync(folder, { recursive: true, force: true }));

/** Where compiling takes seconds, fewer devices do. */
const optimizers: readonly (readonly [name: string, OptimizerSettings, on?: readonly DeviceName[]])[] = [
  ["AdamW", { weightDecay: 0.1 }, ["reference", "cpu"]],
  ["OnDARE with step-K", { optim: "ondare", reserveP: 0.5, alpha: 0.01, onlineStep: 2, l2Reference: 0.1 }],
  ["OnTIES, compensated", { optim: "onties", reserveP: 0.5, alpha: 0.01, compensated: true }, ["reference", "cpu"]],
  ["averaged, bf16", { optim: "ema", emaCoefficient: 0.3, stateDtype: "bf16" }],
];

const bytesOf = (device: Device): number => device.stats().liveBytes;

for (const [name, optimizer, on] of optimizers)
  check(
    `${name}: offloaded or not, the same bits; slots leave the device`,
    async (device) => {
      const refDelta = tinyParams(3, device);
      const setting: Setting = { steps: 3, learningRate: 0.01, accumulation: 2, optimizer, refDelta };
      const before = bytesOf(device);
      const held: number[] = [];
      const run = (offload: Setting["offload"]) =>
        trainTiny("dpo", { ...setting, offload }, device, () => held.push(bytesOf(device) - before));
      const [kept, offloaded] = [await run("none"), await run("optimizer")];
      assert.deepEqual(offloaded, kept);
      assert.ok(held[5] < 0.75 * held[2], `${held[5]} bytes on the device instead of ${held[2]}`);
      dispose(refDelta);
    },
    on,
  );

check("offloaded: save, load, go on ≡ uninterrupted, wherever the rest of the run keeps its slots", async (device) => {
  const source = pairSource(pairs, { ...shared, batchSize: 2 });
  const setting: Setting = { steps: 4, learningRate: 0.01, batches: batchesFrom(source) };
  const file = join(folder, `${device.name}.safetensors`);
  let position: Position = { step: 0, batches: 0, tokens: 0 };
  const whole = await trainTiny("dpo", { ...setting, offload: "optimizer" }, device, async ({ step, snapshot }) => {
    if (step !== 2) return;
    const { state, ...at } = await snapshot();
    await saveTree(file, state);
    position = at;
  });
  for (const offload of ["optimizer", "none"] as const) {
    const live = device.stats().liveBuffers;
    const rest = await trainTiny(
      "dpo",
      {
        ...{ ...setting, offload, batches: batchesFrom(source, position.batches) },
        resume: (initial) => ({ ...position, state: loadTree(file, initial) }),
      },
      device,
    );
    assert.equal(device.stats().liveBuffers, live, "nothing stays");
    assert.deepEqual(rest.weights, whole.weights);
  }
});

check(
  "gradients are carried in bf16, rounded by (seed, step, batch, name) to one of two neighbours",
  async (device) => {
    const params = tinyParams(1, device);
    const [batch] = oneEpoch(sequenceSource(sequences, { ...shared, batchSize: 6 }));
    const tensors = batchTensors(batch, false);
    const add = compileGradients(sft, device);
    const seed = key(3);
    const of = async (number: number | undefined, carry: Carry = {}, step = 5) => {
      const at =
        number === undefined ? undefined : { key: seed, step: scalar(step, "i32"), batch: scalar(number, "i32") };
      const summed = add(params, tensors, { scale: 0.1, ...(at && { rounding: at }) }, carry);
      const kinds = new Set(Object.values(summed.grads).map(({ dtype }) => dtype));
      assert.deepEqual([...kinds], [at ? "bf16" : "f32"]);
      return { summed, numbers: await numbersOf(summed.grads, read) };
    };
    const [exact, first, again, second, later] = [
      await of(undefined),
      await of(0),
      await of(0),
      await of(1),
      await of(0, {}, 6),
    ];
    const near = (a: Numbers, b: Numbers, share: number) => {
      for (const [name, x] of a)
        for (const [i, value] of [...(b.get(name) as Float32Array)].entries())
          assert.ok(
            Math.abs(x[i] - value) <= 2 ** -7 * share * Math.abs(value) + 1e-30,
            `${name}[${i}]: ${x[i]}, ${value}`,
          );
    };
    near(first.numbers, exact.numbers, 1);
    assert.deepEqual(first.numbers, again.numbers);
    for (const other of [second, later]) assert.notDeepEqual(first.numbers, other.numbers);
    for (const { summed } of [exact, again, second, later]) dispose(summed);
    const carried = await of(1, first.summed);
    near(
      carried.numbers,
      new Map([...exact.numbers].map(([name, x]) => [name, Float32Array.from(x, (v) => 2 * v)])),
      2,
    );
    dispose(carried.summed, params);
    for (const program of add.programs()) program.free();
  },
);

check("offloaded: the second step builds nothing", async (device) => {
  const seen: unknown[] = [];
  await trainTiny("sft", { steps: 4, learningRate: 0.01, batchSize: 6, offload: "optimizer" }, device, ({ params }) => {
    const { programs, kernels, liveBuffers } = device.stats();
    seen.push({ programs, kernels, liveBuffers, leaves: leaves(params).length });
  });
  for (const later of seen) assert.deepEqual(later, seen[0]);
});
