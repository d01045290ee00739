/** Kernels that look up, add up by place, and choose the largest: the reference's numbers on every device. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { add, addRows, type Device, gather, mul, scatterAdd, type Tensor, tensor, topkMask } from "../../core/index.js";
import { agrees, numbersOf, reference, run } from "../close.js";
import { eighths, integers, seeds } from "../generators/generators.js";
import { law } from "../law.js";
import { webgpuLaw } from "./webgpu/webgpu-variants.js";

/** A law of the cpu device, and of both sets of webgpu kernels. */
const everywhere = <T>(name: string, drawn: fc.Arbitrary<T>, body: (value: T, device: Device) => Promise<void>) => {
  law(name, drawn, body, { on: ["cpu"], effort: 2 });
  webgpuLaw(name, drawn, body);
};

everywhere(
  "gather, scatterAdd and addRows, over its table and beside it, are the reference's, with ids repeated and outside",
  fc.record({
    rows: fc.integer({ min: 1, max: 40 }),
    ids: fc.nat({ max: 300 }),
    width: fc.nat({ max: 9 }),
    seed: seeds(),
  }),
  async ({ rows, ids, width, seed }, device) => {
    const index = integers([ids], seed, -2, rows + 1);
    await agrees(
      (table: Tensor, i: Tensor, updates: Tensor) => [
        ...[gather(table, i), scatterAdd(i, updates, rows)],
        ...[addRows(table, i, updates), addRows(mul(table, 2), i, updates), add(scatterAdd(i, updates, rows), table)],
      ],
      [eighths([rows, width], seed), index, eighths([ids, width], seed + 1)],
      device,
      {}, // sums of eighths are exact
    );
  },
);

everywhere(
  "topkMask is the reference's: exact count, ties to the lower index, no zeros, denormals too",
  fc.record({
    size: fc.oneof(fc.nat({ max: 20 }), fc.nat({ max: 5000 })),
    share: fc.nat({ max: 8 }),
    most: fc.constantFrom(1, 40),
    scale: fc.constantFrom(1, 2 ** -140, 2 ** 100),
    seed: seeds(),
  }),
  async ({ size, share, most, scale, seed }, device) => {
    const f = (x: Tensor) => topkMask(x, Math.round((size * share) / 8));
    const [numbers] = await numbersOf(eighths([size], seed, most));
    const x = tensor(Float32Array.from(numbers, (v) => v * scale));
    const [mask] = await run(f, [x], device);
    const [want] = await run(f, [x], reference);
    assert.deepEqual([...mask], [...want]);
  },
);
