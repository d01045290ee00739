/** Every loss by its definition in plain numbers; padding, extremes, weights. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  PAIR_LOSS_TYPES,
  type PairLossType,
  pairLoss,
  type WeightedLosses,
  weightedLosses,
} from "../../../align/objectives/losses.js";
import { InputError } from "../../../core/index.js";
import { check, law } from "../../law.js";
import { B, batches, gradientsOf, lossesOf, near, numbers, options, plain, plus, scoresOf } from "./pair-losses.js";

const few = { effort: 0.2 };

law(
  "every loss is its definition",
  batches,
  async (pairs, device) => {
    const got = await lossesOf(scoresOf(pairs), device);
    for (const type of PAIR_LOSS_TYPES)
      near(
        got.get(type) as number[],
        pairs.map((pair) => plain[type](pair, pairs)),
        device,
        type,
      );
  },
  few,
);

law(
  "padding, whatever it holds, changes no pair's loss, and its own is finite, gradient and all",
  fc.tuple(batches, fc.integer({ min: 1, max: B })),
  async ([pairs, count], device) => {
    const real = pairs.slice(0, count);
    const nothing = { policy: 0, reference: 0, tokens: 0 };
    const padded = [...real, { w: nothing, l: nothing }, ...pairs.slice(count)];
    const scores = scoresOf(
      padded,
      padded.map((_, i) => Number(i < count)),
    );
    const got = await lossesOf(scores, device);
    for (const type of PAIR_LOSS_TYPES) {
      const values = got.get(type) as number[];
      near(
        values.slice(0, count),
        real.map((pair) => plain[type](pair, real)),
        device,
        type,
      );
      assert.ok(values.every(Number.isFinite), `${type}: ${values}`);
    }
    const grads = await gradientsOf(scores, device);
    for (const [name, values] of grads) assert.ok(values.every(Number.isFinite), `${name}: ${values}`);
  },
  few,
);

check("a batch of padding alone: nothing is divided by nothing", async (device) => {
  const side = { policy: -1, reference: -2, tokens: 2 };
  const losses = await lossesOf(scoresOf([{ w: side, l: side }], [0]), device);
  for (const [type, values] of losses) assert.ok(values.every(Number.isFinite), `${type}: ${values}`);
  assert.deepEqual(losses.get("sft")?.map(Math.abs), [0]);
});

check("unless said there is no label smoothing, and simpo's margin is 0.5", async (device) => {
  const one = (policy: number) => ({ policy, reference: -3, tokens: 2 });
  const scores = scoresOf([{ w: one(-2), l: one(-5) }]);
  const got = await numbers(
    {
      sigmoid: pairLoss([["sigmoid", 1]], scores, { beta: 0.5 }),
      cdpo: pairLoss([["cdpo", 1]], scores, { beta: 0.5 }),
      robust: pairLoss([["robust", 1]], scores, { beta: 0.5 }),
      simpo: pairLoss([["simpo", 1]], scores, { beta: 0.5 }),
    },
    device,
  );
  for (const type of ["cdpo", "robust"]) assert.deepEqual(got.get(type), got.get("sigmoid"), type);
  near(got.get("simpo") as number[], [Math.log1p(Math.exp(0.5 - 0.75))], device, "simpo");
});

check("orpo's odds of a certain completion are those of a log-probability of −1e-6", async (device) => {
  const certain = [-1e-9, -1e-6].map((policy) => ({
    w: { policy: -1, reference: 0, tokens: 1 },
    l: { policy, reference: 0, tokens: 1 },
  }));
  const scores = scoresOf(certain);
  const [held, border] = (await lossesOf(scores, device, ["orpo"])).get("orpo") as number[];
  assert.equal(held, border);
  const want = plain.orpo(certain[1], certain);
  assert.ok(Math.abs(border - want) <= 1e-6 * want, `${border} is not ${want}`);
  assert.equal((await gradientsOf(scores, device, ["orpo"])).get("orpo l")?.[0], 0);
});

law(
  "several losses are their weighted sum",
  fc.tuple(batches, fc.subarray([...PAIR_LOSS_TYPES], { minLength: 2, maxLength: 4 })),
  async ([pairs, types], device) => {
    const scores = scoresOf(pairs);
    const losses: WeightedLosses = types.map((type, i) => [type, (i - 1) / 2]);
    const each = await lossesOf(scores, device, types);
    const got = await numbers({ all: pairLoss(losses, scores, options) }, device);
    const zero = pairs.map(() => 0);
    const want = losses.reduce((so, [type, weight]) => plus(so, each.get(type) as number[], weight), zero);
    const size = Math.max(1, ...losses.flatMap(([type]) => (each.get(type) as number[]).map(Math.abs)));
    near(
      (got.get("all") as number[]).map((x) => x / size),
      want.map((x) => x / size),
      device,
      types.join(),
    );
  },
  few,
);

check("log-ratios beyond every range: no loss is NaN, and neither is a gradient", async (device) => {
  const far = (policy: number, reference: number) => ({ policy, reference, tokens: 8 });
  const extremes = [
    { w: far(-1e4, -1), l: far(-1, -1e4) },
    { w: far(-1, -1e4), l: far(-1e4, -1) },
    { w: far(-1e-12, -1), l: far(-80, -80) },
    { w: far(0, 0), l: far(0, 0) },
  ];
  const scores = scoresOf(extremes);
  for (const [name, values] of [...(await lossesOf(scores, device)), ...(await gradientsOf(scores, device))])
    assert.ok(values.every(Number.isFinite), `${name}: ${values}`);
});

test("loss_type and loss_weights: one or several, each with a weight", () => {
  const weigh = (types: PairLossType | PairLossType[], weights?: number[], labelSmoothing = 0.1) =>
    weightedLosses(types, weights, { labelSmoothing });
  assert.deepEqual(weigh("ipo"), [["ipo", 1]]);
  assert.deepEqual(weigh("exo_pair"), [["exo_pair", 1]]);
  assert.deepEqual(weigh(["sigmoid", "sft"], [1, 0.2]), [
    ["sigmoid", 1],
    ["sft", 0.2],
  ]);
  for (const [run, say] of [
    [() => weigh([]), /names no loss/],
    [() => weigh(["ipo", "sft", "ipo"]), /names ipo twice/],
    [() => weigh(["sigmoid", "sft"], [1]), /loss_weights holds 1 for 2 in loss_type \(sigmoid, sft\)/],
    [() => weigh("exo_pair", undefined, 0), /label_smoothing; make it larger than 0/],
    [() => weightedLosses("exo_pair", undefined, {}), /label_smoothing; make it larger than 0/],
  ] as const)
    assert.throws(run, (error) => error instanceof InputError && say.test(error.message));
});
