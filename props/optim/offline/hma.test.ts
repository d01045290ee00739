/** HMA: one ratio for each block of layers, the mean held. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { InputError } from "../../../core/index.js";
import { blockAt, searchRatios } from "../../../optim/index.js";
import { tries } from "../../reach.js";

const sum = (xs: readonly number[]) => xs.reduce((a, b) => a + b, 0);

test("HMA: the mean stays, ratios stay shares, and what is found scores no less than equal ratios", async () => {
  const cases = fc.record({
    wanted: fc.array(
      fc.integer({ min: 0, max: 8 }).map((n) => n / 8),
      { minLength: 1, maxLength: 4 },
    ),
    mean: fc.integer({ min: 0, max: 8 }).map((n) => n / 8),
    step: fc.constantFrom(0.125, 0.25),
    rounds: fc.integer({ min: 1, max: 4 }),
  });
  await fc.assert(
    fc.asyncProperty(cases, async ({ wanted, mean, step, rounds }) => {
      const score = async (ratios: readonly number[]) => -sum(ratios.map((a, k) => (a - wanted[k]) ** 2));
      const blocks = wanted.length;
      const found = await searchRatios({ blocks, mean, step, rounds, score });
      assert.ok(Math.abs(sum(found) / blocks - mean) < 1e-12, `${found} has another mean than ${mean}`);
      assert.ok(found.every((a) => a >= 0 && a <= 1));
      const equal = wanted.map(() => mean);
      assert.ok((await score(found)) >= (await score(equal)));
      if (blocks === 1) assert.deepEqual(found, [mean], "linear merging");
    }),
    { numRuns: tries(50) },
  );
});

test("HMA: enough rounds find the best ratios of that mean, where one move at a time leads there", async () => {
  const wanted = [0.875, 0.5, 0.125];
  const score = async (ratios: readonly number[]) => -sum(ratios.map((a, k) => Math.abs(a - wanted[k])));
  assert.deepEqual(await searchRatios({ blocks: 3, mean: 0.5, step: 0.125, rounds: 9, score }), wanted);
  await assert.rejects(searchRatios({ blocks: 0, mean: 0.5, step: 0.125, score }), InputError);
  await assert.rejects(searchRatios({ blocks: 2, mean: 0.5, step: 0, score }), /step is 0; it must be above 0/);
});

test("HMA: blocks are as even as layers allow, from the first to the last", () => {
  const layers = 12;
  const blocks = Array.from({ length: layers }, (_, i) => blockAt(i / (layers - 1), 3));
  assert.deepEqual(blocks, [...blocks].sort());
  assert.deepEqual([...new Set(blocks)], [0, 1, 2]);
});
