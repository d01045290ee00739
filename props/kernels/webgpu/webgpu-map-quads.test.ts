import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  add,
  bernoulli,
  bits,
  cast,
  iota,
  key,
  less,
  mul,
  reshape,
  roundRandom,
  sizeOf,
  slice,
  split,
  sub,
  type Tensor,
  transpose,
  where,
} from "../../../core/index.js";
import type { MapStep, View } from "../../../kernels/plan/steps.js";
import { quadMapKernel } from "../../../kernels/webgpu/kernels/map-quads.js";
import { agrees } from "../../close.js";
import { eighths, integers, seeds } from "../../generators/generators.js";
import { webgpuLaw } from "./webgpu-variants.js";

const rows = () =>
  fc.record({
    lead: fc.integer({ min: 1, max: 5 }),
    quads: fc.integer({ min: 1, max: 40 }),
    odd: fc.constantFrom(0, 0, 0, 1, 2),
    start: fc.constantFrom(0, 4, 8, 3),
    seed: seeds(),
  });

/**
 * Rows of whole quads, and rows that nearly are: slices that begin on a quad or beside one, a number a row, a row for all, one
 * number for all, bools, integers, indices and random bits.
 */
webgpuLaw(
  "maps over rows of quads are the reference's, bit for bit",
  rows(),
  async ({ lead, quads, odd, start, seed }, device) => {
    const width = 4 * quads + odd;
    const shape = [lead, width];
    const f = (
      whole: Tensor,
      y: Tensor,
      row: Tensor,
      column: Tensor,
      one: Tensor,
      mask: Tensor,
      n: Tensor,
      k: Tensor,
    ) => {
      const part = slice(whole, [0, start], [lead, start + width]);
      const chosen = where(mask, mul(part, row), sub(y, column));
      const placed = add(chosen, cast(add(iota(shape, 1), iota(shape, 0)), "f32"));
      return [
        ...[mul(placed, one), less(part, y), add(n, iota(shape, 1)), bits(k, shape)],
        ...[add(transpose(y), 1), reshape(add(slice(y, [0, 0], [lead, 4]), 1), [4 * lead])],
      ];
    };
    const given = [
      ...[eighths([lead, width + 12], seed), eighths(shape, seed + 1), eighths([width], seed + 2)],
      ...[eighths([lead, 1], seed + 3), eighths([], seed + 4), integers(shape, seed + 5, 0, 1, "bool")],
      ...[integers(shape, seed + 6, -9, 9), key(seed)],
    ] as const;
    await agrees(f as (...all: Tensor[]) => Tensor[], [...given], device, {});
  },
);

webgpuLaw(
  "random bits beside other things are the reference's, eight at once or one by one",
  fc.record({ size: fc.oneof(fc.integer({ min: 1, max: 60 }), fc.constantFrom(64, 512, 1004)), seed: seeds() }),
  async ({ size, seed }, device) => {
    const f = (x: Tensor, k: Tensor) => {
      const [a, b] = split(k, 2);
      const drawn = sub(where(bernoulli(a, 0.3, [size]), x, 0), where(bernoulli(b, 0.6, [size]), mul(x, 2), 1));
      return [drawn, bits(k, [size]), roundRandom(x, bits(b, [size]), "bf16")];
    };
    await agrees(f, [eighths([size], seed, 900), key(seed)], device, {});
  },
);

webgpuLaw(
  "maps over rows of quads in 16 bits are the reference's, bit for bit",
  fc.record({ shape: rows(), dtype: fc.constantFrom("bf16" as const, "f16" as const) }),
  async ({ shape: { lead, quads, odd, start, seed }, dtype }, device) => {
    const shape = [lead, 4 * quads + odd];
    const f = (x: Tensor, whole: Tensor) => {
      const half = cast(x, dtype);
      const part = slice(cast(whole, dtype), [0, start], [lead, start + shape[1]]);
      return [half, cast(mul(half, part), dtype), add(half, part), cast(sub(x, half), "f32")];
    };
    await agrees(f, [eighths(shape, seed, 900), eighths([lead, shape[1] + 12], seed + 1)], device, {});
  },
);

test("whole quads are read and written at once, and nothing else is", () => {
  const view = (buffer: number, shape: number[], strides: number[], offset = 0): View => ({
    buffer,
    shape,
    strides,
    offset,
  });
  const step = (shape: number[], input: View): MapStep => {
    const dense = shape.map((_, axis) => sizeOf(shape.slice(axis + 1)));
    return {
      ...{ kind: "map", shape, inputs: [input], body: [{ op: "load", input: 0, dtype: "f32" }] },
      outputs: [{ value: 0, view: view(1, shape, dense), dtype: "f32" }],
    };
  };
  const isQuads = (shape: number[], input: View) => quadMapKernel(step(shape, input)) !== undefined;
  assert.ok(isQuads([3, 8], view(0, [3, 8], [8, 1])));
  assert.ok(isQuads([3, 8], view(0, [3, 8], [12, 1], 4)), "a slice on quads");
  assert.ok(isQuads([3, 8], view(0, [3, 8], [1, 0])), "a number a row");
  assert.ok(!isQuads([3, 8], view(0, [3, 8], [9, 1])), "rows that begin beside a quad");
  assert.ok(!isQuads([3, 8], view(0, [3, 8], [12, 1], 2)), "an offset beside a quad");
  assert.ok(!isQuads([3, 8], view(0, [3, 8], [1, 3])), "a transposed view");
  assert.ok(!isQuads([3, 6], view(0, [3, 6], [12, 1])), "rows that end beside a quad");
  assert.ok(!isQuads([3, 8], view(1, [3, 8], [1, 0])), "a number a row out of what is written");
});

test("a block of random words is made once for its eight elements", () => {
  const drawn = (n: number): string => {
    const of = (buffer: number, strides: number[]): View => ({ buffer, shape: [n], strides, offset: 0 });
    const word = { op: "load", dtype: "u32" } as const;
    const step: MapStep = {
      ...{ kind: "map", shape: [n], inputs: [of(0, [0]), of(1, [0])] },
      body: [
        ...[{ ...word, input: 0 }, { ...word, input: 1 }, { op: "iota", strides: [1], dtype: "u32" } as const],
        { op: "randomBits", args: [0, 1, 2], dtype: "u32", from: "u32", domain: 0 },
      ],
      outputs: [{ value: 3, view: of(2, [1]), dtype: "u32" }],
    };
    const kernel = quadMapKernel(step);
    assert.ok(kernel !== undefined);
    return kernel.code;
  };
  assert.equal(drawn(16).split("= threefry_words(").length - 1, 4, "four calls for eight elements");
  assert.ok(!drawn(16).includes("threefry_bits("));
  assert.ok(drawn(12).includes("threefry_bits("), "rows that end within a block");
});
