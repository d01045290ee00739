/** Workers that take steps of their own and meet now and then: `meet` of those that train alone. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { batchesFrom } from "../../../align/data/source.js";
import { trainingOptimizer } from "../../../align/training/optimizer.js";
import type { Position } from "../../../align/training/options.js";
import { loadTree } from "../../../align/training/state-file.js";
import { saveShared } from "../../../align/training/workers/state.js";
import { ALONE, type Workers } from "../../../align/training/workers/workers.js";
import {
  type Device,
  dispose,
  evaluate,
  InputError,
  read,
  sizeOf,
  sub,
  tensor,
  treeMap,
  treeZip,
} from "../../../core/index.js";
import type { Params } from "../../../models/parameters.js";
import { type MeetingOptions, meet, meeting } from "../../../optim/index.js";
import { kinds, ranked, type Setting, together } from "../../generators/ranked.js";
import { simulatedWorkers } from "../../generators/simulated-workers.js";
import { farthest, limitOf, type Numbers, numbersOf, tinyParams } from "../../generators/tiny-training.js";
import { check } from "../../law.js";

const folder = mkdtempSync(join(tmpdir(), "taugrad-meets-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const devices = ["reference", "cpu"] as const;
const every = (steps: number, options: MeetingOptions = {}) => ({ every: steps, meeting: meeting(options) });

check(
  "workers that meet after every step, by the mean of SGD's steps, are those that share every step",
  async (device) => {
    const setting: Setting = { kind: "dpo", rows: 2, steps: 2, settings: { optim: "sgd" }, maxGradNorm: 0 };
    const shared = await together(setting, 2, device);
    const met = await together({ ...setting, meets: every(1) }, 2, device);
    assert.deepEqual(met.runs[0].weights, met.runs[1].weights);
    assert.ok(farthest(met.runs[0].weights, shared.runs[0].weights) <= limitOf(device));
    for (const [i, { loss, num_tokens }] of shared.runs[0].records.entries()) {
      assert.ok(Math.abs(met.runs[1].records[i].loss - loss) <= 1e-5);
      assert.equal(met.runs[0].records[i].num_tokens, num_tokens);
    }
  },
  devices,
);

/** Where `meet` brings workers that have trained alone on their shares. */
const byHand = async (setting: Setting, options: MeetingOptions, size: number, device: Device): Promise<Numbers> => {
  const ends = await Promise.all(
    Array.from({ length: size }, (_, part) => {
      const batches = batchesFrom(
        kinds[setting.kind].source({
          padId: 0,
          bucket: 8,
          batchSize: setting.rows / size,
          seed: 5,
          share: { part, of: size },
        }),
      );
      return ranked({ ...setting, batches }, ALONE, device);
    }),
  );
  const [start, delta] = [1, 3].map((seed) => tinyParams(seed, device));
  const rule = meeting(options);
  const deltas = ends.map(({ weights }) =>
    treeMap((w, name) => sub(tensor(weights.get(name) as Float32Array, w.shape), w), start),
  );
  const { step } = meet(rule, rule.init(start), deltas, rule.prepare(delta));
  const next = evaluate(treeZip(([w, s]) => sub(w, sub(0, s)), start, step) as Params, device);
  return numbersOf(next, read).finally(() => dispose(next, start, delta));
};

const joins: readonly (readonly [size: number, options: MeetingOptions])[] = [
  [1, { alpha: 0.1, reserveP: 0.5, outerLr: 0.7, outerMomentum: 0.9 }],
  [2, { outerLr: 0.7, outerMomentum: 0.9 }],
  [3, { join: "election", alpha: 0.1, reserveP: 0.5 }],
];
for (const [size, options] of joins)
  check(
    `${size} that meet are ${size} that train alone, and meet: ${JSON.stringify(options)}`,
    async (device) => {
      const setting: Setting = { kind: size === 2 ? "dpo" : "kto", rows: size === 3 ? 6 : 2, steps: 2 };
      const { runs } = await together({ ...setting, meets: every(2, options) }, size, device);
      for (const { weights, records } of runs) {
        assert.deepEqual(weights, runs[0].weights, "all ranks end with the same bits");
        assert.deepEqual(records, runs[0].records);
      }
      const found = farthest(runs[0].weights, await byHand(setting, options, size, device));
      assert.ok(found <= limitOf(device), `${found}`);
    },
    [size === 2 ? "reference" : "cpu"],
  );

