/** Products whose rows are read four at a time, and those that just cannot be, either side turned: every layout of the register kernel's lanes. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  add,
  compile,
  dispose,
  evaluate,
  matmul,
  maximum,
  mul,
  permute,
  read,
  reshape,
  sliceAxis,
  type Tensor,
  upload,
} from "../../../core/index.js";

import { agrees, assertSame, reference } from "../../close.js";
import { eighths, seeds } from "../../generators/generators.js";

import { webgpuCheck, webgpuLaw } from "./webgpu-variants.js";

const rows = fc.constantFrom(1, 2, 5, 8, 9, 17, 132, 257);
const columns = fc.constantFrom(4, 8, 12, 20, 36, 60, 64, 68, 132, 6, 67);

webgpuLaw(
  "products of all widths, from an offset, in batches, and of a tensor with itself are the reference's, bit for bit",
  fc.record({
    m: rows,
    n: columns,
    inner: fc.constantFrom(1, 3, 16),
    lead: fc.nat(3),
    turned: fc.record({ a: fc.boolean(), b: fc.boolean() }),
    seed: seeds(),
  }),
  async ({ m, n, inner, lead, turned, seed }, device) => {
    const turn = (isTurned: boolean, x: Tensor) => (isTurned ? permute(x, [0, 2, 1]) : x);
    const a = eighths(turned.a ? [2, inner, m] : [2, m, inner], seed);
    // b begins some rows and columns into a longer tensor: at a multiple of four numbers, or not.
    const b = eighths(turned.b ? [2, n + lead, inner + lead] : [2, inner + lead, n + lead], seed + 1);
    const square = eighths([n, n], seed + 2);
    // Sums of 132 products of eighths up to 2 are exact in f32.
    await agrees(
      (x: Tensor, y: Tensor, z: Tensor) => [
        matmul(turn(turned.a, x), sliceAxis(sliceAxis(turn(turned.b, y), 1, lead, lead + inner), 2, lead, lead + n)),
        matmul(z, z),
      ],
      [a, b, square],
      device,
      {},
    );
  },
  5,
);

webgpuLaw(
  "a product that passes through an expression on its way to memory is the reference's, bit for bit",
  fc.record({
    m: fc.constantFrom(1, 6, 65),
    n: fc.constantFrom(4, 67),
    inner: fc.constantFrom(0, 3, 300),
    seed: seeds(),
  }),
  async ({ m, n, inner, seed }, device) => {
    const shapes = [[2, m, inner], [inner, n], [n], [m, n, 2]];
    const [a, b, bias, rest] = shapes.map((shape, i) => eighths(shape, seed + i));
    await agrees(
      (x: Tensor, y: Tensor, z: Tensor, u: Tensor) => [
        maximum(add(matmul(x, y), z), 0),
        add(mul(reshape(matmul(x, mul(y, 2)), [2 * m, n]), 0.5), reshape(permute(u, [2, 0, 1]), [2 * m, n])),
      ],
      [a, b, bias, rest],
      device,
      {},
    );
  },
  5,
);

webgpuLaw(
  "a product added to what is donated takes its memory, and is the reference's, bit for bit",
  fc.record({
    m: fc.constantFrom(1, 6, 65),
    n: fc.constantFrom(4, 67),
    inner: fc.constantFrom(0, 3, 300),
    seed: seeds(),
  }),
  async ({ m, n, inner, seed }, device) => {
    const [a, b, c] = [
      [m, inner],
      [inner, n],
      [m, n],
    ].map((shape, i) => eighths(shape, seed + i));
    const f = (carry: Tensor, x: Tensor, y: Tensor) => add(mul(carry, 2), matmul(x, y));
    const run = compile(f, device, { donate: [0] });
    const out = run(upload(c, device), a, b) as Tensor;
    const want = evaluate(f(c, a, b), reference);
    assertSame(await read(out), await read(want));
    dispose(out, want);
    for (const program of run.programs()) {
      const { peak, inputs, constants, temporaries } = program.memory;
      assert.equal(peak, inputs + constants + temporaries, "no memory for the output");
      program.free();
    }
  },
  5,
);

webgpuCheck(
  "a bias and an activation cost a product no launch",
  async (device) => {
    const layer = compile((x: Tensor, w: Tensor, b: Tensor) => maximum(add(matmul(x, w), b), 0), device);
    const [x, w, b] = [[5, 3], [3, 7], [7]].map((shape, i) => eighths(shape, i));
    const before = device.stats().launches;
    dispose(layer(x, w, b));
    assert.equal(device.stats().launches - before, 1);
    for (const program of layer.programs()) program.free();
  },
  ["gpu"],
);
