import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  collate,
  collatePairs,
  epochOrder,
  ignoredLabel,
  paddingId,
  planBatches,
  targetPositions,
} from "../../../align/data/batch.js";
import type { Sequence } from "../../../align/data/sequence.js";

const sequence = fc
  .record({ ids: fc.array(fc.nat({ max: 400 }), { minLength: 1, maxLength: 20 }), start: fc.nat({ max: 22 }) })
  .map(({ ids, start }): Sequence => ({ ids, completionStart: Math.min(start, ids.length) }));

test("collate: rows are there, padded to the bucket; mask and shifted labels say the same targets", () => {
  fc.assert(
    fc.property(fc.array(sequence, { maxLength: 5 }), fc.integer({ min: 1, max: 16 }), (sequences, bucket) => {
      const { rows, length, ids, mask, labels, lengths } = collate(sequences, { padId: 420, bucket });
      assert.equal(rows, sequences.length);
      assert.equal(length % bucket, 0);
      assert.ok(length - Math.max(1, ...sequences.map((s) => s.ids.length)) < bucket);
      sequences.forEach((s, row) => {
        assert.equal(lengths[row], s.ids.length);
        for (let t = 0; t < length; t++) {
          const at = row * length + t;
          assert.equal(ids[at], s.ids[t] ?? 420);
          assert.equal(mask[at], t > 0 && t >= s.completionStart && t < s.ids.length ? 1 : 0);
          const next = t + 1 < length && mask[at + 1] === 1 ? ids[at + 1] : ignoredLabel;
          assert.equal(labels[at], next);
        }
      });
    }),
  );
});

test("positions of targets are those with a label, in order; few lengths occur, and padding is no position", () => {
  const blocks = fc.array(sequence, { minLength: 2, maxLength: 40 }).filter(({ length }) => length % 2 === 0);
  fc.assert(
    fc.property(blocks, (sequences) => {
      const batch = collate(sequences, { padId: 420 });
      const size = batch.rows * batch.length;
      const labelled = Array.from(batch.labels.keys()).filter((at) => batch.labels[at] !== ignoredLabel);
      const all = Array.from(targetPositions(batch));
      assert.deepEqual(
        all.filter((at) => at < size),
        labelled,
      );
      assert.ok(all.every((at) => at <= size));
      assert.ok(all.length <= Math.max(64, 1.5 * labelled.length) && all.length % 8 === 0 && all.length <= size);
      const halves = Array.from(targetPositions(batch, 2));
      const [first, second] = [halves.slice(0, halves.length / 2), halves.slice(halves.length / 2)];
      assert.ok(first.every((at) => at < size / 2 || at === size) && second.every((at) => at >= size / 2));
      assert.deepEqual(
        halves.filter((at) => at < size),
        labelled,
      );
    }),
  );
  const lengths = Array.from({ length: 4096 }, (_, n) => {
    const mask = new Float32Array(8192).fill(1, 1, 1 + n);
    return targetPositions({ mask, rows: 1, length: 8192 }).length;
  });
  assert.ok(new Set(lengths).size <= 14);
});

test("pairs are stacked chosen first", () => {
  const pair = (a: number, b: number) => ({
    chosen: { ids: [a], completionStart: 0 },
    rejected: { ids: [b], completionStart: 0 },
  });
  const { rows, length, ids } = collatePairs([pair(1, 2), pair(3, 4)], { padId: 0 });
  assert.deepEqual([rows, length, ...[0, 1, 2, 3].map((r) => ids[r * length])], [4, 8, 1, 3, 2, 4]);
});

test("padding is in the vocabulary", () => {
  assert.deepEqual(
    [
      paddingId({ padId: 5, eosId: 2 }, 10),
      paddingId({ padId: undefined, eosId: 2 }, 10),
      paddingId({ padId: 12, eosId: 2 }, 10),
      paddingId({ padId: undefined, eosId: undefined }, 10),
    ],
    [5, 2, 0, 0],
  );
});

test("an epoch's order is a permutation, the same each time, and another in another epoch or under another seed", () => {
  fc.assert(
    fc.property(fc.nat(), fc.nat({ max: 50 }), fc.nat({ max: 200 }), (seed, epoch, n) => {
      const order = epochOrder(seed, epoch, n);
      assert.deepEqual(
        [...order].sort((a, b) => a - b),
        Array.from({ length: n }, (_, i) => i),
      );
      assert.deepEqual(epochOrder(seed, epoch, n), order);
      if (n > 20) {
        assert.notDeepEqual(epochOrder(seed, epoch + 1, n), order);
        assert.notDeepEqual(epochOrder(seed + 1, epoch, n), order);
      }
    }),
  );
});

test("orders are fair: each row lands in each place about equally often", () => {
  const [n, trials] = [8, 4000];
  const counts = Array.from({ length: n }, () => new Array<number>(n).fill(0));
  for (let seed = 0; seed < trials; seed++)
    epochOrder(seed, seed % 5, n).forEach((row, place) => void counts[row][place]++);
  const expected = trials / n;
  const chiSquare = counts.flat().reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  // (n-1)² = 49 degrees of freedom: mean 49, deviation 9.9; 90 is beyond four deviations.
  assert.ok(chiSquare < 90, `chi² = ${chiSquare}`);
});

test("a plan visits every row once an epoch, in file order if not shuffled, and can start anywhere", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 12 }),
      fc.boolean(),
      fc.nat(),
      (rows, batchSize, shuffle, seed) => {
        const plan = planBatches({ rows, batchSize, shuffle, seed });
        for (let epoch = 0; epoch < 3; epoch++) {
          const batches = Array.from({ length: plan.batchesPerEpoch }, (_, i) =>
            plan.at(epoch * plan.batchesPerEpoch + i),
          );
          assert.ok(
            batches.every((batch) => batch.epoch === epoch && batch.rows.length > 0 && batch.rows.length <= batchSize),
          );
          const visited = batches.flatMap((batch) => batch.rows);
          if (!shuffle)
            assert.deepEqual(
              visited,
              Array.from({ length: rows }, (_, i) => i),
            );
          assert.deepEqual(
            [...visited].sort((a, b) => a - b),
            Array.from({ length: rows }, (_, i) => i),
          );
        }
        const index = 2 * plan.batchesPerEpoch;
        assert.deepEqual(planBatches({ rows, batchSize, shuffle, seed }).at(index), plan.at(index));
      },
    ),
    { numRuns: 60 },
  );
});
