import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { bits, evaluate, foldIn, key, read } from "../../../core/index.js";
import {
  applyTemperature,
  keepMinP,
  keepTopK,
  keepTopP,
  keepTypical,
  penalizeRepetition,
  probabilities,
} from "../../../models/generation/processors.js";
import { argmax, chooseToken, pick, processScores, uniformAt } from "../../../models/generation/sample.js";
import { device as deviceNamed } from "../../devices.js";

const someScores = fc
  .array(fc.integer({ min: -40, max: 40 }), { minLength: 1, maxLength: 12 })
  .map((eighths) => Float64Array.from(eighths, (n) => n / 8));
const finite = (scores: Float64Array) => [...scores.keys()].filter((id) => scores[id] !== Number.NEGATIVE_INFINITY);

test("repetition penalty: what occurred is divided where positive, multiplied where negative, once", () => {
  assert.deepEqual([...penalizeRepetition(Float64Array.of(2, -2, 3, 0), [0, 1, 1, 3], 2)], [1, -4, 3, 0]);
  fc.assert(
    fc.property(someScores, fc.constantFrom(0.5, 1.25, 2), fc.array(fc.nat(11)), (scores, penalty, ids) => {
      const seen = ids.filter((id) => id < scores.length);
      const got = penalizeRepetition(scores, seen, penalty);
      scores.forEach((s, id) => {
        assert.equal(got[id], !seen.includes(id) ? s : s < 0 ? s * penalty : s / penalty);
      });
      assert.deepEqual(penalizeRepetition(scores, seen, 1), scores);
    }),
  );
});

test("top-k keeps the k largest and what ties with the last; k = 0 and k = V keep all", () => {
  fc.assert(
    fc.property(someScores, fc.nat(14), (scores, k) => {
      const kept = finite(keepTopK(scores, k));
      const larger = (id: number) => scores.filter((s) => s > scores[id]).length;
      assert.deepEqual(
        kept,
        [...scores.keys()].filter((id) => k === 0 || larger(id) < k),
      );
    }),
  );
});

test("top-p drops as much as fits into 1 − p, smallest first, and never the likeliest; p = 1 keeps all", () => {
  fc.assert(
    fc.property(someScores, fc.integer({ min: 1, max: 100 }), (scores, percent) => {
      const p = percent / 100;
      const out = keepTopP(scores, p);
      const kept = finite(out);
      const probability = probabilities(scores);
      assert.ok(kept.includes(argmax(scores)));
      if (percent === 100) assert.equal(kept.length, scores.length);
      const dropped = [...scores.keys()].filter((id) => !kept.includes(id));
      const mass = dropped.reduce((total, id) => total + probability[id], 0);
      assert.ok(mass <= 1 - p + 1e-12);
      for (const id of dropped) assert.ok(kept.every((other) => scores[other] >= scores[id]));
      const least = kept.reduce((a, b) => (scores[b] < scores[a] ? b : a));
      if (percent < 100 && kept.length > 1)
        assert.ok(mass + probability[least] > 1 - p - 1e-12, "one more would be too many");
    }),
  );
});

test("min-p keeps what is at least that share as likely as the likeliest; 0 keeps all", () => {
  fc.assert(
    fc.property(someScores, fc.integer({ min: 0, max: 100 }), (scores, percent) => {
      const probability = probabilities(scores);
      const most = Math.max(...probability);
      const kept = finite(keepMinP(scores, percent / 100));
      for (const id of scores.keys()) {
        const share = probability[id] / most;
        // At the border itself rounding decides.
        if (Math.abs(share - percent / 100) > 1e-12) assert.equal(kept.includes(id), share > percent / 100);
      }
      assert.ok(kept.includes(argmax(scores)));
      if (percent === 0) assert.equal(kept.length, scores.length);
    }),
  );
});

test("typical sampling keeps what is nearest to the entropy, as little as holds p; p = 1 keeps all", () => {
  fc.assert(
    fc.property(someScores, fc.integer({ min: 1, max: 100 }), (scores, percent) => {
      const probability = probabilities(scores);
      const surprise = probability.map((x) => -Math.log(x));
      const entropy = probability.reduce((sum, x, id) => sum + x * surprise[id], 0);
      const distance = surprise.map((x) => Math.abs(x - entropy));
      const kept = finite(keepTypical(scores, percent / 100));
      const mass = (ids: number[]) => ids.reduce((sum, id) => sum + probability[id], 0);
      assert.ok(mass(kept) >= percent / 100 - 1e-9 || kept.length === scores.length);
      if (percent === 100) assert.equal(kept.length, scores.length);
      const farthest = Math.max(...kept.map((id) => distance[id]));
      for (const id of scores.keys())
        if (!kept.includes(id)) assert.ok(distance[id] > farthest - 1e-9, "what is dropped is farther");
      // Without the farthest, and what ties with it, there would be less than p.
      const nearer = kept.filter((id) => distance[id] < farthest - 1e-9);
      if (percent < 100) assert.ok(mass(nearer) < percent / 100 + 1e-9);
    }),
  );
});

