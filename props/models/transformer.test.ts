import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  add,
  compile,
  dispose,
  evaluate,
  foldInName,
  key,
  mean,
  mul,
  normal,
  read,
  ShapeError,
  square,
  sum,
  type Tensor,
  tensor,
  treeMap,
  treeZip,
  valueAndGrad,
} from "../../core/index.js";
import { generator } from "../../models/generation/generate.js";
import { logits } from "../../models/head.js";
import { initParams } from "../../models/init.js";
import type { Params } from "../../models/parameters.js";
import { decode, hiddenStates, prefill } from "../../models/transformer.js";
import { device as deviceNamed, presentDevices } from "../devices.js";
import { idRows, tinyConfig, tinyConfigs, tinyModel } from "../generators/tiny-models.js";
import { naiveLogits } from "./naive-transformer.js";
import { tokenLogps } from "./token-logps.js";

const padTo = (rows: readonly (readonly number[])[], T: number, filler: number): Tensor =>
  tensor(Int32Array.from(rows.flatMap((row) => [...row, ...new Array<number>(T - row.length).fill(filler)])), [
    rows.length,
    T,
  ]);

/** Largest difference of two lists, relative to the second's largest number. */
const apart = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  assert.equal(a.length, b.length);
  let [error, largest] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    error = Math.max(error, Math.abs(a[i] - b[i]));
    largest = Math.max(largest, Math.abs(b[i]));
  }
  return error === 0 ? 0 : error / largest;
};

for (const name of await presentDevices()) {
  const close = name === "reference" ? 1e-10 : 1e-4;
  const runs = name === "reference" ? 25 : 5;

  test(`the forward pass is that of the equations, token by token, whatever the configuration [${name}]`, async () => {
    const device = await deviceNamed(name);
    const cases = tinyConfigs().chain((config) => fc.tuple(fc.constant(config), idRows(config, { min: 1, max: 3 }, 6)));
    await fc.assert(
      fc.asyncProperty(cases, async ([config, rows]) => {
        const { params } = tinyModel(config, device);
        const weights = Object.fromEntries(
          await Promise.all(Object.entries(params).map(async ([weight, t]) => [weight, await read(t)] as const)),
        );
        const out = evaluate(logits(params, config, hiddenStates(params, config, padTo(rows, 6, 0))), device);
        const got = await read(out);
        for (const [b, row] of rows.entries()) {
          const at = b * 6 * config.vocabSize;
          const expected = naiveLogits(config, weights, row).flat();
          assert.ok(apart(got.subarray(at, at + expected.length), expected) < close);
        }
        dispose(params, out);
      }),
      { numRuns: runs },
    );
  });

  test(`neither padding nor later tokens change what comes before [${name}]`, async () => {
    const device = await deviceNamed(name);
    const config = tinyConfig();
    await fc.assert(
      fc.asyncProperty(
        tinyConfigs().chain((config) => fc.tuple(fc.constant(config), idRows(config, { min: 1, max: 3 }, 7))),
        fc.nat(config.vocabSize - 1),
        async ([config, rows], filler) => {
          const { params } = tinyModel(config, device);
          const scoresOf = async (ids: Tensor) => {
            const out = evaluate(logits(params, config, hiddenStates(params, config, ids)), device);
            const data = await read(out);
            dispose(out);
            return data;
          };
          const together = await scoresOf(padTo(rows, 9, filler));
          for (const [b, row] of rows.entries()) {
            const alone = await scoresOf(tensor(Int32Array.from(row), [1, row.length]));
            const at = b * 9 * config.vocabSize;
            assert.ok(apart(together.subarray(at, at + alone.length), alone) < close);
          }
          dispose(params);
        },
      ),
      { numRuns: runs },
    );
  });

  test(`prefill and decode, token by token, give the hidden states of the whole [${name}]`, async () => {
    const device = await deviceNamed(name);
    const cases = tinyConfigs().chain((config) =>
      fc.tuple(
        fc.constant(config),
        idRows(config, { min: 1, max: 3 }, 5),
        fc.array(fc.array(fc.nat(config.vocabSize - 1), { minLength: 3, maxLength: 3 }), {
          minLength: 1,
          maxLength: 3,
        }),
      ),
    );
    await fc.assert(
      fc.asyncProperty(cases, async ([config, prompts, steps]) => {
        const { params } = tinyModel(config, device);
        const B = prompts.length;
        const start = evaluate(prefill(params, config, padTo(prompts, 6, 0), 10), device);
        let cache = start.cache;
        dispose(start.hidden);
        const texts = prompts.map((row) => [...row]);
        for (const step of steps) {
          const ids = tensor(
            Int32Array.from({ length: B }, (_, b) => step[b]),
            [B, 1],
          );
          const position = tensor(
            Int32Array.from(texts, (row) => row.length),
            [B, 1],
          );
          const next = evaluate(decode(params, config, ids, position, cache), device);
          dispose(cache);
          cache = next.cache;
          texts.forEach((row, b) => {
            row.push(step[b]);
          });
          const got = await read(next.hidden);
          const whole = evaluate(hiddenStates(params, config, padTo(texts, 10, 0)), device);
          const all = await read(whole);
          const D = config.hiddenSize;
          texts.forEach((row, b) => {
            const at = (b * 10 + row.length - 1) * D;
            assert.ok(apart(got.subarray(b * D, (b + 1) * D), all.subarray(at, at + D)) < close);
          });
          dispose(whole, next.hidden);
        }
        dispose(params, cache);
      }),
      { numRuns: runs },
    );
  });

  test(`checkpointing changes no value and no gradient [${name}]`, async () => {
    const device = await deviceNamed(name);
    await fc.assert(
      fc.asyncProperty(tinyConfigs(), async (config) => {
        const { params } = tinyModel(config, device);
        const ids = padTo(
          [
            [1, 5, 3, 3, 18],
            [2, 7],
          ],
          5,
          0,
        );
        const results = [false, true].map((checkpoint) =>
          compile(
            valueAndGrad((p: Params) => mean(tokenLogps(p, config, ids, { checkpoint }))),
            device,
          )(params),
        );
        const [plain, again] = await Promise.all(
          results.map(async ([value, grads]) => ({
            value: await read(value),
            grads: await Promise.all(Object.values(grads).map(read)),
          })),
        );
        assert.ok(apart(again.value, plain.value) < close);
        plain.grads.forEach((g, i) => {
          assert.ok(apart(again.grads[i], g) < close);
        });
        dispose(params, ...results);
      }),
      { numRuns: Math.ceil(runs / 4) },
    );
  });
}

