/** What a run holds: little more than its state when it begins, and after the third step no more than after the third. */
import assert from "node:assert/strict";
import { batchesFrom, pairSource } from "../../../align/data/source.js";
import { preferenceObjective } from "../../../align/objectives/objective.js";
import { trainingOptimizer } from "../../../align/training/optimizer.js";
import { referenceDelta } from "../../../align/training/rules/reference-delta.js";
import type { OptimizerSettings } from "../../../align/training/rules/settings.js";
import { lastOf, train } from "../../../align/training/train.js";
import { type Device, dispose, tensor } from "../../../core/index.js";
import { type Params, parameterShapes } from "../../../models/index.js";
import { planningDevice } from "../../../run/dry-run/planning-device.js";
import { tinyConfig } from "../../generators/tiny-models.js";
import { dpo, pairs, shared, tinyParams, trainedConfig } from "../../generators/tiny-training.js";
import { check } from "../../law.js";

const [reference, anywhere] = [["reference"] as const, ["cpu", "webgpu"] as const];
/** Large beside the few MiB that small leaves are made together in. */
const config = tinyConfig({ vocab_size: 384, hidden_size: 256, intermediate_size: 640, num_hidden_layers: 8 });
const TOGETHER = 2 ** 22;

/** Weights on the host, as files give them. */
const hostParams = (value: number): Params =>
  Object.fromEntries(
    [...parameterShapes(config)].map(([name, shape]) => [
      name,
      tensor(new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(value), shape),
    ]),
  );

for (const [name, settings, trees, offload] of [
  ["OnTIES", { optim: "onties", alpha: 0.1, reserveP: 0.5 }, 4, "none"],
  ["OnTIES, offloaded", { optim: "onties", alpha: 0.1, reserveP: 0.5 }, 1, "optimizer"],
  ["averaged, compensated", { optim: "ema", compensated: true }, 5, "none"],
] as const satisfies readonly (readonly [string, OptimizerSettings, number, "none" | "optimizer"])[])
  check(
    `${name}: a run begins with its state, τ, and two leaves in memory`,
    async (real: Device) => {
      const device = planningDevice(real);
      const [params, base] = [hostParams(0.1), hostParams(0.2)];
      const bytes = Object.values(params).map(({ shape }) => 4 * shape.reduce((a, b) => a * b, 1));
      const model = bytes.reduce((a, b) => a + b, 0);
      let peak = 0;
      const batches = (function* () {
        peak = device.stats().peakBytes; // asked for once all is there
        yield* [];
      })();
      const objective = preferenceObjective(config);
      const options = { objective, params, optimizer: trainingOptimizer(settings), batches, steps: 1, offload };
      const run = train({ ...options, learningRate: 1, refDelta: referenceDelta(params, base) }, device);
      await assert.rejects(run.next(), /no batches/);
      const [most, least] = [trees * model + 3 * Math.max(TOGETHER, ...bytes) + 4096, trees * model];
      assert.ok(peak >= least && peak <= most, `${peak} bytes, not between ${least} and ${most}`);
      assert.equal(device.stats().liveBytes, 0);
    },
    reference,
  );

for (const offload of ["none", "optimizer"] as const)
  check(
    `offload ${offload}: many steps hold no more than three`,
    async (device) => {
      const [params, other] = [tinyParams(1, device), tinyParams(2, device)];
      const run = train(
        {
          objective: dpo,
          optimizer: trainingOptimizer(),
          params,
          reference: { config: trainedConfig, params: other },
          batches: batchesFrom(pairSource(pairs, { ...shared, batchSize: 2 })),
          ...{
            steps: device.name === "webgpu" ? 10 : offload === "none" ? 100 : 20,
            learningRate: 1e-3,
            accumulation: 2,
            offload,
          },
        },
        device,
      );
      const seen: Readonly<Record<string, number>>[] = [];
      const final = await lastOf(run, () => {
        const { launches: _, ...held } = device.stats();
        seen.push(held);
      });
      for (const [i, later] of seen.entries())
        for (const [what, most] of Object.entries(seen[2]))
          assert.ok(i < 3 || later[what] <= most, `step ${i + 1}: ${what} ${later[what]}, after step 3 ${most}`);
      if (device.name === "webgpu") assert.ok(seen[2].bindings > 0, "bind groups are counted");
      dispose(params, other, final);
    },
    anywhere,
  );
