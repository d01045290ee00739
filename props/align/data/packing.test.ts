/** Several sequences in one row: which go together, and that none of their numbers tells. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { PACKING_STRATEGIES, packed, packedRows, shortened } from "../../../align/data/packing/pack.js";
import { packSource } from "../../../align/data/packing/pack-source.js";
import type { BatchSource, TrainingBatch } from "../../../align/data/rows.js";
import type { Sequence } from "../../../align/data/sequence.js";
import { pairSource, sequenceSource } from "../../../align/data/source.js";
import { scoreBatch } from "../../../align/objectives/log-probs.js";
import { completionObjective, type Objective, preferenceObjective } from "../../../align/objectives/objective.js";
import { batchTensors } from "../../../align/training/reference.js";
import { type Device, dispose, InputError, leaves, tensor, valueAndGrad } from "../../../core/index.js";
import type { ModelConfig, Params } from "../../../models/index.js";
import { run } from "../../close.js";
import { tinyConfig, tinyConfigs, tinyModel } from "../../generators/tiny-models.js";
import { webgpuCheck } from "../../kernels/webgpu/webgpu-variants.js";
import { check, law } from "../../law.js";

const rowsOf = (lengths: readonly number[]): Sequence[] =>
  lengths.map((length, row) => ({
    ids: Array.from({ length }, (_, t) => (7 * row + 3 * t + ((row * t) % 5)) % 19),
    completionStart: Math.min(length, row % 4),
  }));

const withLengths = (rows: readonly Sequence[]) => ({
  length: rows.length,
  lengths: Int32Array.from(rows, ({ ids }) => ids.length),
  at: (i: number) => rows[i],
});

test("packing: TRL's own example, by strategy", () => {
  const bins = (strategy: (typeof PACKING_STRATEGIES)[number]) =>
    packed([5, 2, 3, 1], 4, strategy).map((bin) => bin.map(({ row, from, to }) => `${row}:${from}-${to}`).join(" "));
  assert.deepEqual(bins("bfd"), ["0:0-4", "2:0-3 3:0-1", "1:0-2"]);
  assert.deepEqual(bins("bfd_split"), ["0:0-4", "2:0-3 0:4-5", "1:0-2 3:0-1"]);
  assert.deepEqual(bins("wrapped"), ["0:0-4", "0:4-5 1:0-2 2:0-1", "2:1-3 3:0-1"]);
  assert.deepEqual(bins("ffd"), ["0:0-4", "2:0-3 3:0-1", "1:0-2"]);
});

test("packing: no token is twice, none is lost but what is cut off, no row is too long, and best fit wastes little", () => {
  const drawn = fc.record({
    lengths: fc.array(fc.integer({ min: 1, max: 70 }), { maxLength: 60 }),
    most: fc.integer({ min: 1, max: 40 }),
    strategy: fc.constantFrom(...PACKING_STRATEGIES),
  });
  fc.assert(
    fc.property(drawn, ({ lengths, most, strategy }) => {
      const bins = packed(lengths, most, strategy);
      const sizes = bins.map((bin) => bin.reduce((sum, { from, to }) => sum + to - from, 0));
      assert.ok(sizes.every((size) => size > 0 && size <= most));
      const seen = lengths.map((length) => new Array<number>(length).fill(0));
      for (const { row, from, to } of bins.flat()) for (let t = from; t < to; t++) seen[row][t]++;
      const keeps = strategy === "bfd" || strategy === "ffd" ? most : Number.POSITIVE_INFINITY;
      const times = (row: readonly number[]) => row.map((_, t) => (t < keeps ? 1 : 0));
      assert.deepEqual(seen, seen.map(times));
      // Two bins that are both no more than half full would have been one.
      if (strategy !== "wrapped") assert.ok(sizes.filter((size) => 2 * size <= most).length <= 1);
    }),
    { numRuns: 200 },
  );
  // A thousand rows at a time, as TRL's map does.
  assert.equal(packed(new Array<number>(1001).fill(1), 2000, "bfd").length, 2);
});

/** Batches of an epoch, and what a model says of them: per-sequence log-probabilities, and Σ loss with its gradient. */
const numbersOf = async (
  source: BatchSource,
  objective: Objective,
  config: ModelConfig,
  params: Params,
  device: Device,
) => {
  const batches = Array.from({ length: source.batchesPerEpoch }, (_, i) => source.at(i));
  let [loss, units] = [0, 0];
  let grads: Float64Array[] = [];
  const logps: number[] = [];
  for (const batch of batches) {
    const known = { ...batch, reference: new Float64Array(batch.sequences ?? batch.rows) };
    const tensors = batchTensors(objective.usesReference ? known : batch, objective.usesReference);
    const [value, ...slopes] = await run(
      (p: Params) => {
        const [sum, gradient] = valueAndGrad((weights: Params) => objective.sums(weights, tensors)[0])(p);
        return [sum, ...leaves(gradient)];
      },
      [params],
      device,
    );
    const [each] = await run((p: Params) => [scoreBatch(p, config, tensors).logps], [params], device);
    loss += value[0];
    units += objective.units(batch);
    grads = slopes.map((slope, i) => Float64Array.from(slope, (x, j) => x + (grads[i]?.[j] ?? 0)));
    logps.push(...each);
  }
  return { loss, units, grads, logps, batches };
};

