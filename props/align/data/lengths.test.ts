/** What a source says of a batch's length without making it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ktoSource } from "../../../align/data/kto-source.js";
import type { Sequence } from "../../../align/data/sequence.js";
import { pairSource, sequenceSource } from "../../../align/data/source.js";

const sequence: fc.Arbitrary<Sequence> = fc
  .tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 0, max: 60 }))
  .map(([prompt, answer]) => ({ ids: new Array<number>(prompt + answer).fill(1), completionStart: prompt }));

test("a batch is as long as lengthAt says: sequences, pairs, KTO with its mismatched answers, however they are ordered", () => {
  const drawn = fc.record({
    rows: fc.array(fc.tuple(sequence, sequence), { minLength: 1, maxLength: 12 }),
    batchSize: fc.integer({ min: 2, max: 5 }),
    bucket: fc.constantFrom(undefined, 1, 8),
    shuffle: fc.boolean(),
    groupByLength: fc.boolean(),
    maxLength: fc.constantFrom(undefined, 50),
  });
  fc.assert(
    fc.property(drawn, ({ rows, maxLength, ...options }) => {
      const settings = { padId: 0, ...options };
      const firsts = rows.map(([first]) => first);
      for (const source of [
        sequenceSource(firsts, settings),
        pairSource(
          rows.map(([chosen, rejected]) => ({ chosen, rejected })),
          settings,
        ),
        ktoSource(
          firsts.map((row, i) => ({ ...row, label: i % 2 === 0 })),
          { ...settings, maxLength },
        ),
      ])
        for (let i = 0; i < 2 * source.batchesPerEpoch; i++) assert.equal(source.lengthAt(i), source.at(i).length);
    }),
    { numRuns: 200 },
  );
});
