/** What cannot be trained is refused in one line; records are written line by line. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { oneEpoch, pairSource } from "../../../align/data/source.js";
import { trainingOptimizer } from "../../../align/training/optimizer.js";
import { referenceLogps } from "../../../align/training/reference.js";
import { referenceDelta } from "../../../align/training/rules/reference-delta.js";
import { lastOf, train } from "../../../align/training/train.js";
import { openRecords } from "../../../align/training/writer.js";
import { dispose, InputError, read, tensor } from "../../../core/index.js";
import type { Params } from "../../../models/parameters.js";
import { dpo, farthest, numbersOf, pairs, shared, tinyParams, trainedConfig } from "../../generators/tiny-training.js";
import { check } from "../../law.js";

const refusal = (pattern: RegExp) => (error: unknown) => {
  assert.ok(error instanceof InputError, String(error));
  assert.match(error.message, pattern);
  assert.ok(!error.message.includes("\n"));
  return true;
};

test("what cannot be trained is refused in one line", async () => {
  const zero = (shape: readonly number[]) => tensor(new Float32Array(shape.reduce((n, x) => n * x, 1)), shape);
  const a: Params = { x: zero([2, 3]), y: zero([4]) };
  assert.throws(() => referenceDelta(a, { x: zero([3, 2]), y: zero([4]) }), refusal(/"x" is \[2,3\].*\[3,2\]/));
  assert.throws(
    () => referenceDelta(a, { x: zero([2, 3]) }),
    refusal(/"y" is in the reference model but not in the base/),
  );
  assert.throws(
    () => referenceDelta({ x: zero([2, 3]) }, a),
    refusal(/"y" is in the base model but not in the reference/),
  );
  assert.throws(() => trainingOptimizer({ alpha: 0.1 }), refusal(/alpha has no meaning/));
  assert.throws(() => trainingOptimizer({ optim: "ondare", alpha: 1.5 }), refusal(/alpha is 1.5/));
  assert.throws(() => trainingOptimizer({ optim: "onties", reserveP: -1 }), refusal(/reserveP is -1/));
  assert.throws(() => trainingOptimizer({ optim: "ondare", rescale: "l1" }), refusal(/official/));
});

check(
  "a run without reference, reference delta or batches is refused in one line",
  async (device) => {
    const params = tinyParams(1, device);
    const before = device.stats().liveBuffers;
    const options = { objective: dpo, params, optimizer: trainingOptimizer(), steps: 1, learningRate: 0.1 };
    const batches = oneEpoch(pairSource(pairs, { ...shared, batchSize: 2 }));
    const merging = trainingOptimizer({ optim: "ondare" });
    await assert.rejects(train({ ...options, batches }, device).next(), refusal(/reference model/));
    await assert.rejects(train({ ...options, batches, optimizer: merging }, device).next(), refusal(/base model/));
    await assert.rejects(train({ ...options, batches: [] }, device).next(), refusal(/no batches/));
    const small = { config: { ...trainedConfig, vocabSize: 5 }, params };
    const compared = train({ ...options, batches, reference: small }, device);
    await assert.rejects(compared.next(), refusal(/outside of the reference model's vocabulary of 5/));
    await assert.rejects(referenceLogps(small, pairs, { padId: 0, batchSize: 2 }, device), refusal(/vocabulary of 5/));
    assert.equal(device.stats().liveBuffers, before);
    const untouched = await lastOf(train({ ...options, batches, steps: 0 }, device));
    assert.equal(farthest(await numbersOf(untouched, read), await numbersOf(params, read)), 0);
    dispose(untouched, params);
  },
  ["reference"],
);

test("records are written line by line, and a diverged number as its name", () => {
  const folder = mkdtempSync(join(tmpdir(), "taugrad-records-"));
  try {
    const path = join(folder, "metrics.jsonl");
    const first = openRecords(path);
    first.write({ step: 1, loss: 0.5 });
    assert.equal(readFileSync(path, "utf8"), '{"step":1,"loss":0.5}\n');
    first.close();
    const second = openRecords(path, { keepTo: 1 });
    assert.deepEqual(second.kept, [{ step: 1, loss: 0.5 }]);
    second.write({ step: 2, loss: Number.NaN });
    second.close();
    second.close();
    assert.deepEqual(
      readFileSync(path, "utf8")
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line)),
      [
        { step: 1, loss: 0.5 },
        { step: 2, loss: "NaN" },
      ],
    );
    assert.throws(() => openRecords(join(folder, "nowhere", "metrics.jsonl")), refusal(/cannot be written/));
  } finally {
    rmSync(folder, { recursive: true });
  }
});
