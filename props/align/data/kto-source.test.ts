/** KTO's rows: pairs taken apart, and batches in which each prompt meets its neighbour's answer. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ktoSource } from "../../../align/data/kto-source.js";
import type { Row } from "../../../align/data/layouts/data-row.js";
import { unpairRows } from "../../../align/data/layouts/unpair.js";
import type { LabelledSequence } from "../../../align/data/sequence.js";
import { InputError } from "../../../core/errors.js";

/** Row i: its prompt is 100·i + 1 …, its answer 100·i + 51 …, so that every token tells where it is from. */
const row = (i: number, prompt: number, answer: number, label = i % 2 === 0): LabelledSequence => ({
  ids: [
    ...Array.from({ length: prompt }, (_, t) => 100 * i + 1 + t),
    ...Array.from({ length: answer }, (_, t) => 100 * i + 51 + t),
  ],
  completionStart: prompt,
  label,
  at: `rows:${i + 1}`,
});

const sizes = fc.record({ prompt: fc.integer({ min: 1, max: 5 }), answer: fc.integer({ min: 0, max: 6 }) });

test("law: the second half is prompt i with the whole answer i−1, cut after they met; padding carries no target", () =>
  fc.assert(
    fc.property(
      fc.array(sizes, { minLength: 1, maxLength: 7 }),
      fc.integer({ min: 2, max: 4 }),
      fc.integer({ min: 6, max: 12 }),
      (lengths, batchSize, maxLength) => {
        const rows = lengths.map(({ prompt, answer }, i) => row(i, prompt, answer));
        const source = ktoSource(rows, { batchSize, padId: 0, maxLength, shuffle: false, bucket: 4 });
        assert.equal(source.batchesPerEpoch, Math.ceil(rows.length / batchSize));
        for (let index = 0; index < source.batchesPerEpoch; index++) {
          const chosen = rows.slice(index * batchSize, (index + 1) * batchSize);
          const batch = source.at(index);
          const { ids, mask, length, desirable = [] } = batch;
          assert.deepEqual([batch.rows, batch.examples], [2 * batchSize, chosen.length]);
          assert.deepEqual(
            Array.from(batch.lengths ?? []),
            chosen.map((r) => Math.min(maxLength, r.ids.length)),
          );
          assert.deepEqual(
            batch.rowIds,
            chosen.map(({ at }) => at),
          );
          for (let i = 0; i < 2 * batchSize; i++) {
            const [own, half] = [i % batchSize, i < batchSize ? 0 : 1];
            const got = Array.from(ids.subarray(i * length, (i + 1) * length));
            const targets = Array.from(mask.subarray(i * length, (i + 1) * length));
            if (own >= chosen.length) {
              assert.ok([...got, ...targets].every((x) => x === 0));
              if (half === 0) assert.equal(desirable[own], 0);
              continue;
            }
            const { ids: mine, completionStart, label } = chosen[own];
            const from = half === 0 ? chosen[own] : chosen.at(own - 1); // at(−1) is the last
            const answer = (from as LabelledSequence).ids.slice((from as LabelledSequence).completionStart);
            const whole = [...mine.slice(0, completionStart), ...answer].slice(0, maxLength);
            assert.deepEqual(got.slice(0, whole.length), whole);
            assert.ok(got.slice(whole.length).every((id) => id === 0));
            assert.deepEqual(
              targets.map((m, t) => m === Number(t >= completionStart && t < whole.length)),
              targets.map(() => true),
            );
            if (half === 0) assert.equal(desirable[own], Number(label));
          }
        }
      },
    ),
  ));

test("known log-probabilities stand where their rows stand, in file order", () => {
  const rows = [row(0, 2, 3), row(1, 1, 2), row(2, 2, 1)];
  const reference = rows.map((_, i) => [-i - 0.25, -i - 0.5] as const);
  const source = ktoSource(rows, { batchSize: 2, padId: 0, shuffle: false, reference });
  assert.deepEqual(Array.from(source.at(0).reference ?? []), [-0.25, -1.25, -0.5, -1.5]);
  assert.deepEqual(Array.from(source.at(1).reference ?? []), [-2.25, 0, -2.5, 0]);
  assert.equal(ktoSource(rows, { batchSize: 2, padId: 0 }).at(0).reference, undefined);
  for (const order of [{}, { shuffle: true }, { shuffle: false, groupByLength: true }])
    assert.throws(
      () => ktoSource(rows, { batchSize: 2, padId: 0, reference, ...order }),
      (error) => error instanceof InputError && /set shuffle_dataset: false/.test(error.message),
    );
  assert.throws(
    () => ktoSource(rows, { batchSize: 1, padId: 0 }),
    (error) => error instanceof InputError && /at least 2 rows/.test(error.message),
  );
});

async function* stream(rows: readonly Row[]): AsyncGenerator<Row> {
  yield* rows;
}

const gathered = async <T>(items: AsyncIterable<T>): Promise<T[]> => {
  const out: T[] = [];
  for await (const item of items) out.push(item);
  return out;
};

const pair = (i: number): Row => ({
  kind: "paired",
  at: `pairs:${i}`,
  prompt: `prompt ${i}`,
  chosen: `better ${i}`,
  rejected: `worse ${i}`,
});

test("pairs become labelled answers, a thousand at a time, all wanted ones before all unwanted ones", async () => {
  const labelled: Row = { kind: "unpaired", at: "own", prompt: "p", completion: "c", label: true };
  const rows = [...Array.from({ length: 1003 }, (_, i) => pair(i)), labelled, pair(2000)];
  const out = await gathered(unpairRows(stream(rows)));
  const expected = (from: number, to: number): Row[] =>
    [true, false].flatMap((label) =>
      Array.from({ length: to - from }, (_, i) => ({
        kind: "unpaired" as const,
        at: `pairs:${from + i}`,
        prompt: `prompt ${from + i}`,
        completion: `${label ? "better" : "worse"} ${from + i}`,
        label,
      })),
    );
  assert.deepEqual(out, [...expected(0, 1000), ...expected(1000, 1003), labelled, ...expected(2000, 2001)]);
  assert.deepEqual(await gathered(unpairRows(stream([]))), []);
});