const norm = (x: ArrayLike<number>): number => Math.sqrt(Array.from(x).reduce((sum, v) => sum + v * v, 0));

const agree = (
  found: Awaited<ReturnType<typeof numbersOf>>,
  expected: Awaited<ReturnType<typeof numbersOf>>,
  device: Device,
): void => {
  const tolerance = device.name === "reference" ? 1e-9 : 1e-5;
  assert.equal(found.units, expected.units);
  assert.ok(Math.abs(found.loss - expected.loss) <= tolerance * (1 + Math.abs(expected.loss)), `loss ${found.loss}`);
  for (const [i, slope] of expected.grads.entries()) {
    const off = norm(slope.map((x, j) => x - found.grads[i][j]));
    assert.ok(off <= tolerance * (1 + norm(slope)), `gradient ${i}: off by ${off} of ${norm(slope)}`);
  }
};

const lengths = fc.array(fc.integer({ min: 1, max: 8 }), { minLength: 2, maxLength: 4 });

const packsAgree = async ({ config, sizes }: { config: ModelConfig; sizes: number[] }, device: Device) => {
  const { params } = tinyModel(config, device);
  const rows = withLengths(rowsOf([...sizes, 9]));
  const options = { batchSize: 5, padId: 0, shuffle: false };
  const objective = completionObjective(config);
  const numbers = (source: BatchSource) => numbersOf(source, objective, config, params, device);
  const plain = await numbers(sequenceSource(rows, options));
  agree(await numbers(sequenceSource(rows, { ...options, paddingFree: true })), plain, device);
  agree(await numbers(packSource(packedRows(rows, 20, "bfd"), { ...options, batchSize: 2 })), plain, device);
  dispose(params);
};

law(
  "packing: loss and gradients are those of rows of their own, in every family",
  fc.record({ config: tinyConfigs(), sizes: lengths }),
  packsAgree,
  { effort: 0.08, on: ["reference", "cpu"] },
);

const pairsAgree = async ({ config, sizes }: { config: ModelConfig; sizes: number[] }, device: Device) => {
  const { params } = tinyModel(config, device);
  const sequences = rowsOf([...sizes, ...sizes.map((n) => (n % 3) + 2)]).map((row) => ({ ...row, completionStart: 1 }));
  const half = sizes.length;
  const pairs = sizes.map((_, i) => ({ chosen: sequences[i], rejected: sequences[half + i] }));
  const options = { batchSize: half + 1, padId: 0, shuffle: false };
  const objective = preferenceObjective(config, { lossType: ["sigmoid", "sft"], lossWeights: [1, 0.5] });
  const numbers = (paddingFree: boolean) =>
    numbersOf(pairSource(pairs, { ...options, paddingFree }), objective, config, params, device);
  const [plain, free] = [await numbers(false), await numbers(true)];
  agree(free, plain, device);
  const off = plain.logps.map((x, i) => Math.abs(x - free.logps[i]));
  assert.ok(Math.max(...off) < 1e-5, `log-probabilities off by ${Math.max(...off)}`);
  dispose(params);
};

