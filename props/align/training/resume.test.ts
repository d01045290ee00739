/** A run that goes on from a snapshot ends with the bits of the run that never stopped. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { batchesFrom, pairSource } from "../../../align/data/source.js";
import type { OptimizerSettings } from "../../../align/training/optimizer.js";
import type { Position } from "../../../align/training/options.js";
import { loadTree, saveTree } from "../../../align/training/state-file.js";
import type { StepRecord } from "../../../align/training/train.js";
import { dispose } from "../../../core/index.js";
import type { DeviceName } from "../../devices.js";
import { pairs, type Setting, shared, tinyParams, trainTiny } from "../../generators/tiny-training.js";
import { check } from "../../law.js";

const folder = mkdtempSync(join(tmpdir(), "taugrad-resume-"));
after(() => rmSync(folder, { recursive: true, force: true }));

/** Where compiling takes seconds, fewer devices do. */
const optimizers: readonly (readonly [name: string, OptimizerSettings, on?: readonly DeviceName[]])[] = [
  ["OnDARE with step-K", { optim: "ondare", reserveP: 0.5, alpha: 0.01, onlineStep: 3, weightDecay: 0.1 }],
  ["OnTIES, compensated", { optim: "onties", reserveP: 0.5, alpha: 0.01, compensated: true }, ["reference", "cpu"]],
  ["AdamW averaged, bf16", { optim: "ema", emaCoefficient: 0.3, stateDtype: "bf16" }, ["reference"]],
];

for (const [name, optimizer, on] of optimizers)
  check(
    `${name}: save, load, go on ≡ uninterrupted, bit for bit, metrics too`,
    async (device) => {
      const refDelta = tinyParams(3, device);
      const source = pairSource(pairs, { ...shared, shuffle: true, seed: 5, batchSize: 2 });
      const setting: Setting = {
        ...{
          steps: 7,
          learningRate: 0.01,
          scheduler: "cosine",
          warmupSteps: 2,
          seed: 9,
          accumulation: 2,
          loggingSteps: 3,
        },
        ...{ optimizer, refDelta, batches: batchesFrom(source) },
      };
      const file = join(folder, `${device.name}.safetensors`);
      let position: Position = { step: 0, batches: 0, tokens: 0 };
      // In the middle of a logging interval, of an epoch, and of a step-K interval.
      const whole = await trainTiny("dpo", setting, device, async ({ step, snapshot }) => {
        if (step !== 4) return;
        const { state, ...at } = await snapshot();
        await saveTree(file, state);
        position = at;
      });
      assert.deepEqual(
        position,
        { ...position, step: 4, batches: 6 },
        "three batches are an epoch, taken as 2, 1, 2, 1",
      );
      const live = device.stats().liveBuffers;
      const rest = await trainTiny(
        "dpo",
        {
          ...setting,
          batches: batchesFrom(source, position.batches),
          resume: (initial) => ({ ...position, state: loadTree(file, initial, device) }),
        },
        device,
      );
      assert.equal(device.stats().liveBuffers, live, "nothing stays");
      assert.deepEqual(rest.weights, whole.weights);
      const later = ({ step }: StepRecord) => step > position.step;
      assert.deepEqual(rest.records, whole.records.filter(later));
      dispose(refDelta);
    },
    on,
  );
