import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { bits, dispose, evaluate, foldIn, InputError, key, read, tensor } from "../../core/index.js";
import { type GenerateOptions, generate, generator } from "../../models/generate.js";
import { logits } from "../../models/head.js";
import { initParams } from "../../models/init.js";
import {
  applyTemperature,
  argmax,
  chooseToken,
  keepTopK,
  keepTopP,
  penalizeRepetition,
  pick,
  probabilities,
  processScores,
  uniformAt,
} from "../../models/sample.js";
import { hiddenStates } from "../../models/transformer.js";
import { device as deviceNamed, presentDevices } from "../devices.js";
import { idRows, tinyConfig, tinyConfigs, tinyModel } from "../generators/tiny-models.js";

const sampled: GenerateOptions = {
  maxNewTokens: 6,
  temperature: 1.5,
  topK: 9,
  topP: 0.9,
  repetitionPenalty: 1.2,
  seed: 3,
  eosIds: [4],
};

for (const name of await presentDevices()) {
  const runs = name === "reference" ? 25 : 5;

  test(`greedy generation with a cache picks what recomputing the whole text picks [${name}]`, async () => {
    const device = await deviceNamed(name);
    const cases = tinyConfigs().chain((config) =>
      fc.tuple(fc.constant(config), idRows(config, { min: 1, max: 3 }, 20)),
    );
    await fc.assert(
      fc.asyncProperty(cases, async ([config, prompts]) => {
        const model = tinyModel(config, device);
        const texts = await generate(model, device, prompts, { maxNewTokens: 5, greedy: true, eosIds: [] });
        for (const [i, text] of texts.entries()) {
          assert.deepEqual(text.slice(0, prompts[i].length), prompts[i]);
          assert.equal(text.length, prompts[i].length + 5);
          const ids = tensor(Int32Array.from(text), [1, text.length]);
          const scores = evaluate(logits(model.params, config, hiddenStates(model.params, config, ids)), device);
          const all = Float64Array.from(await read(scores));
          for (let at = prompts[i].length; at < text.length; at++) {
            const before = all.subarray((at - 1) * config.vocabSize, at * config.vocabSize);
            // In f32 the other one of two equally good tokens may win.
            const slack = name === "reference" ? 0 : 1e-4;
            assert.ok(before[text[at]] >= before[argmax(before)] - slack, `row ${i}, token ${at}`);
          }
          dispose(scores);
        }
        dispose(model.params);
      }),
      { numRuns: runs },
    );
  });

  test(`a prompt in a batch gives what it gives alone, sampled or greedy [${name}]`, async () => {
    const device = await deviceNamed(name);
    const config = tinyConfig();
    const model = tinyModel(config, device);
    const go = generator(config, device);
    await fc.assert(
      fc.asyncProperty(
        idRows(config, { min: 2, max: 4 }, 18),
        fc.boolean(),
        fc.nat(1000),
        async (prompts, greedy, seed) => {
          const options = { ...sampled, greedy, seed };
          const together = await go(model.params, prompts, options);
          for (const [i, prompt] of prompts.entries()) {
            const [alone] = await go(model.params, [prompt], { ...options, streams: [i] });
            assert.deepEqual(together[i], alone);
            const end = alone.indexOf(4, prompt.length);
            assert.equal(alone.length, end === -1 ? prompt.length + 6 : end + 1, "ends with its eos, or at the limit");
          }
        },
      ),
      { numRuns: runs },
    );
    dispose(model.params);
  });

  test(`later calls build nothing and leave nothing behind, weights on the host or not [${name}]`, async () => {
    const device = await deviceNamed(name);
    const config = tinyConfig();
    const params = initParams(config, key(1));
    const stored = evaluate(params, device);
    const host = Object.fromEntries(
      await Promise.all(
        Object.entries(stored).map(
          async ([weight, t]) => [weight, tensor(Float32Array.from(await read(t)), t.shape)] as const,
        ),
      ),
    );
    const go = generator(config, device);
    const first = await go(stored, [[1, 2, 3], [5]], { ...sampled, eosIds: [] });
    const before = device.stats();
    const second = await go(stored, [[1, 2, 3], [5]], { ...sampled, eosIds: [] });
    const third = await go(
      host,
      [
        [7, 7, 7, 7, 7],
        [1, 0],
      ],
      { ...sampled, eosIds: [], maxNewTokens: 30 },
    );
    const after = device.stats();
    assert.deepEqual(second, first);
    assert.equal(third[0].length, 35);
    assert.deepEqual(
      [after.programs, after.kernels, after.liveBuffers],
      [before.programs, before.kernels, before.liveBuffers],
    );
    dispose(stored);
  });

  test(`what cannot be generated is refused with one line, and leaves nothing behind [${name}]`, async () => {
    const device = await deviceNamed(name);
    const model = tinyModel(tinyConfig({ eos_token_id: 2 }), device);
    const cases: [number[][], Partial<GenerateOptions>, RegExp][] = [
      [[[]], {}, /prompt 0 is empty/],
      [[[1], [19]], {}, /prompt 1: token id 19 .* vocabulary of 19/],
      [[[-1]], {}, /token id -1/],
      [[[1]], { temperature: 0 }, /temperature is 0.*greedy/],
      [[[1]], { temperature: Number.NaN }, /temperature/],
      [[[1]], { topP: 0 }, /topP is 0.*\(0, 1\]/],
      [[[1]], { topP: 1.1 }, /topP/],
      [[[1]], { topK: -1 }, /topK/],
      [[[1]], { topK: 1.5 }, /topK/],
      [[[1]], { repetitionPenalty: 0 }, /repetitionPenalty/],
      [[[1]], { seed: -1 }, /seed/],
      [[[1]], { maxNewTokens: -1 }, /maxNewTokens/],
      [[[1]], { eosIds: [99] }, /eosIds: token id 99/],
      [[[1]], { streams: [1, 2] }, /streams/],
    ];
    const before = device.stats().liveBuffers;
    for (const [prompts, options, pattern] of cases)
      await assert.rejects(generate(model, device, prompts, { maxNewTokens: 2, ...options }), (error) => {
        assert.ok(error instanceof InputError && !error.message.includes("\n"), String(error));
        assert.match(error.message, pattern);
        return true;
      });
    const broken = { ...model.params, "model.norm.weight": tensor(new Float32Array(12).fill(Number.NaN)) };
    await assert.rejects(
      generate({ ...model, params: broken }, device, [[1]], { maxNewTokens: 2 }),
      /logits are not numbers/,
    );
    assert.equal(device.stats().liveBuffers, before);
    dispose(model.params);
  });
}

test("nothing to add, nobody to add to", async () => {
  const device = await deviceNamed("reference");
  const model = tinyModel(tinyConfig(), device);
  assert.deepEqual(await generate(model, device, [[1, 2]], { maxNewTokens: 0 }), [[1, 2]]);
  assert.deepEqual(await generate(model, device, [], { maxNewTokens: 3 }), []);
  dispose(model.params);
});

// --- sampling ---------------------------------------------------------------------------------------------------------

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