test("what a processor is given is not changed, and −∞ stays −∞", () => {
  const never = Number.NEGATIVE_INFINITY;
  fc.assert(
    fc.property(someScores, fc.nat(11), (scores, lost) => {
      const given = scores.slice();
      if (scores.length > 1) given[lost % scores.length] = never;
      const before = given.slice();
      const all = [keepTopK(given, 3), keepTopP(given, 0.7), keepMinP(given, 0.1), keepTypical(given, 0.6)];
      assert.deepEqual(given, before);
      for (const out of all)
        for (const id of given.keys()) assert.ok(out[id] === given[id] || out[id] === never, `${out}`);
    }),
  );
});

test("the steps are taken in transformers' order", () => {
  // Worked by hand: penalized [1, 1, −1, 0, 4], halved [.5, .5, −.5, 0, 2], the two largest with their tie, and of those
  // the less likely of two equal ones holds .154 ≤ 1 − .8. Every order that means something else gives other numbers.
  const scores = Float64Array.of(1, 2, -1, 0, 4);
  const got = processScores(scores, [1], { repetitionPenalty: 2, temperature: 2, topK: 2, topP: 0.8 });
  const never = Number.NEGATIVE_INFINITY;
  assert.deepEqual([...got], [0.5, never, never, never, 2]);
  const steps: Record<string, (x: Float64Array) => Float64Array> = {
    R: (x) => penalizeRepetition(x, [1], 2),
    T: (x) => applyTemperature(x, 2),
    K: (x) => keepTopK(x, 2),
    P: (x) => keepTopP(x, 0.8),
  };
  for (const order of ["KRTP", "RKPT", "RPTK", "PRTK", "RTPK", "TPRK"])
    assert.notDeepEqual(
      [...order].reduce<Float64Array>((x, step) => steps[step](x), scores),
      got,
      order,
    );
});

test("min-p and typical come after top-p, in this order", () => {
  fc.assert(
    fc.property(someScores, (scores) => {
      const options = { temperature: 1.5, topK: 8, topP: 0.9, minP: 0.05, typicalP: 0.7 };
      const first = keepTopP(keepTopK(applyTemperature(scores, 1.5), 8), 0.9);
      assert.deepEqual(processScores(scores, [], options), keepTypical(keepMinP(first, 0.05), 0.7));
    }),
  );
});

test("limits: temperature → 0, top-k = 1 and top-p → 0 are greedy", () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.integer({ min: -40, max: 40 }), { minLength: 1, maxLength: 12 }),
      fc.nat(99),
      (eighths, seed) => {
        const scores = Float64Array.from(eighths, (n) => n / 8);
        const best = argmax(scores);
        for (const options of [{ temperature: 1e-4 }, { topK: 1 }, { topP: 1e-9 }])
          assert.equal(chooseToken(scores, [], { ...options, seed }, 0, 0), best);
        assert.equal(chooseToken(scores, [], { greedy: true, temperature: 0 }, 0, 0), best);
      },
    ),
  );
});

test("tokens are drawn as often as they are likely", () => {
  const probability = probabilities(Float64Array.of(0, 1, Number.NEGATIVE_INFINITY, 2, -1));
  const counts = new Float64Array(5);
  const draws = 20_000;
  for (let step = 0; step < draws; step++) counts[pick(probability, uniformAt(11, 0, step))]++;
  assert.equal(counts[2], 0);
  // χ² with 3 degrees of freedom: above 27.9 once in 250 000 seeds.
  const chi = [0, 1, 3, 4].reduce(
    (total, id) => total + (counts[id] - draws * probability[id]) ** 2 / (draws * probability[id]),
    0,
  );
  assert.ok(chi < 27.9, `${chi}`);
  assert.equal(pick(Float64Array.of(0.5, 0.5, 0), 1 - 2 ** -53), 1);
  assert.equal(pick(Float64Array.of(0, 0.3, 0.3), 0.9), 2, "a sum below 1 ends at the last possible token");
});

test("draws are the engine's own random bits of (seed, stream, step)", async () => {
  const device = await deviceNamed("reference");
  await fc.assert(
    fc.asyncProperty(fc.nat(2 ** 40), fc.nat(1000), fc.nat(50), async (seed, stream, step) => {
      const words = await read(evaluate(bits(foldIn(key(seed), stream), [2 * step + 2]), device));
      const [high, low] = [words[2 * step], words[2 * step + 1]];
      assert.equal(uniformAt(seed, stream, step), (Math.floor(high / 32) * 2 ** 26 + Math.floor(low / 64)) / 2 ** 53);
    }),
    { numRuns: 30 },
  );
});
