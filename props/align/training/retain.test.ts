/** Steps that leave retained data as it is: gradients made orthogonal (OGPSA), null spaces of activations (NSPO), drifts that help. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import fc from "fast-check";
import { batchesFrom, oneEpoch, pairSource, sequenceSource } from "../../../align/data/source.js";
import { trainingOptimizer } from "../../../align/training/optimizer.js";
import type { Position } from "../../../align/training/options.js";
import { activationGrams, nullSpaces } from "../../../align/training/retained/activations.js";
import { directionsIn } from "../../../align/training/retained/directions.js";
import type { Retain } from "../../../align/training/retained/retain.js";
import { loadTree, saveTree } from "../../../align/training/state-file.js";
import { type Device, dispose, evaluate, InputError, matmul, read, tensor, transpose } from "../../../core/index.js";
import { eigh } from "../../../library/index.js";
import { hiddenStates } from "../../../models/transformer.js";
import { helpful, nullSpace, optimizer, orthogonalTo, sgd } from "../../../optim/index.js";
import {
  farthest,
  type Numbers,
  numbersOf,
  pairs,
  type Setting,
  sequences,
  sft,
  shared,
  tinyParams,
  trainedConfig,
  trainTiny,
} from "../../generators/tiny-training.js";
import { check, law } from "../../law.js";

const folder = mkdtempSync(join(tmpdir(), "taugrad-retain-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const eighths = fc.integer({ min: -16, max: 16 }).map((n) => n / 8);
const vectors = fc.array(eighths, { minLength: 6, maxLength: 6 });
const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, x, i) => sum + x * b[i], 0);
const numbers = async (device: Device, t: ReturnType<typeof tensor>) => {
  const out = evaluate(t, device);
  return Array.from(await read(out).finally(() => dispose(out)));
};

law(
  "OGPSA: what is left is orthogonal to both gradients, and the rest lies in their plane; opposed alone, only what goes against",
  fc.tuple(vectors, vectors, vectors),
  async ([g, one, two], device) => {
    const [t, limit] = [(x: readonly number[]) => tensor([...x]), device.name === "reference" ? 1e-10 : 2e-5];
    const left = await numbers(device, orthogonalTo(t(g), [t(one), t(two)]));
    const scale = 1 + Math.hypot(...g) * Math.max(Math.hypot(...one), Math.hypot(...two));
    // Almost parallel gradients leave a second direction that rounding has made.
    const parallel = Math.abs(dot(one, two)) > 0.999 * Math.hypot(...one) * Math.hypot(...two);
    assert.ok(Math.abs(dot(left, one)) <= limit * scale, `${left} is not orthogonal to ${one}`);
    if (!parallel) assert.ok(Math.abs(dot(left, two)) <= limit * scale, `${left} is not orthogonal to ${two}`);
    const gone = g.map((x, i) => x - left[i]);
    assert.ok(Math.abs(dot(gone, left)) <= limit * scale * scale, "what is gone is orthogonal to what is left");
    assert.deepEqual(await numbers(device, orthogonalTo(t(g), [])), g);
    const opposed = await numbers(device, orthogonalTo(t(g), [t(one)], true));
    if (dot(g, one) >= 0) assert.deepEqual(opposed, g);
    else assert.ok(Math.abs(dot(opposed, one)) <= limit * scale);
  },
  { effort: 0.3 },
);

law(
  "a reference delta stays where it lowers the retained loss, and is 0 elsewhere",
  fc.tuple(vectors, vectors),
  async ([tau, g], device) => {
    const kept = await numbers(device, helpful(tensor([...tau]), tensor([...g])));
    assert.ok(kept.every((x, i) => x === (dot(tau, g) < 0 ? tau[i] : 0)));
  },
  { effort: 0.3 },
);

/** Rows of rank at most `rank`. */
const lowRank = (rank: number) =>
  fc.array(fc.array(eighths, { minLength: 8, maxLength: 8 }), { minLength: rank, maxLength: rank });

