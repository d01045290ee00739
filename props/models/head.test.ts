/** Laws of the head: what it says of a token, by definition; its gradient; and that no row sees another. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  add,
  crossEntropy,
  type Device,
  evaluate,
  iota,
  matmul,
  mul,
  neg,
  reshape,
  ShapeError,
  sliceAxis,
  sum,
  type Tensor,
  type Tree,
  tensor,
  transpose,
  valueAndGrad,
} from "../../core/index.js";
import { rowsTogether, SCORES, targetScores } from "../../models/head.js";
import { numbersOf } from "../close.js";
import { eighths, integers, seeds } from "../generators/generators.js";
import { check, law } from "../law.js";

const numbers = async (tree: Tree, device: Device) =>
  (await numbersOf(evaluate(tree, device))).map((x) => Array.from(x));

const entropyOf = (row: readonly number[]): number => {
  const top = Math.max(...row);
  const total = row.reduce((n, x) => n + Math.exp(x - top), 0);
  return row.reduce((n, x) => n - (Math.exp(x - top) / total) * (x - top - Math.log(total)), 0);
};

law(
  "log-probability, entropy, correctness and mean logit are their definitions, ties counting as right",
  fc.record({ seed: seeds(), M: fc.constantFrom(1, 3, 8, 21), V: fc.constantFrom(1, 2, 7, 40) }),
  async ({ seed, M, V }, device) => {
    const D = 3;
    const given = [eighths([M, D], seed), eighths([V, D], seed + 1), integers([M], seed + 2, 0, V - 1)] as const;
    const [h, w, target] = await numbers(given, device);
    const [scores] = await numbers(targetScores(...given, true), device);
    const [bare] = await numbers(targetScores(...given), device);
    assert.equal(scores.length, M * SCORES.length);
    const limit = device.name === "reference" ? 1e-12 : 4e-6;
    for (let m = 0; m < M; m++) {
      const row = Array.from({ length: V }, (_, v) => [0, 1, 2].reduce((n, d) => n + h[m * D + d] * w[v * D + d], 0));
      const top = Math.max(...row);
      const logp = row[target[m]] - top - Math.log(row.reduce((n, x) => n + Math.exp(x - top), 0));
      const want = [logp, entropyOf(row), Number(row[target[m]] === top), row.reduce((a, b) => a + b, 0) / V];
      const got = scores.slice(m * SCORES.length, (m + 1) * SCORES.length);
      for (const [i, x] of want.entries())
        assert.ok(Math.abs(got[i] - x) <= limit * Math.max(1, Math.abs(x)), `${SCORES[i]} of ${m}: ${got[i]} for ${x}`);
      assert.equal(bare[m], got[0]);
    }
  },
  { effort: 0.3 },
);

/** Two whole blocks of a small vocabulary and a part of a third. */
const [D, V] = [5, 11];
const M = 2 * rowsTogether(V) + 19;
const block = (seed: number) =>
  [eighths([M, D], seed), eighths([V, D], seed + 1), integers([M], seed + 2, 0, V - 1)] as const;

check("over many blocks the gradient is that of the cross-entropy over all logits", async (device) => {
  const [hidden, W, target] = block(5);
  const weights = mul(iota([M], 0, "f32"), 1 / M); // every row's cotangent is another
  type Inputs = { readonly hidden: Tensor; readonly W: Tensor };
  const slopes = (logps: (x: Inputs) => Tensor) =>
    valueAndGrad((x: Inputs) => sum(mul(weights, logps(x))))({ hidden, W }) as unknown as Tree;
  const want = await numbers(
    slopes((x) => neg(crossEntropy(matmul(x.hidden, transpose(x.W)), target))),
    device,
  );
  for (const metrics of [false, true]) {
    const logps = (x: Inputs) => reshape(sliceAxis(targetScores(x.hidden, x.W, target, metrics), 1, 0, 1), [M]);
    const got = await numbers(slopes(logps), device);
    const limit = device.name === "reference" ? 1e-12 : 1e-5;
    for (const [i, values] of want.entries()) {
      const scale = Math.max(...values.map(Math.abs));
      values.forEach((x, at) => {
        assert.ok(Math.abs(got[i][at] - x) <= limit * scale, `${i}, ${at}: ${got[i][at]} for ${x}`);
      });
    }
  }
});

check("entropy, correctness and mean logit pass no gradient", async (device) => {
  const [hidden, W, target] = block(6);
  const loss = (x: { hidden: Tensor; W: Tensor }) =>
    sum(sliceAxis(targetScores(x.hidden, x.W, target, true), 1, 1, SCORES.length));
  for (const slope of (await numbers(valueAndGrad(loss)({ hidden, W })[1], device)).flat()) assert.equal(slope, 0);
});

check("a row's numbers are the same bits whatever the others are, and however many", async (device) => {
  const [D, V] = [37, 70];
  const M = rowsTogether(V) + 13;
  const [hidden, W] = [mul(eighths([M, D], 1), 0.37), mul(eighths([V, D], 2), 0.71)];
  const target = integers([M], 3, 0, V - 1);
  const [all] = await numbers(targetScores(hidden, W, target, true), device);
  for (const [from, to] of [
    [0, 1],
    [5, 8],
    [1, 9],
    [3, 30],
    [7, 210],
    [M - 12, M],
    [11, M],
  ]) {
    const [some] = await numbers(
      targetScores(sliceAxis(hidden, 0, from, to), W, sliceAxis(target, 0, from, to), true),
      device,
    );
    assert.deepEqual(some, all.slice(from * SCORES.length, to * SCORES.length), `rows ${from} to ${to}`);
  }
});

check("entropy of logits whose exponentials overflow", async (device) => {
  const [scores] = await numbers(
    targetScores(tensor([[1000]]), tensor([[1], [1]]), tensor(Int32Array.of(1)), true),
    device,
  );
  assert.ok(
    [-Math.LN2, Math.LN2, 1, 1000].every((x, i) => Math.abs(scores[i] - x) <= 1e-6 * Math.abs(x)),
    `${scores}`,
  );
});

test("a block of logits fills 128 MiB at most, and is a number of rows that depends on the vocabulary alone", () => {
  assert.deepEqual(
    [2, 256, 8192, 32_000, 49_152, 151_936, 256_000].map(rowsTogether),
    [2048, 2048, 2048, 1048, 680, 216, 128],
  );
  for (const V of [1, 40_000, 151_936, 2 ** 21]) assert.ok(rowsTogether(V) * V * 4 <= 2 ** 27);
  assert.equal(rowsTogether(2 ** 24), 8);
});

test("heads that do not fit are refused by name", () => {
  const [hidden, W, target] = [tensor([[1, 2]]), tensor([[1, 2]]), tensor(Int32Array.of(0))];
  const wrong: readonly (readonly [Tensor, Tensor, Tensor])[] = [
    [hidden, tensor([[1, 2, 3]]), target],
    [hidden, W, tensor([0])],
    [hidden, W, tensor(Int32Array.of(0, 0))],
    [reshape(hidden, [2]), W, target],
    [hidden, reshape(W, [1, 2, 1]), target],
    [hidden, W, add(reshape(target, [1, 1]), target)],
  ];
  for (const args of wrong)
    assert.throws(
      () => targetScores(...args),
      (error) => error instanceof ShapeError && /^targetScores\(/.test(error.message),
    );
});