check(
  "a run resumed at a meeting ends with the bits of one that was not, and each worker's own moments; between meetings nothing is saved",
  async (device) => {
    const file = join(folder, `${device.name}.safetensors`);
    const setting: Setting = {
      ...{ kind: "sft", rows: 4, steps: 5, loggingSteps: 3 },
      meets: every(2, { join: "election", outerMomentum: 0.5 }),
    };
    let at: Position | undefined;
    const whole = await together(
      {
        ...setting,
        onState: async (state, position, workers) => {
          if (position.step !== 2) return;
          await saveShared(file, state, workers);
          at = position;
        },
      },
      2,
      device,
    );
    const from = at as Position;
    const resumed = await together(
      {
        ...setting,
        from: from.batches,
        resume: (initial, all) => ({ ...from, state: loadTree(file, initial, device, all) }),
      },
      2,
      device,
    );
    assert.deepEqual(resumed.runs[0].weights, whole.runs[0].weights);
    assert.deepEqual(resumed.runs[1].records, whole.runs[1].records);
    const other = together(
      { ...setting, resume: (initial, all) => ({ ...from, state: loadTree(file, initial, device, all) }) },
      1,
      device,
    );
    await assert.rejects(other, /each\.1\..*which the run that is resumed has not/);
  },
  ["cpu"],
);

check(
  "what travels is what is counted on paper: updates and weights at a meeting, and in an election twice as much and half again",
  async (device) => {
    const params = tinyParams(1, device);
    const P = Object.values(params).reduce((sum, { shape }) => sum + sizeOf(shape), 0);
    dispose(params);
    for (const [join, bytes] of [["mean", 8] as const, ["election", 20] as const]) {
      const { sent } = await together({ kind: "sft", rows: 4, steps: 4, meets: every(2, { join }) }, 2, device);
      const rest = sent - 2 * bytes * P; // two meetings, one rank's worth to one other
      assert.ok(rest > 0 && rest < 4000, `${join}: ${rest} bytes more than ${2 * bytes * P}`);
    }
  },
  ["cpu"],
);

check(
  "what has no meaning between meetings is refused by its name; a worker whose step is not finite ends all",
  async (device) => {
    const run = (more: Partial<Setting>, workers: Workers = ALONE) =>
      ranked({ kind: "sft", rows: 4, meets: every(2), ...more }, workers, device);
    const refused: readonly (readonly [more: Partial<Setting>, says: RegExp])[] = [
      [{ settings: { compensated: true } }, /compensated/],
      [{ settings: { weightsDtype: "bf16" } }, /not in f32/],
      [{ settings: { optim: "ema", emaVariant: "shadow" } }, /average/],
      [{ offload: "optimizer" }, /offload/],
      [{ meets: every(0) }, /number of steps/],
      [{ meets: every(2, { alpha: 0.5 }), refDelta: undefined }, /reference delta/],
    ];
    for (const [more, says] of refused)
      await assert.rejects(run(more), (error: Error) => error instanceof InputError && says.test(error.message));
    const { ranks } = simulatedWorkers(2);
    const optimizer = trainingOptimizer({});
    const ends = await Promise.allSettled(
      ranks.map(async (workers) => {
        try {
          return await run({ learningRate: workers.rank === 1 ? Number.POSITIVE_INFINITY : 0.01, optimizer }, workers);
        } catch (error) {
          workers.fail((error as Error).message, false); // as a run does
          throw error;
        }
      }),
    );
    for (const end of ends) assert.match(`${end.status === "rejected" && end.reason.message}`, /step 2/);
  },
  ["cpu"],
);
