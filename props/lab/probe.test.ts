/** `taugrad probe`: θ_r + cτ against models that are written out, and what it concludes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { BatchSource } from "../../align/data/rows.js";
import { sequenceSource } from "../../align/data/source.js";
import { scoreTokens } from "../../align/objectives/log-probs.js";
import { add, dispose, evaluate, mul, read, sub, tensor, treeZip } from "../../core/index.js";
import { probe, verdictOf } from "../../lab/probe.js";
import { document, lastOf } from "../cli/cli.js";
import { inside } from "../cli/inside.js";
import { device } from "../devices.js";
import { tinyConfig, tinyModel } from "../generators/tiny-models.js";
import { goldenPath } from "../golden/files.js";

const [policy, sft, data] = ["policy", "sft", "chat.jsonl"].map((name) => goldenPath("preferences", name));

test("each c is the model θ_r + cτ, row by row, and its gain is paired with c = 0", async () => {
  const here = await device("cpu");
  const config = tinyConfig();
  const [reference, base] = [tinyModel(config, here, 1).params, tinyModel(config, here, 2).params];
  const rows = Array.from({ length: 5 }, (_, i) => ({
    ids: Array.from({ length: 4 + i }, (_, t) => (3 * t + 5 * i) % config.vocabSize),
    completionStart: 2,
  }));
  const source: BatchSource = sequenceSource(rows, { batchSize: 2, padId: 0, shuffle: false });
  const found = await probe({ config, reference, base, source, pairs: false, at: [0.5, -1] }, here);
  assert.deepEqual([found.rows, found.drifts.map(({ c }) => c)], [5, [-1, 0, 0.5]]);
  const written = async (c: number): Promise<number[]> => {
    const drifted = evaluate(
      treeZip(([r, b]) => add(r, mul(c, sub(r, b))), reference, base),
      here,
    );
    const values: number[] = [];
    for (const { ids, completionStart } of rows) {
      const x = tensor(Int32Array.from(ids), [1, ids.length]);
      const targets = Int32Array.from(ids.slice(completionStart), (_, i) => completionStart - 1 + i);
      const { logps } = scoreTokens(drifted, config, x, tensor(targets));
      const out = evaluate(logps, here);
      values.push((await read(out))[0] / (ids.length - completionStart));
      dispose(out);
    }
    dispose(drifted);
    return values;
  };
  const zero = await written(0);
  for (const { c, logp, gain } of found.drifts) {
    const each = await written(c);
    const near = (a: number, b: number, what: string) =>
      assert.ok(Math.abs(a - b) < 1e-4, `${what} at ${c}: ${a}, ${b}`);
    near(logp, each.reduce((a, b) => a + b, 0) / 5, "log-prob");
    each.forEach((value, i) => {
      near(gain.values[i], value - zero[i], `gain of row ${i}`);
    });
  }
  dispose(reference, base);
});

test("it helps if some c > 0 gains for certain, hurts if every one loses for certain, else it is undecided", () => {
  /** Drifts at c = −1, 1, 2 with gains in these intervals. */
  const concluded = (...intervals: (readonly [low: number, high: number])[]) => {
    const drifts = intervals.map(([low, high], i) => ({
      c: [-1, 1, 2][i],
      logp: 0,
      gain: { mean: (low + high) / 2, low, high, values: [] },
    }));
    const { verdict, best } = verdictOf(drifts);
    return [verdict, best?.c];
  };
  assert.deepEqual(concluded([1, 2], [0.1, 0.2], [0.2, 0.3]), ["helps", 2]);
  assert.deepEqual(concluded([1, 2], [-1, 2], [0.2, 0.3]), ["helps", 2]);
  assert.deepEqual(concluded([1, 2], [-1, 5], [-0.2, 0.3]), ["undecided", undefined]);
  assert.deepEqual(concluded([1, 2], [-2, -1], [-3, -2]), ["hurts", undefined]);
  assert.deepEqual(concluded([1, 2], [-2, -1], [-3, 2]), ["undecided", undefined]);
  assert.deepEqual(concluded([1, 2]), ["undecided", undefined], "c < 0 is no drift of online merging");
});

test("taugrad probe on pairs: a verdict that follows from the drifts it prints; what is no number is refused", async () => {
  type Printed = {
    of: string;
    rows: number;
    verdict: string;
    best: number | null;
    drifts: { c: number; gain: number; low: number }[];
  };
  const call = ["probe", "--data", data, "--device", "cpu", "--drifts", "0.5,1"];
  const on = await document<Printed>([...call, "--model", policy, "--base-model", sft]);
  assert.deepEqual([on.of, on.drifts.map(({ c }) => c)], ["margin", [0, 0.5, 1]]);
  assert.ok(on.rows > 0);
  const sure = on.drifts.some(({ c, low }) => c > 0 && low > 0);
  assert.equal(on.verdict === "helps", sure);
  assert.equal(on.best === null, !sure);
  const wrong = await inside(lastOf([...call, "--model", policy, "--base-model", sft, "--drifts", "1,x"]));
  assert.deepEqual([wrong.code, wrong.stdout], [2, ""]);
  assert.match(wrong.stderr, /^taugrad: --drifts has x; it must be numbers, such as -0\.5,0\.5,1\n$/);
});
