/** Laws of inBlocks: the same numbers and gradients as in one piece, and the memory of a block. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  type Device,
  evaluate,
  exp,
  inBlocks,
  leaves,
  matmul,
  mul,
  sum,
  type Tensor,
  type Tree,
  transpose,
  valueAndGrad,
} from "../../core/index.js";
import { placeholder } from "../../core/ops/leaf.js";
import { memoryOf, plan } from "../../kernels/plan/plan.js";
import { numbersOf } from "../close.js";
import { eighths, seeds } from "../generators/generators.js";
import { law } from "../law.js";

type Inputs = { readonly x: Tensor; readonly scale: Tensor; readonly w: Tensor };

/** Of each row x and its scale: Σ exp(x wᵀ / 8) · scale, whose middle is as wide as w is long. */
const narrow = ([x, scale]: readonly Tensor[], [w]: readonly Tensor[]): Tensor =>
  mul(sum(exp(mul(1 / 8, matmul(x, transpose(w)))), 1), scale);

const numbers = async (tree: Tree, device: Device) =>
  (await numbersOf(evaluate(tree, device))).map((x) => Array.from(x));

law(
  "a function of rows, in blocks of any size, gives the same numbers and gradients as in one piece",
  fc.record({ seed: seeds(), N: fc.integer({ min: 1, max: 9 }), size: fc.integer({ min: 1, max: 10 }) }),
  async ({ seed, N, size }, device) => {
    const inputs: Inputs = { x: eighths([N, 3], seed), scale: eighths([N], seed + 1), w: eighths([5, 3], seed + 2) };
    const weights = eighths([N], seed + 3);
    const of = (f: typeof narrow) =>
      valueAndGrad(({ x, scale, w }: Inputs) => sum(mul(weights, f([x, scale], [w]))))(inputs) as unknown as Tree;
    const [want, got] = [await numbers(of(narrow), device), await numbers(of(inBlocks(narrow, size)), device)];
    const limit = device.name === "reference" ? 1e-12 : 1e-5;
    for (const [i, values] of want.entries()) {
      const scale = Math.max(1, ...values.map(Math.abs));
      values.forEach((x, at) => {
        assert.ok(Math.abs(got[i][at] - x) <= limit * scale, `${i}, ${at}: ${got[i][at]} for ${x}`);
      });
    }
  },
  { effort: 0.2 },
);

test("what is made on the way takes the memory of a block or two, in the gradient too", () => {
  const [N, V, size] = [64, 4096, 8];
  const inputs = { x: placeholder([N, 3], "f32"), scale: placeholder([N], "f32"), w: placeholder([V, 3], "f32") };
  const peak = (f: typeof narrow) => {
    const [, grads] = valueAndGrad(({ x, scale, w }: Inputs) => sum(f([x, scale], [w])))(inputs);
    const graph = { inputs: leaves(inputs), outputs: leaves(grads) };
    return memoryOf(plan(graph, { fused: new Set(), maxBuffers: 16, inPlace: true, batches: true })).temporaries;
  };
  const [whole, cut] = [peak(narrow), peak(inBlocks(narrow, size))];
  assert.ok(whole >= 4 * N * V && cut <= 4 * V * (2 * size + (N / size) * 3) + 2 ** 14, `${whole} and ${cut} bytes`);
});
