/** The vocabulary head on both sets of kernels: what it says of a token, its gradient, and that no row sees another. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type Device,
  evaluate,
  type HeadOptions,
  headScores,
  mul,
  sliceAxis,
  sum,
  type Tensor,
  valueAndGrad,
} from "../../../core/index.js";
import { agrees, assertClose, assertSame, numbersOf, run } from "../../close.js";
import { eighths, integers, seeds } from "../../generators/generators.js";
import { check } from "../../law.js";
import { hasUnits, webgpuCheck, webgpuLaw } from "./webgpu-variants.js";

/** What the head says of rows, and the gradient of its log-probabilities: hidden, W, targets, cotangents [M, 1], all of them times `factor`. */
const withSlopes =
  (options: HeadOptions, factor = 1) =>
  (h: Tensor, w: Tensor, ids: Tensor, ct: Tensor) => {
    const logps = (x: Tensor, y: Tensor) => sliceAxis(headScores(x, y, ids, options), 1, 0, 1);
    const loss = ({ x, y }: { x: Tensor; y: Tensor }) => sum(mul(mul(ct, factor), logps(x, y)));
    const [, slopes] = valueAndGrad(loss)({ x: h, y: w });
    return [headScores(h, w, ids, options), slopes.x, slopes.y];
  };

const drawn = (M: number, D: number, V: number, seed: number): [Tensor, Tensor, Tensor, Tensor] => [
  ...([eighths([M, D], seed), eighths([V, D], seed + 1)] as const),
  ...([integers([M], seed + 2, 0, V - 1), eighths([M, 1], seed + 3)] as const),
];

webgpuLaw(
  "what the head says of a token, and its gradient, are their expansions'",
  fc.record({
    M: fc.constantFrom(1, 70, 131),
    D: fc.constantFrom(3, 16, 20),
    V: fc.constantFrom(1, 64, 130),
    rows: fc.constantFrom(8, 300),
    columns: fc.constantFrom(64, 1000),
    metrics: fc.boolean(),
    cap: fc.constantFrom(undefined, 3),
    seed: seeds(),
  }),
  async ({ M, D, V, rows, columns, metrics, cap, seed }, device) => {
    const options = { metrics, rows, columns, tall: 80, cap };
    // Logits are exact, at most 80; a few roundings of terms that large, and of sums of at most 131 in the gradient.
    await agrees(withSlopes(options), drawn(M, D, V, seed), device, { rel: 1e-5, abs: 1e-5 });
  },
  2,
);

webgpuCheck("what the head says of a row are the same bits whatever the other rows are", async (device) => {
  const [M, D, V] = [300, 37, 200];
  const [h, w, ids] = [mul(eighths([M, D], 1), 0.37), mul(eighths([V, D], 2), 0.71), integers([M], 3, 0, V - 1)];
  const of = async (from: number, to: number) => {
    const rows = headScores(sliceAxis(h, 0, from, to), w, sliceAxis(ids, 0, from, to), { metrics: true, rows: 40 });
    return (await numbersOf(evaluate([rows], device)))[0];
  };
  const all = await of(0, M);
  for (const [from, to] of [
    [0, 1],
    [5, 45],
    [7, 200],
    [M - 64, M],
  ])
    assertSame(await of(from, to), all.slice(from * 6, to * 6), `rows ${from} to ${to}`);
});

/** Cotangents of any size, 1e-9 here, and probabilities of 1e-6 leave no trace of f16's range. */
const isNear = async (device: Device): Promise<void> => {
  const [M, D, V] = [64, 48, 320];
  const given = drawn(M, D, V, 9);
  const options = { metrics: true, rows: 40, columns: 160, tall: 64, cap: 6 };
  const [plain, half] = [
    await run(withSlopes(options, 1e-9), given, device),
    await run(withSlopes({ ...options, operands: "f16" }, 1e-9), given, device),
  ];
  assertClose(half[0], plain[0], { rel: 1e-5, abs: 1e-5 }, "scores of exact logits");
  for (const i of [1, 2]) {
    const [off, all] = Array.from(plain[i]).reduce(([d, n], x, at) => [d + (half[i][at] - x) ** 2, n + x ** 2], [0, 0]);
    assert.ok(all > 0 && Math.sqrt(off / all) < 1e-3, `gradient ${i}: ${Math.sqrt(off / all)}`);
    assert.ok(off > 0, "rounding changes something");
  }
};
const name = "a head of f16 operands is the same of exact logits, and its gradient within 1e-3 in relative norm";
check(name, isNear, ["cpu"]);
if (hasUnits) webgpuCheck(name, isNear, ["gpu"]);
