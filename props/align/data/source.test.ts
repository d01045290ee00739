/** Laws of how rows become batches, epochs and steps. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { oneEpoch, pairSource, sequenceSource, stepsOf } from "../../../align/data/source.js";
import { dpo, pairs, sft, shared, tinySequence } from "../../generators/tiny-training.js";
import { law } from "../../law.js";

/** Hugging Face's Trainer: updates an epoch = len // A + (len % A > 0), max_steps = ceil(epochs · updates). */
test("steps of a run: groups of batches never cross the end of an epoch", () =>
  fc.assert(
    fc.property(
      fc.record({
        rows: fc.integer({ min: 1, max: 40 }),
        batchSize: fc.integer({ min: 1, max: 9 }),
        accumulation: fc.integer({ min: 1, max: 5 }),
        epochs: fc.integer({ min: 1, max: 3 }),
      }),
      ({ rows, batchSize, accumulation, epochs }) => {
        const source = sequenceSource(
          Array.from({ length: rows }, (_, i) => tinySequence(i, 3, 1)),
          { ...shared, batchSize },
        );
        let [steps, group] = [0, 0];
        for (let i = 0; i < epochs * source.batchesPerEpoch; i++) {
          const { endsEpoch = false, epoch = 0 } = source.at(i);
          group++;
          if (group === accumulation || endsEpoch) [steps, group] = [steps + 1, 0];
          assert.equal(Number.isInteger(epoch), endsEpoch);
        }
        assert.equal(stepsOf(source.batchesPerEpoch, { accumulation, epochs }), steps);
      },
    ),
  ));

law(
  "an epoch holds every target once, in any order and cut",
  fc.record({ batchSize: fc.integer({ min: 1, max: 7 }), seed: fc.nat(1000), shuffle: fc.boolean() }),
  async ({ batchSize, seed, shuffle }) => {
    const source = pairSource(pairs, { padId: 0, batchSize, seed, shuffle });
    const epoch = [...oneEpoch(source)];
    const targets = (b: (typeof epoch)[number]) => b.mask.reduce((n, x) => n + x, 0);
    const expected = pairs
      .flatMap(({ chosen, rejected }) => [chosen, rejected])
      .reduce((n, { ids, completionStart }) => n + ids.length - completionStart, 0);
    assert.equal(
      epoch.reduce((n, b) => n + targets(b), 0),
      expected,
    );
    assert.equal(
      epoch.reduce((n, b) => n + dpo.units(b), 0),
      pairs.length,
    );
    assert.equal(
      epoch.reduce((n, b) => n + sft.units(b), 0),
      expected,
    );
    assert.ok(new Set(epoch.map(({ length }) => length)).size <= 4);
  },
  { on: ["reference"] },
);
