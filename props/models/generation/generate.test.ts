import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { dispose, evaluate, gather, InputError, key, leaves, read, reshape, tensor } from "../../../core/index.js";
import { type GenerateOptions, generate, generator } from "../../../models/generation/generate.js";
import { programs } from "../../../models/generation/programs.js";
import { argmax } from "../../../models/generation/sample.js";
import { logits } from "../../../models/head.js";
import { initParams } from "../../../models/init.js";
import { hiddenStates, prefill } from "../../../models/transformer.js";
import { device as deviceNamed, presentDevices } from "../../devices.js";
import { idRows, tinyConfig, tinyConfigs, tinyModel } from "../../generators/tiny-models.js";

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
    const none = device.stats().programs;
    const first = await go(stored, [[1, 2, 3], [5]], { ...sampled, eosIds: [] });
    const before = device.stats();
    assert.equal(before.programs - none, 4, "embedding, a layer for all alike, scores, and the step after them");
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

  test(`prompts fed layer by layer have the scores and the cache of one program [${name}]`, async () => {
    const device = await deviceNamed(name);
    const config = tinyConfig({ num_hidden_layers: 3 });
    const { params } = tinyModel(config, device);
    const apart = programs(config, device);
    const parts = apart.start(params, [Array.from({ length: 16 }, (_, i) => (7 * i) % 19), [4]], 64);
    const ids = tensor(
      Int32Array.from({ length: 32 }, (_, i) => (i < 16 ? (7 * i) % 19 : i === 16 ? 4 : 0)),
      [2, 16],
    );
    const { hidden, cache } = prefill(params, config, ids, 64);
    const rows = gather(reshape(hidden, [32, config.hiddenSize]), tensor([15, 16], [2], "i32"));
    const whole = evaluate({ scores: logits(params, config, rows), cache }, device);
    const [a, b] = await Promise.all([parts, whole].map((tree) => Promise.all(leaves(tree).map((t) => read(t)))));
    assert.deepEqual(a, b);
    dispose(params, parts, whole);
    apart.free();
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
      [[[1]], { minP: 1.5 }, /minP is 1.5.*\[0, 1\]/],
      [[[1]], { typicalP: 0 }, /typicalP is 0.*\(0, 1\]/],
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
