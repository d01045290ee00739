/** Laws of the memory that a plan takes, without any device. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import * as t from "../core/index.js";
import { placeholder } from "../core/ops/leaf.js";
import { donorsOf, memoryOf, plan } from "../kernels/plan/plan.js";
import type { Abilities } from "../kernels/plan/steps.js";
import { randomGraphs } from "./random-graphs.js";
import { seed } from "./seed.js";
import { assertSound } from "./sound-plan.js";

/** Narrow kernels, and wide ones that finish a product before it is written. */
const variants = [false, true].map((epilogue): Abilities => {
  return { fused: new Set(), maxBuffers: 16, inPlace: true, batches: !epilogue, epilogue };
});
const named = ({ epilogue }: Abilities) => (epilogue ? "wide" : "narrow");

test("finishing products before they are written costs no more than the largest tensor", () => {
  fc.assert(
    fc.property(randomGraphs(12), fc.nat(15), ({ leaves, build }, donation) => {
      const inputs = leaves.map(({ x }) => placeholder(x.shape, x.dtype));
      const outputs = build(inputs).map(({ x }) => x);
      const donated = inputs.flatMap((_, i) => ((donation >> i) % 2 === 1 ? [i] : []));
      const [without, joined] = variants.map((able) => plan({ inputs, outputs, donated }, { ...able, batches: false }));
      const largest = Math.max(0, ...without.buffers.map(({ bytes }) => bytes));
      const [most, peak] = [memoryOf(without).peak + largest, memoryOf(joined).peak];
      assert.ok(peak <= most, `${peak} bytes, ${most - largest} without, ${largest} the largest`);
    }),
    { numRuns: 300, seed },
  );
});

for (const able of variants) {
  test(`gradients are added to a donated carry as soon as they are there, in its memory (${named(able)})`, () => {
    const layers = 12;
    const [x, ...weights] = Array.from({ length: layers + 1 }, () => placeholder([32, 32], "f32"));
    const carry = weights.map(({ shape }) => placeholder(shape, "f32"));
    const loss = (ws: t.Tensor[]) => t.sum(t.square(ws.reduce((h, w) => t.matmul(h, w), x)));
    const outputs = t
      .grad(loss)(weights)
      .map((slope, i) => t.add(carry[i], slope));
    const inputs = [x, ...weights, ...carry];
    const donated = carry.map((_, i) => 1 + layers + i);
    const made = plan({ inputs, outputs, donated }, able);
    assertSound(made, able, donated);
    assert.deepEqual(donorsOf(made), new Set(donated));
    const size = 4 * 32 * 32;
    const { temporaries } = memoryOf(made); // what each layer was given, two cotangents, and one product on the way
    assert.ok(temporaries <= (layers + 3) * size, `${temporaries / size} tensors for ${layers} layers`);
  });

  test(`products of a sum do not wait for one another (${named(able)})`, () => {
    const rows = able.epilogue ? 16 : 1024; // a launch a term pays only from a megabyte on
    const pairs = Array.from({ length: 10 }, () => [placeholder([rows, 2], "f32"), placeholder([2, 1024], "f32")]);
    const last = placeholder([1024, 2], "f32");
    const total = pairs.map(([a, b]) => t.matmul(a, b)).reduce((sum, x) => t.add(sum, x));
    const made = plan({ inputs: [...pairs.flat(), last], outputs: [t.matmul(t.exp(total), last)] }, able);
    const { temporaries } = memoryOf(made);
    const size = 4 * rows * 1024;
    assert.ok(temporaries <= 2 * size, `${temporaries / size} tensors`);
  });

  test(`a donated weight is written over though a product after its gradient reads it (${named(able)})`, () => {
    const [x, w, y] = Array.from({ length: 3 }, () => placeholder([32, 32], "f32"));
    const slope = t.matmul(t.transpose(x), y);
    const other = t.sum(t.matmul(y, t.transpose(w)));
    const outputs = [t.sub(w, t.mul(0.1, slope)), other]; // the update could run first, and would need memory of its own
    for (const order of [outputs, [...outputs].reverse()]) {
      const made = plan({ inputs: [x, w, y], outputs: order, donated: [1] }, able);
      assertSound(made, able, [1]);
      assert.deepEqual([...donorsOf(made)], [1]);
    }
  });
}