law(
  "nullSpace is the projection on what is not read: symmetric, P² = P, P x = 0, its trace what is left of the rank",
  fc.integer({ min: 1, max: 6 }).chain(lowRank),
  async (rows, device) => {
    const x = tensor(rows.flat(), [rows.length, 8]);
    const K = matmul(transpose(x), x);
    const [P, eigen] = [await numbers(device, nullSpace(K)), await numbers(device, eigh(K)[0])];
    const most = Math.max(...eigen);
    // An eigenvalue near the threshold is neither in nor out.
    if (most === 0 || eigen.some((value) => value > 1e-6 * most && value < 1e-3 * most)) return;
    const at = (i: number, j: number) => P[8 * i + j];
    const limit = device.name === "reference" ? 1e-9 : 1e-5;
    const range = [0, 1, 2, 3, 4, 5, 6, 7];
    const trace = range.reduce((sum, i) => sum + at(i, i), 0);
    assert.ok(Math.abs(trace - eigen.filter((value) => value < 5e-5 * most).length) < 8 * limit, `trace ${trace}`);
    for (const i of range)
      for (const j of range) {
        assert.ok(Math.abs(at(i, j) - at(j, i)) <= limit);
        assert.ok(Math.abs(range.reduce((sum, k) => sum + at(i, k) * at(k, j), 0) - at(i, j)) <= limit, "P² = P");
      }
    for (const row of rows) {
      const left = Math.hypot(
        ...range.map((i) =>
          dot(
            row,
            range.map((j) => at(i, j)),
          ),
        ),
      );
      assert.ok(left <= 3 * limit * (1 + Math.hypot(...row)), `${left} of ${row} is left`);
    }
  },
  { effort: 0.08, on: ["reference", "cpu"] },
);

const batches = [...oneEpoch(sequenceSource(sequences.slice(0, 2), { ...shared, batchSize: 2 }))];

check(
  "NSPO: after steps along the loss, what the model reads and makes of retained prompts is what it was, to 1e-5",
  async (device) => {
    const buffers = device.stats().liveBuffers;
    const start = tinyParams(1, device);
    const config = trainedConfig;
    const observed = { config, params: start, batches, padId: 0 };
    const spaces = nullSpaces(observed, device);
    for (const { name, left, of } of await directionsIn(spaces, device)) {
      const P = await numbers(device, spaces[name]);
      const trace = Array.from({ length: of }, (_, i) => P[i * (of + 1)]).reduce((sum, x) => sum + x, 0);
      assert.ok(
        Math.abs(trace - left) <= 0.5 && of * of === P.length,
        `${name}: ${left} of ${of}, and a trace of ${trace}`,
      );
    }
    const { ids, rows, length } = batches[0];
    const states = async (params: typeof start) =>
      numbers(device, hiddenStates(params, config, tensor(ids, [rows, length])));
    const before = await states(start);
    const setting: Setting = { steps: 5, learningRate: 0.3, maxGradNorm: 0, rule: optimizer(sgd()), spaces };
    let after: number[] = [];
    const moved = await trainTiny("dpo", setting, device, async ({ params }) => {
      after = await states(params);
    });
    const real = Array.from(ids, (id) => id !== 0);
    const D = config.hiddenSize;
    const off = before.map((x, i) => (real[Math.floor(i / D)] ? Math.abs(x - after[i]) : 0));
    assert.ok(Math.max(...off) < 1e-5, `off by ${Math.max(...off)}`);
    const unlike = farthest(moved.weights, await numbersOf(start, read));
    assert.ok(unlike > 1e-3, `the weights moved by ${unlike} alone`);
    const free = await trainTiny("dpo", { ...setting, spaces: undefined }, device);
    assert.ok(farthest(free.weights, moved.weights) > 1e-3);
    dispose(start, spaces);
    assert.equal(device.stats().liveBuffers, buffers, "nothing stays");
  },
  ["reference", "cpu"],
);

check(
  "what linear layers read, summed as x xᵀ: q, k and v read the same, and padding is left out",
  async (device) => {
    const params = tinyParams(1, device);
    const observed = { config: trainedConfig, params, padId: 0 };
    const grams = activationGrams({ ...observed, batches }, device);
    const all = await numbersOf(grams, read);
    const layer = "model.layers.0.self_attn";
    assert.deepEqual(all.get(`${layer}.q_proj.weight`), all.get(`${layer}.v_proj.weight`));
    const longer = batches.map(({ ids, mask, rows, length, ...rest }) => {
      const wide = (from: Int32Array | Float32Array, to: Int32Array | Float32Array) => {
        for (let row = 0; row < rows; row++)
          to.set(from.subarray(row * length, (row + 1) * length), row * (length + 8));
        return to;
      };
      const n = rows * (length + 8);
      return {
        ...rest,
        ...{ rows, length: length + 8 },
        ids: wide(ids, new Int32Array(n)) as Int32Array,
        mask: wide(mask, new Float32Array(n)) as Float32Array,
      };
    });
    const padded = activationGrams({ ...observed, batches: longer }, device);
    assert.ok(farthest(all, await numbersOf(padded, read)) < 1e-4);
    dispose(params, grams, padded);
  },
  ["cpu"],
);