law(
  "padding_free: pairs in one row have the losses, gradients and log-probabilities of pairs apart, to 1e-5",
  fc.record({ config: tinyConfigs(), sizes: lengths }),
  pairsAgree,
  { effort: 0.08, on: ["reference", "cpu"] },
);

// Gradients of attention with first slots have laws of their own on this device.
webgpuCheck("padding_free: log-probabilities are the same, in a window too", async (device) => {
  const config = tinyConfig({ model_type: "mistral", sliding_window: 3, num_hidden_layers: 1 });
  const { params } = tinyModel(config, device);
  const [first, second] = rowsOf([6, 3]).map((row) => ({ ...row, completionStart: 1 }));
  const logps = async (paddingFree: boolean): Promise<readonly number[]> => {
    const source = pairSource([{ chosen: first, rejected: second }], { batchSize: 1, padId: 0, paddingFree });
    const batch = batchTensors(source.at(0), false);
    const [found] = await run((p: Params) => [scoreBatch(p, config, batch).logps], [params], device);
    return [...found];
  };
  const [plain, free] = [await logps(false), await logps(true)];
  plain.forEach((x, i) => {
    assert.ok(Math.abs(x - free[i]) < 1e-5, `${free[i]} for ${x}`);
  });
  dispose(params);
});

check("packing: what the trainer is told of a batch", async () => {
  const rows = withLengths(rowsOf([6, 3, 2]));
  const free = sequenceSource(rows, { batchSize: 2, padId: 18, shuffle: false, paddingFree: true });
  const { ids, mask, starts, length, lengths: each } = free.at(0) as TrainingBatch & { starts: Int32Array };
  assert.equal(length, 16);
  assert.deepEqual([...ids.slice(9)], new Array(7).fill(18));
  assert.deepEqual([...starts], [0, 0, 0, 0, 0, 0, 6, 6, 6, 9, 9, 9, 9, 9, 9, 9]);
  assert.deepEqual([...mask], [0, 1, 1, 1, 1, 1, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0]);
  assert.deepEqual([...(each ?? [])], [6, 3]);
  for (let i = 0; i < free.batchesPerEpoch; i++) assert.equal(free.lengthAt(i), free.at(i).length);
  // Joined rows are one sequence: the first token of the second is predicted from the first.
  const joined = packSource(packedRows(rows, 8, "wrapped"), { batchSize: 1, padId: 18, shuffle: false });
  assert.deepEqual([...(joined.at(0).starts ?? [])], new Array(8).fill(0));
  assert.deepEqual([...joined.at(0).mask], [0, 1, 1, 1, 1, 1, 0, 1]);
  assert.equal(joined.at(0).rowIds?.[0], "row 1, row 2");
  const { lengths: cut, at } = shortened(rows, 4);
  assert.deepEqual([[...(cut ?? [])], at(0)?.ids.length], [[4, 3, 2], 4]);
}, ["cpu"]);

check(
  "packing: rows longer than longrope's original length are refused",
  async (device) => {
    const config = tinyConfig({
      ...{ model_type: "phi3", original_max_position_embeddings: 8 },
      rope_scaling: { type: "longrope", short_factor: [1, 1], long_factor: [4, 4] },
    });
    const { params } = tinyModel(config, device);
    const batch = batchTensors(
      sequenceSource(rowsOf([6, 6]), { batchSize: 2, padId: 0, paddingFree: true }).at(0),
      false,
    );
    assert.throws(() => scoreBatch(params, config, batch), InputError);
    assert.throws(() => scoreBatch(params, config, { ...batch, starts: tensor(new Int32Array(16)) }), {
      name: "ShapeError",
    });
    dispose(params);
  },
  ["cpu"],
);
