/** Each training option does what its name says. */
import assert from "node:assert/strict";
import { referenceDelta } from "../../../align/training/rules/reference-delta.js";
import { dispose, read } from "../../../core/index.js";
import { sgd } from "../../../optim/bases/sgd.js";
import { optimizer as liftRule } from "../../../optim/optimizer.js";
import {
  farthest,
  type Numbers,
  numbersOf,
  type Outcome,
  tinyParams,
  trainTiny,
} from "../../generators/tiny-training.js";
import { check } from "../../law.js";

check("the schedule is what is logged, and what moves the weights", async (device) => {
  const setting = { steps: 4, learningRate: 0.01, scheduler: "linear", warmupSteps: 2, minRatio: 0.5 } as const;
  const seen: Numbers[] = [];
  const { records } = await trainTiny("sft", setting, device, async ({ params }) =>
    seen.push(await numbersOf(params, read)),
  );
  const rates = [0, 0.005, 0.01, 0.0075];
  assert.deepEqual(
    records.map(({ learning_rate }) => Math.round(learning_rate * 1e9) / 1e9),
    rates,
  );
  const start = tinyParams(1, device);
  assert.equal(farthest(await numbersOf(start, read), seen[0]), 0);
  dispose(start);
  // Adam's step is bounded by the rate (by a little more while the moments warm up), and here it comes close to it.
  for (let i = 1; i < rates.length; i++) {
    const moved = farthest(seen[i], seen[i - 1]);
    assert.ok(moved > 0.5 * rates[i] && moved < 1.5 * rates[i], `step ${i + 1} moved ${moved} at rate ${rates[i]}`);
  }
});

check("weight decay shrinks matrices and leaves biases and norm weights alone", async (device) => {
  const setting = { steps: 1, learningRate: 0.01 };
  const [free, decayed] = [
    await trainTiny("sft", setting, device),
    await trainTiny("sft", { ...setting, optimizer: { weightDecay: 0.5 } }, device),
  ];
  const start = tinyParams(1, device);
  const before = await numbersOf(start, read);
  dispose(start);
  for (const [name, w] of before) {
    const exempt = name.endsWith("norm.weight") || name.endsWith(".bias");
    for (let i = 0; i < w.length; i++) {
      const shrunk = (free.weights.get(name)?.[i] ?? 0) - (decayed.weights.get(name)?.[i] ?? 0);
      assert.ok(Math.abs(shrunk - (exempt ? 0 : 0.005 * w[i])) <= 1e-6, `${name}[${i}]`);
    }
  }
});

check("clipping scales the gradient to the bound, and the norm before it is logged", async (device) => {
  const limit = 1e-2;
  // Plain descent at rate 1 moves the weights by the gradient itself.
  const setting = { steps: 1, learningRate: 1, rule: liftRule(sgd()) };
  const free = await trainTiny("sft", { ...setting, maxGradNorm: 0 }, device);
  const clipped = await trainTiny("sft", { ...setting, maxGradNorm: limit }, device);
  const start = tinyParams(1, device);
  const before = await numbersOf(start, read);
  dispose(start);
  const moves = ({ weights }: Outcome) =>
    [...weights].flatMap(([name, w]) => Array.from(w, (x, i) => x - (before.get(name)?.[i] ?? 0)));
  const [whole, scaled] = [moves(free), moves(clipped)];
  const norm = free.records[0].grad_norm;
  assert.ok(norm > 10 * limit);
  assert.equal(clipped.records[0].grad_norm, norm);
  assert.ok(Math.abs(Math.hypot(...whole) / norm - 1) <= 1e-4);
  for (const [i, move] of scaled.entries()) assert.ok(Math.abs(move - (whole[i] * limit) / (norm + 1e-6)) <= 1e-6);
});

check("with α = 1 and p = 1 a step is the reference delta", async (device) => {
  const [base, reference, start] = [3, 4, 1].map((seed) => tinyParams(seed, device));
  const { weights } = await trainTiny(
    "sft",
    {
      steps: 1,
      learningRate: 0.01,
      optimizer: { optim: "onties", alpha: 1 },
      refDelta: referenceDelta(reference, base),
    },
    device,
  );
  const [b, r, w] = [await numbersOf(base, read), await numbersOf(reference, read), await numbersOf(start, read)];
  for (const [name, after] of weights)
    for (let i = 0; i < after.length; i++) {
      const expected = (w.get(name)?.[i] ?? 0) + (r.get(name)?.[i] ?? 0) - (b.get(name)?.[i] ?? 0);
      assert.ok(Math.abs(after[i] - expected) <= 1e-6, `${name}[${i}]: ${after[i]} is not ${expected}`);
    }
  dispose(base, reference, start);
});
