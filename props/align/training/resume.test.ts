/** A run that goes on from a snapshot ends with the bits of the run that never stopped. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { batchesFrom, pairSource } from "../../../align/data/source.js";
import type { Position } from "../../../align/training/options.js";
import type { OptimizerSettings } from "../../../align/training/rules/settings.js";
import { lastSnapshot, saveSnapshot } from "../../../align/training/snapshots.js";
import { loadTree, saveTree } from "../../../align/training/state-file.js";
import type { StepRecord, TrainStep } from "../../../align/training/train.js";
import { DeviceLostError, dispose, tensor } from "../../../core/index.js";
import { filesIn } from "../../../models/folders/files.js";
import type { Folder } from "../../../models/folders/folder.js";
import { inTurn } from "../../../models/folders/work.js";
import { folderFrom } from "../../../models/folders/work-in.js";
import { folderIn, folderOf } from "../../../models/index.js";
import { type DeviceName, device as deviceOf, presentDevices } from "../../devices.js";
import { pairs, type Setting, shared, tinyParams, trainTiny } from "../../generators/tiny-training.js";
import { openLosable } from "../../kernels/webgpu/lost.js";
import { check } from "../../law.js";
import { memoryHandle } from "../../models/handles.js";

const folder = mkdtempSync(join(tmpdir(), "taugrad-resume-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const workOn = (to: string | Folder) => filesIn(folderFrom(to));
const fail = (): never => {
  throw new Error("cut off");
};

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

for (const [place, make] of [
  ["the disk", () => join(folder, "snapshots")],
  ["a browser's storage", () => folderIn(memoryHandle()).within("run")],
] as const)
  check(
    `snapshots on ${place}: a run that is cut off anywhere goes on from the last whole one, to the bits of the undisturbed one`,
    async (device) => {
      const source = pairSource(pairs, { ...shared, shuffle: true, seed: 5, batchSize: 2 });
      const setting: Setting = { steps: 6, learningRate: 0.01, optimizer: { optim: "adamw" } };
      const whole = await trainTiny("dpo", { ...setting, batches: batchesFrom(source) }, device);
      const to = make();
      const cut = async ({ step, snapshot }: TrainStep) => {
        if (step === 5) throw new Error("the tab is closed");
        await saveSnapshot(to, await snapshot(), { about: { seed: 5 }, keep: 2 });
      };
      await assert.rejects(trainTiny("dpo", { ...setting, batches: batchesFrom(source) }, device, cut), /is closed/);
      assert.deepEqual(
        (await inTurn(workOn(to))).filter((name) => name.endsWith("manifest.json")),
        ["checkpoint-3/manifest.json", "checkpoint-4/manifest.json"],
      );
      // One that was cut off while it was written, and one that was damaged since.
      const dying = saveSnapshot(
        to,
        { step: 9, batches: 0, tokens: 0, state: {} as never },
        { write: async () => fail() },
      );
      await assert.rejects(dying, /cut off/);
      const file = await folderFrom(to).within("checkpoint-4").begin("run.json");
      await file.put(new TextEncoder().encode("{}"));
      await file.finish();
      await file.appear();
      const told: string[] = [];
      const last = await lastSnapshot(to, { tell: (line) => told.push(line) });
      assert.match(
        told.join(),
        /^warning: .*checkpoint-4 is damaged \(run.json has 2 bytes.*going on from step 3 instead$/,
      );
      assert.deepEqual([last?.step, last?.batches, last?.about], [3, 3, { seed: 5 }]);
      const rest = await trainTiny(
        "dpo",
        { ...setting, batches: batchesFrom(source, last?.batches), resume: last?.resume },
        device,
      );
      assert.deepEqual(rest.weights, whole.weights);
      await assert.rejects(
        trainTiny("dpo", { ...setting, optimizer: { optim: "ema" }, resume: last?.resume }, device),
        /training_state.safetensors: ".*" is missing/,
      );
    },
    ["cpu"],
  );

if ((await presentDevices()).includes("webgpu"))
  test("a device that goes away while a snapshot is written says so in a line, and another goes on from the one before, to the same bits [webgpu]", async () => {
    const source = pairSource(pairs, { ...shared, shuffle: true, seed: 5, batchSize: 2 });
    const setting: Setting = { steps: 4, learningRate: 0.01, optimizer: { optim: "adamw" } };
    const { device, lose } = await openLosable();
    let isDoomed = false;
    const storage = {
      mayWrite: true,
      get room() {
        if (isDoomed) lose(); // at the first bytes of the file: no weight of it has been read yet
        return 2 ** 30;
      },
      set room(_: number) {},
    };
    const to = folderIn(memoryHandle("run", storage));
    const keep = async ({ step, snapshot }: TrainStep) => {
      const taken = await snapshot();
      isDoomed = step === 3;
      await saveSnapshot(to, taken);
    };
    const isTold = (error: unknown): boolean =>
      error instanceof DeviceLostError &&
      /^webgpu: the device was lost \(\w+: .+\)\n {2}hint: open another one; .* snapshot$/.test(error.message);
    await assert.rejects(trainTiny("dpo", { ...setting, batches: batchesFrom(source) }, device, keep), isTold);
    assert.throws(() => device.upload(new Float32Array(1), [1], "f32"), isTold);
    await device.close();
    const last = await lastSnapshot(to);
    assert.equal(last?.step, 2);
    assert.ok((await inTurn(workOn(to))).every((name) => !name.startsWith("checkpoint-3/")));
    const other = await deviceOf("webgpu");
    const whole = await trainTiny("dpo", { ...setting, batches: batchesFrom(source) }, other);
    const goesOn = { ...setting, batches: batchesFrom(source, last?.batches), resume: last?.resume };
    assert.deepEqual((await trainTiny("dpo", goesOn, other)).weights, whole.weights);
  });

test("what is no snapshot, or a folder that is full, is refused in one line, and the snapshots before it stay", async () => {
  const storage = { room: 2 ** 20, mayWrite: true };
  const to = folderIn(memoryHandle("run", storage));
  const state = { optimizer: { w: tensor([1, 2]) } } as never;
  const at = { batches: 1, tokens: 1, state };
  await saveSnapshot(to, { step: 1, ...at });
  storage.room = 30;
  await assert.rejects(saveSnapshot(to, { step: 2, ...at }), /cannot be written \(QuotaExceededError: .*is full/);
  assert.equal((await lastSnapshot(to))?.step, 1);
  await assert.rejects(saveSnapshot(to, { step: 2, ...at }, { keep: 0 }), /keep is 0; it must be at least 1/);
  await assert.rejects(saveSnapshot(to, { step: 2, ...at }, { kep: 1 } as never), /option "kep" is not known/);
  await to.within("checkpoint-1").remove("training_state.safetensors");
  await assert.rejects(lastSnapshot(to), /checkpoint-1 is damaged .*is missing\); no snapshot is whole/);
  assert.equal(await lastSnapshot(folderOf()), undefined);
});
