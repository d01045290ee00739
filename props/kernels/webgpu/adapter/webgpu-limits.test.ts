/** Laws of an adapter's limits, drawn down: what kernels bind, what is copied, what is refused, and a training step. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import fc from "fast-check";
import {
  add,
  attention,
  compile,
  type Device,
  dispose,
  matmul,
  read,
  reshape,
  sizeOf,
  softmax,
  type Tensor,
  tensor,
  transpose,
  upload,
} from "../../../../core/index.js";
import { openWebgpu } from "../../../../kernels/index.js";
import type { View } from "../../../../kernels/plan/steps.js";
import { type Limits, limitsWithin } from "../../../../kernels/webgpu/adapter/limits.js";
import { arrange, reads, writes } from "../../../../kernels/webgpu/windows/windows.js";
import { assertClose, assertSame, run, withGradient } from "../../../close.js";
import { presentDevices } from "../../../devices.js";
import { hash } from "../../../generators/generators.js";
import { trainTiny } from "../../../generators/tiny-training.js";
import { needsUnits } from "../webgpu-variants.js";

const opened: Promise<Device>[] = [];
after(async () => {
  for (const device of opened) await (await device).close();
});
const open = (limits: Partial<Limits>, kernels: "gpu" | "cpu" = "cpu"): Promise<Device> => {
  const device = openWebgpu({ kernels, limits });
  opened.push(device);
  return device;
};

const viewOf = (buffer: number, offset: number, rows: number, stride: number): View => ({
  ...{ buffer, offset, shape: [rows, 3] },
  strides: [stride, 1],
});

test("windows hold what is touched, start where bindings may, are no longer than one, and do not overlap where one is written", () => {
  const touched = fc.record({
    buffer: fc.nat({ max: 2 }),
    offset: fc.nat({ max: 900 }),
    rows: fc.integer({ min: 1, max: 9 }),
    stride: fc.integer({ min: 3, max: 40 }),
    isWritten: fc.boolean(),
    dtype: fc.constantFrom("f32" as const, "bf16" as const),
  });
  const bounds = { binding: 1024, alignment: 64, bindings: 6 };
  let arranged = 0;
  fc.assert(
    fc.property(fc.array(touched, { minLength: 1, maxLength: 6 }), (drawn) => {
      const all = drawn.map(({ buffer, offset, rows, stride, isWritten, dtype }) =>
        (isWritten ? writes : reads)(viewOf(buffer, offset, rows, stride), dtype),
      );
      const windows = arrange(all, bounds);
      if (windows === undefined) return;
      arranged++;
      const bound = new Map<string, { buffer: number; from: number; to: number; isWritten: boolean }>();
      for (const [i, { view, first, count, bytes, isWritten }] of all.entries()) {
        const [from, size] = [windows[i]?.offset ?? 0, windows[i]?.bytes ?? bounds.binding];
        assert.ok(from % bounds.alignment === 0 && size <= bounds.binding && size % 16 === 0);
        assert.ok(from <= first * bytes && (first + count) * bytes <= from + size);
        const key = `${view.buffer} ${from} ${size}`;
        const known = bound.get(key)?.isWritten ?? false;
        bound.set(key, { buffer: view.buffer, from, to: from + size, isWritten: isWritten || known });
      }
      assert.ok(bound.size <= bounds.bindings);
      for (const a of bound.values())
        for (const b of bound.values())
          if (a !== b && a.buffer === b.buffer && (a.isWritten || b.isWritten))
            assert.ok(a.isWritten && b.isWritten && (a.to <= b.from || b.to <= a.from));
    }),
    { numRuns: 2000 },
  );
  assert.ok(arranged > 200, `${arranged} were arranged`);
});

const adapter = {
  ...{ maxBufferSize: 2 ** 32 - 1, maxStorageBufferBindingSize: 2 ** 31 - 4, maxStorageBuffersPerShaderStage: 12 },
  ...{
    maxComputeWorkgroupsPerDimension: 65535,
    maxComputeWorkgroupStorageSize: 32768,
    minStorageBufferOffsetAlignment: 64,
  },
  minUniformBufferOffsetAlignment: 256,
};

test("limits are the adapter's, or tighter where wanted; never wider", () => {
  assert.equal(limitsWithin(adapter).maxStorageBufferBindingSize, 2 ** 31 - 16);
  assert.equal(limitsWithin(adapter).maxBufferSize, 2 ** 32 - 256);
  assert.equal(limitsWithin(adapter, { maxBufferSize: 4096 }).maxStorageBufferBindingSize, 4096);
  assert.equal(limitsWithin(adapter, { minStorageBufferOffsetAlignment: 256 }).minStorageBufferOffsetAlignment, 256);
  assert.throws(() => limitsWithin(adapter, { maxBufferSize: 2 ** 40 }), /limits: maxBufferSize 1099511627776 is more/);
  assert.throws(
    () => limitsWithin(adapter, { minStorageBufferOffsetAlignment: 16 }),
    /minStorageBufferOffsetAlignment/,
  );
});

if ((await presentDevices()).includes("webgpu")) {
  test("copies go in pieces: what is read is what was there when it was asked for [webgpu]", async () => {
    const device = await open({ maxStorageBufferBindingSize: 1024 });
    for (const size of [1, 255, 256, 257, 5000]) {
      const numbers = Float32Array.from({ length: size }, (_, i) => hash(size, i));
      const x = upload(tensor(numbers, [size]), device);
      const reading = read(x);
      dispose(x); // its memory may be taken by the next upload
      dispose(upload(tensor(new Float32Array(size), [size]), device));
      assertSame(await reading, numbers);
    }
  });

  test("a row that no binding holds is refused before anything runs, with the tensor and both sizes [webgpu]", async () => {
    const device = await open({ maxStorageBufferBindingSize: 1024 });
    const x = upload(tensor(new Float32Array(600), [2, 300]), device);
    assert.throws(
      () => compile((y: Tensor) => softmax(y), device)(x),
      /softmax cannot be cut to fit this adapter: a part of it needs 1200 bytes of \S+ f32\[2,300\] at once; a binding holds 1024/,
    );
    dispose(x);
  });

  test("a tensor that no buffer holds is refused before anything runs [webgpu]", async () => {
    const device = await open({ maxBufferSize: 4096 });
    assert.deepEqual(device.limits, { buffer: 4096 });
    const x = upload(tensor(new Float32Array(64), [64]), device);
    assert.throws(
      () => compile((y: Tensor) => add(y, reshape(y, [64, 1])), device)(x),
      /16384 bytes asked, \d+ in use, 4096 at most in one buffer, for \S+ f32\[64,64\]/,
    );
    dispose(x);
  });

  // The tiled kernels' variants take a software adapter seconds to compile: one step of the smaller objective.
  for (const [kernels, kind, steps, binding] of [
    ["gpu", "sft", 1, 2048],
    ["cpu", "dpo", 1, 1024],
  ] as const)
    test(`a training run has the same bits under limits: kernels for ${kernels} [webgpu]`, async () => {
      const settings = { steps, learningRate: 0.01 };
      const free = await trainTiny(kind, settings, await open({}, kernels));
      const tight = await trainTiny(
        kind,
        settings,
        await open({ maxStorageBufferBindingSize: binding, maxComputeWorkgroupsPerDimension: 64 }, kernels),
      );
      for (const [name, numbers] of free.weights) assertSame(tight.weights.get(name) ?? [], numbers);
      assert.deepEqual(
        tight.records.map(({ loss }) => loss),
        free.records.map(({ loss }) => loss),
      );
    });

  test(
    "with 16 KiB of workgroup memory matrix units make the same products, and attention as close [webgpu]",
    needsUnits,
    async () => {
      const floats = (shape: readonly number[], seed: number) =>
        tensor(
          Float32Array.from({ length: sizeOf(shape) }, (_, i) => hash(seed, i) / 2 ** 31 - 1),
          shape,
        );
      const f16 = { operands: "f16" } as const;
      const f = (x: Tensor, y: Tensor, g: Tensor, q: Tensor, k: Tensor, v: Tensor) => {
        const position = tensor(
          Int32Array.from({ length: 40 }, (_, i) => i),
          [1, 40],
        );
        const heads = withGradient((a, b, c) => attention(a, b, c, position, 0.3, f16));
        return [matmul(x, y, f16), matmul(transpose(y), transpose(x), f16), ...heads(g, q, k, v)];
      };
      const heads = [1, 40, 2, 64];
      const given = [[130, 70], [70, 66], heads, heads, heads, heads].map(floats);
      const of = async (limits: Partial<Limits>) =>
        run(f as (...given: Tensor[]) => Tensor[], given, await open(limits, "gpu"));
      const [little, much] = [await of({ maxComputeWorkgroupStorageSize: 16_384 }), await of({})];
      much.forEach((numbers, i) => {
        if (i < 2) assertSame(little[i], numbers, `product ${i}`);
        else assertClose(little[i], numbers, { rel: 2 ** -9 }, `attention, result ${i - 2}`);
      });
    },
  );
}
