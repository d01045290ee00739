/** Data sets on disk: what a run reads of them is what it would read from memory. */
import assert from "node:assert/strict";
import { copyFileSync, mkdtempSync, readdirSync, rmSync, truncateSync, unlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { groupedByLength } from "../../../align/data/batch.js";
import { readRows, rowsOfKind } from "../../../align/data/data.js";
import { labelledDataset, pairDataset } from "../../../align/data/dataset.js";
import type { Sequence } from "../../../align/data/sequence.js";
import { pairSource, sequenceSource } from "../../../align/data/source.js";
import { storeRows } from "../../../align/data/token-file.js";
import { packed, type RowForm } from "../../../align/data/token-record.js";
import { tokenizeAnswers, tokenizePairs } from "../../../align/data/tokenize.js";
import { loadTokenizer } from "../../../models/text/tokenizer.js";
import { tellSeen } from "../../../run/parts/data.js";
import { goldenPath } from "../../golden/files.js";
import { refusedLater } from "../../golden/refused.js";
import { tries } from "../../reach.js";

const folder = mkdtempSync(join(tmpdir(), "taugrad-dataset-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const tokenizer = loadTokenizer(goldenPath("preferences", "base"));
const chat = goldenPath("preferences", "chat.jsonl");

/** As array-likes, so that typed arrays compare by their numbers. */
const numbers = (batch: object) =>
  Object.fromEntries(
    Object.entries(batch).map(([name, x]) => [name, ArrayBuffer.isView(x) ? Array.from(x as Int32Array) : x]),
  );

test("batches from disk are those from memory, whatever becomes of the data file, and only disk space is used", async () => {
  const place = mkdtempSync(join(folder, "tmp-"));
  const path = join(folder, "moving.jsonl");
  copyFileSync(chat, path);
  const before = process.env.TMPDIR;
  process.env.TMPDIR = place;
  const stored = await pairDataset(path, tokenizer, { maxLength: 60 }).finally(() => {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
  });
  assert.deepEqual(readdirSync(place), []);
  const { pairs, report } = tokenizePairs(rowsOfKind(await readRows(path), "paired"), tokenizer, { maxLength: 60 });
  unlinkSync(path);
  assert.deepEqual([stored.length, stored.report, stored.report.dropped], [25, report, 39]);
  const options = { batchSize: 4, padId: 0, seed: 3, groupByLength: true };
  const [fromDisk, fromMemory] = [pairSource(stored, options), pairSource(pairs, options)];
  for (let i = 0; i < 2 * fromMemory.batchesPerEpoch; i++)
    assert.deepEqual(numbers(fromDisk.at(i)), numbers(fromMemory.at(i)));
  assert.match(fromDisk.at(0).rowIds?.[0] ?? "", /moving\.jsonl:\d+$/);
  stored.close();
});

test("rows are known again by what they hold: in another order, file and place, and of no other", async () => {
  const rows = Array.from({ length: 12 }, (_, i) => ({ prompt: `${i} and`, chosen: ` ${i + 1}.`, rejected: " none." }));
  const all = await pairDataset(rows, tokenizer);
  const indices = fc.shuffledSubarray(
    rows.map((_, i) => i),
    { minLength: 1 },
  );
  await fc.assert(
    fc.asyncProperty(indices, fc.integer({ min: 0, max: 3 }), async (seen, fresh) => {
      const others = Array.from({ length: fresh }, (_, i) => ({ ...rows[i], rejected: " nothing." }));
      const held = await pairDataset([...others, ...seen.map((i) => rows[i])], tokenizer);
      assert.deepEqual(
        Array.from(held.digests).slice(fresh),
        seen.map((i) => all.digests[i]),
      );
      const notes: string[] = [];
      tellSeen("held.jsonl", held, all, { note: (line) => notes.push(line) });
      const count = fresh === 0 ? "all" : `${seen.length} of`;
      assert.equal(notes.length, 1);
      assert.ok(
        notes[0].startsWith(`warning: held.jsonl: ${count} ${held.length} rows to evaluate on are trained on`),
        notes[0],
      );
      held.close();
      const strange = await pairDataset([{ ...rows[0], chosen: " new." }], tokenizer);
      tellSeen("held.jsonl", strange, all, { note: () => assert.fail("a row that is not trained on") });
      strange.close();
    }),
    { numRuns: tries(8) },
  );
  all.close();
});

/** What the process holds that is not garbage, in bytes. */
const held = async (): Promise<number> => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  for (let i = 0; i < 3; i++) {
    collect();
    await new Promise(setImmediate); // buffers are freed a turn later
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
};

test("rows on disk cost memory by their number, not by their tokens", async () => {
  const form: RowForm<Sequence> = { sequences: (row) => [row], row: ([row], _label, at) => ({ ...row, at }) };
  const rows = async function* (count: number) {
    for (let i = 0; i < count; i++)
      yield packed(
        { ids: Array.from({ length: 1000 }, (_, t) => (i * t) % 5003), completionStart: i % 7, at: `x:${i + 1}` },
        form,
      );
  };
  (await storeRows(rows(50), form)).close(); // what compiling takes is not counted
  const before = await held();
  const stored = await storeRows(rows(4000), form);
  const taken = (await held()) - before;
  console.log(`4000 rows of 1000 tokens: ${(taken / 2 ** 20).toFixed(2)} MiB held`);
  assert.ok(taken < 2 ** 20, `${taken} bytes; the tokens alone would be 16 MB`);
  const expected = { ids: Array.from({ length: 1000 }, (_, t) => (3999 * t) % 5003), completionStart: 2, at: "x:4000" };
  assert.deepEqual(stored.at(3999), expected);
  stored.close();
});

test("labelled rows keep their label and stay whole; a pair counts as two", async () => {
  const path = goldenPath("preferences", "unpaired.jsonl");
  const rows = rowsOfKind(await readRows(path), "unpaired");
  const stored = await labelledDataset(path, tokenizer, { maxLength: 60, limit: 10 });
  const { sequences } = tokenizeAnswers(rows.slice(0, 10), tokenizer, { maxLength: 60 });
  assert.deepEqual(
    Array.from({ length: stored.length }, (_, i) => stored.at(i)),
    sequences,
  );
  const whole = new Map(tokenizeAnswers(rows, tokenizer).sequences.map(({ at, ids }) => [at, ids]));
  assert.ok(sequences.length > 0 && sequences.length < 10);
  for (const { at, ids } of sequences) assert.deepEqual(ids, whole.get(at));
  const pairs = await labelledDataset(chat, tokenizer);
  assert.equal(pairs.length, 128);
  stored.close();
  pairs.close();
});

test("a fingerprint tells data by what a run sees of it, not by its place", async () => {
  const of = async (path: string, maxLength?: number) => {
    const { fingerprint, close } = await pairDataset(path, tokenizer, { maxLength });
    close();
    return fingerprint;
  };
  const copy = join(folder, "copy.jsonl");
  copyFileSync(chat, copy);
  const first = await of(chat);
  assert.equal(await of(copy), first);
  assert.notEqual(await of(chat, 61), first);
  truncateSync(copy, 20);
  await refusedLater(() => of(copy), /copy\.jsonl:1: malformed JSON/);
});

/** get_length_grouped_indices of transformers 5.17 over torch.randperm's order. */
const grouped = [
  {
    batchSize: 2,
    lengths: [30, 16, 15, 4, 26, 31, 17, 26, 5, 31, 39, 12, 4, 22, 11, 27, 19, 28, 39, 34, 39, 3, 36],
    order: [19, 8, 16, 3, 15, 20, 22, 14, 4, 7, 6, 13, 9, 10, 1, 12, 5, 17, 11, 2, 18, 0, 21],
    grouped: [20, 16, 8, 3, 19, 22, 15, 14, 4, 7, 13, 6, 10, 9, 1, 12, 5, 17, 2, 11, 18, 0, 21],
  },
  { batchSize: 4, lengths: [19, 10, 9, 7, 39], order: [3, 4, 1, 0, 2], grouped: [4, 0, 1, 3, 2] },
];

test("length grouping is Hugging Face's", () => {
  for (const { batchSize, lengths, order, grouped: expected } of grouped)
    assert.deepEqual(groupedByLength(order, lengths, batchSize), expected);
});

test("length grouping visits every row once, begins with the longest, and pads less", () =>
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 40, maxLength: 80 }),
      fc.nat(),
      (lengths, seed) => {
        const rows = lengths.map((length) => ({ ids: new Array<number>(length).fill(1), completionStart: 0 }));
        const source = (groupByLength: boolean) =>
          sequenceSource(rows, { batchSize: 4, padId: 0, seed, groupByLength, bucket: 1 });
        const epoch = Array.from({ length: Math.ceil(rows.length / 4) }, (_, i) => source(true).at(i));
        const seen = epoch.flatMap(({ rowIds = [] }) => rowIds);
        assert.equal(new Set(seen).size, rows.length);
        assert.equal(epoch[0].lengths?.[0], Math.max(...lengths));
        const size = (grouping: boolean) =>
          Array.from({ length: epoch.length }, (_, i) => source(grouping).at(i).length).reduce((a, b) => a + b, 0);
        assert.ok(size(true) <= size(false) + Math.max(...lengths), "the swap to the front may cost one batch");
      },
    ),
    { numRuns: 20 },
  ));