test("the gradient of a whole model is its directional derivative", async () => {
  const device = await deviceNamed("reference");
  await fc.assert(
    fc.asyncProperty(tinyConfigs(), fc.nat(1000), async (config, seed) => {
      const { params } = tinyModel(config, device);
      const ids = padTo(
        [
          [1, 5, 3, 3, 18],
          [2, 7, 7, 0, 1],
        ],
        5,
        0,
      );
      const direction = evaluate(
        treeMap((w, name) => normal(foldInName(key(seed), name), w.shape), params),
        device,
      );
      const loss = (p: Params) => mean(square(tokenLogps(p, config, ids)));
      const moved = (by: number) => evaluate(loss(treeZip(([w, d]) => add(w, mul(by, d)), params, direction)), device);
      const slope = evaluate(
        Object.entries(valueAndGrad(loss)(params)[1])
          .map(([name, g]) => sum(mul(g, direction[name])))
          .reduce((a, b) => add(a, b)),
        device,
      );
      // Embeddings are small, so that the loss curves sharply: the difference has to be of fourth order.
      const h = 1e-5;
      const [ahead, behind, farAhead, farBehind] = await Promise.all(
        [h, -h, 2 * h, -2 * h].map(async (by) => (await read(moved(by)))[0]),
      );
      const exact = await read(slope);
      const difference = (8 * (ahead - behind) - (farAhead - farBehind)) / (12 * h);
      assert.ok(
        Math.abs(difference - exact[0]) < 1e-5 * Math.max(1, Math.abs(exact[0])),
        `${difference} and ${exact[0]}`,
      );
      dispose(params, direction, slope);
    }),
    { numRuns: 15 },
  );
});

test("longrope: a batch longer than the first training's length turns by the long factors, a generation is refused", async () => {
  const device = await deviceNamed("reference");
  const config = tinyConfig({
    ...{ model_type: "phi3", head_dim: 4, original_max_position_embeddings: 5 },
    rope_scaling: { type: "longrope", short_factor: [1, 2], long_factor: [3, 7] },
  });
  const { params } = tinyModel(config, device);
  const weights = Object.fromEntries(
    await Promise.all(Object.entries(params).map(async ([weight, t]) => [weight, await read(t)] as const)),
  );
  for (const row of [
    [1, 5, 3, 18, 2],
    [1, 5, 3, 18, 2, 7],
  ]) {
    const ids = padTo([row], row.length, 0);
    const got = await read(evaluate(logits(params, config, hiddenStates(params, config, ids)), device));
    assert.ok(apart(got, naiveLogits(config, weights, row).flat()) < 1e-10, `${row.length} tokens`);
  }
  const run = generator(config, device);
  assert.equal((await run(params, [[1, 5]], { maxNewTokens: 3, greedy: true }))[0].length, 5);
  await assert.rejects(
    run(params, [[1, 5]], { maxNewTokens: 4 }),
    /6, and with longrope over .*\(5\) is not supported/,
  );
  run.free();
  dispose(params);
});

test("calls that do not fit are refused by name", () => {
  const config = tinyConfig();
  const params = initParams(config, key(0));
  const ids = tensor(new Int32Array(6), [2, 3]);
  const { "model.layers.1.mlp.up_proj.weight": _, ...incomplete } = params;
  const refused = (run: () => unknown, pattern: RegExp) =>
    assert.throws(run, (error) => error instanceof ShapeError && pattern.test(error.message));
  refused(() => hiddenStates(incomplete, config, ids), /model\.layers\.1\.mlp\.up_proj\.weight/);
  refused(() => hiddenStates(params, config, tensor([[1, 2]])), /f32\[1,2\].*\n.*i32 \[B, T\]/);
  refused(() => hiddenStates(params, config, tensor(new Int32Array(3))), /i32\[3\]/);
  const { cache } = prefill(params, config, ids, 8);
  const place = tensor(new Int32Array(2), [2, 1]);
  refused(() => decode(params, config, ids, place, cache), /position for each token/);
});
