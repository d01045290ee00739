/** The vocabulary head on both sets of kernels: what it says of a token, its gradient, and that no row sees another. */
import fc from "fast-check";
import {
  evaluate,
  headScores,
  mul,
  sliceAxis,
  sum,
  type Tensor,
  type Tree,
  valueAndGrad,
} from "../../../core/index.js";
import { agrees, assertSame, numbersOf } from "../../close.js";
import { eighths, integers, seeds } from "../../generators/generators.js";
import { webgpuCheck, webgpuLaw } from "./webgpu-variants.js";

const heads = fc.record({
  M: fc.constantFrom(1, 8, 70, 131),
  D: fc.constantFrom(3, 16, 20),
  V: fc.constantFrom(1, 63, 64, 130, 257),
  rows: fc.constantFrom(8, 300),
  columns: fc.constantFrom(64, 1000),
  metrics: fc.boolean(),
  cap: fc.constantFrom(undefined, 3),
  seed: seeds(),
});

webgpuLaw(
  "what the head says of a token, and its gradient, are their expansions'",
  heads,
  async ({ M, D, V, rows, columns, metrics, cap, seed }, device) => {
    const options = { metrics, rows, columns, tall: rows, ...(cap !== undefined && { cap }) };
    const width = metrics ? 6 : 3;
    const all = (h: Tensor, w: Tensor, ids: Tensor, ct: Tensor): Tree => {
      const scores = headScores(h, w, ids, options);
      const loss = ({ x, y }: { x: Tensor; y: Tensor }) => {
        const own = headScores(x, y, ids, options);
        return sum(mul(ct, sliceAxis(own, 1, 0, 1)));
      };
      const [, slopes] = valueAndGrad(loss)({ x: h, y: w });
      return [scores, slopes.x, slopes.y];
    };
    const [h, w] = [eighths([M, D], seed), eighths([V, D], seed + 1)];
    const given = [h, w, integers([M], seed + 2, 0, V - 1), eighths([M, 1], seed + 3)] as const;
    // Logits are exact, and at most 4 D; 2 ulp of an exponential, D + V terms of each sum in the gradient.
    await agrees(all, [...given], device, { rel: 1e-5, abs: 1e-5 * Math.sqrt(width) });
  },
  2,
);

webgpuCheck("what the head says of a row are the same bits whatever the other rows are", async (device) => {
  const [M, D, V] = [300, 37, 200];
  const [h, w] = [mul(eighths([M, D], 1), 0.37), mul(eighths([V, D], 2), 0.71)];
  const ids = integers([M], 3, 0, V - 1);
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