const retain: Retain = { objective: sft, sets: [batches, batches.slice(0, 1)], every: 2, use: "orthogonal" };

check(
  "retained gradients: taken anew before every second step; saved, loaded and offloaded, the same bits",
  async (device) => {
    const buffers = device.stats().liveBuffers;
    const lastRetained: Numbers[] = [];
    const source = pairSource(pairs, { ...shared, batchSize: 2 });
    const setting: Setting = {
      ...{ steps: 5, learningRate: 0.01, retain, batches: batchesFrom(source) },
      optimizer: { optim: "adamw" },
    };
    const file = join(folder, `${device.name}.safetensors`);
    let position: Position = { step: 0, batches: 0, tokens: 0 };
    const whole = await trainTiny("dpo", setting, device, async ({ step, snapshot }) => {
      const { state, ...at } = await snapshot();
      lastRetained.push(await numbersOf((state.retained ?? [])[0], read));
      if (step !== 3) return;
      await saveTree(file, state);
      position = at;
    });
    assert.deepEqual(lastRetained[0], lastRetained[1], "taken before every second step");
    assert.notDeepEqual(lastRetained[1], lastRetained[2]);
    for (const offload of ["none", "optimizer"] as const) {
      const resume: Setting["resume"] = (initial) => ({
        ...position,
        state: loadTree(file, initial, offload === "none" ? device : undefined),
      });
      const rest = { ...setting, offload, batches: batchesFrom(source, position.batches), resume };
      assert.deepEqual((await trainTiny("dpo", rest, device)).weights, whole.weights);
    }
    const plain = await trainTiny("dpo", { ...setting, retain: undefined, batches: batchesFrom(source) }, device);
    assert.ok(farthest(plain.weights, whole.weights) > 1e-4);
    assert.equal(device.stats().liveBuffers, buffers, "nothing stays");
  },
  ["reference", "cpu"],
);

check(
  "OGPSA's first step of plain descent is orthogonal to the retained gradient, tensor by tensor",
  async (device) => {
    const start = tinyParams(1, device);
    let g: Numbers = new Map();
    const one: Setting = { steps: 1, learningRate: 0.5, maxGradNorm: 0, rule: optimizer(sgd()), retain };
    const { weights } = await trainTiny("dpo", one, device, async ({ snapshot }) => {
      g = await numbersOf(((await snapshot()).state.retained ?? [])[0], read);
    });
    const before = await numbersOf(start, read);
    for (const [name, after] of weights) {
      const step = Array.from(after, (x, i) => x - (before.get(name) as ArrayLike<number>)[i]);
      const other = Array.from(g.get(name) as ArrayLike<number>);
      const along = Math.abs(dot(step, other)) / (Math.hypot(...step) * Math.hypot(...other) + 1e-9);
      assert.ok(along < (device.name === "reference" ? 1e-6 : 1e-2), `${name}: cosine ${along}`);
    }
    dispose(start);
  },
  ["reference", "cpu"],
);

check(
  "refused: no data, too many sets, an interval of 0; null spaces beside bf16 weights",
  async (device) => {
    const refused = async (setting: Partial<Setting>, words: RegExp) =>
      assert.rejects(trainTiny("dpo", { steps: 1, learningRate: 0.1, ...setting }, device), (error) => {
        assert.ok(error instanceof InputError);
        assert.match(error.message, words);
        return true;
      });
    await refused({ retain: { ...retain, sets: [] } }, /there are 0 sets/);
    await refused({ retain: { ...retain, sets: [[]] } }, /holds nothing to learn/);
    await refused({ retain: { ...retain, every: 0 } }, /every is 0/);
    await refused({ retain: { ...retain, use: "opposite" as "opposed" } }, /use is "opposite"; it must be one of/);
    await refused({ spaces: {}, rule: trainingOptimizer({ weightsDtype: "bf16" }) }, /weights must be f32/);
  },
  ["cpu"],
);
