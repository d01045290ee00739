/** Laws of batches on WebGPU: alike kernels that do not wait for one another are one launch, and each gives the bits it gives alone. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import fc from "fast-check";
import * as t from "../../../core/index.js";
import { openWebgpu } from "../../../kernels/index.js";
import { assertSame, run } from "../../close.js";
import { presentDevices } from "../../devices.js";
import { hash, seeds } from "../../generators/generators.js";
import { tries } from "../../reach.js";

/** Numbers that use all of their digits, so that the order of a sum shows. */
const floats = (shape: readonly number[], seed: number): t.Tensor =>
  t.tensor(
    Float32Array.from({ length: t.sizeOf(shape) }, (_, i) => hash(seed, i) / 2 ** 31 - 1),
    shape,
  );

type Kind = (x: t.Tensor, i: number) => t.Tensor;

/** What is done to each of several tensors. */
const KINDS: Readonly<Record<string, Kind>> = {
  map: (x) => t.add(t.mul(x, x), 0.5),
  "a map of the transposed": (x) => t.exp(t.transpose(x)),
  "random bits": (x, i) => t.where(t.bernoulli(t.foldIn(t.key(3), i), 0.5, x.shape), x, 0),
  "16 bits": (x, i) => t.roundRandom(x, t.bits(t.foldIn(t.key(4), i), x.shape), "bf16"),
  sum: (x) => t.sum(t.square(x)),
  "a sum of columns": (x) => t.sum(x, [0]),
  "the largest": (x, i) => t.where(t.topkMask(x, 1 + ((7 * i) % t.sizeOf(x.shape))), x, 0),
  "a product": (x, i) => t.add(t.matmul(t.transpose(x), floats([x.shape[0], 24], 99 + i)), 1),
  "a gathered sum": (x) => t.scatterAdd(t.tensor([1, 0, 1], undefined, "i32"), x, 2),
};

const shapes = fc.oneof(
  { weight: 2, arbitrary: fc.constant([3, 40]) },
  { weight: 1, arbitrary: fc.tuple(fc.constant(3), fc.integer({ min: 1, max: 70 })) },
  { weight: 1, arbitrary: fc.constant([3, 7000]) },
);
const cases = fc.record({
  kind: fc.constantFrom(...Object.keys(KINDS)),
  sizes: fc.array(shapes, { minLength: 2, maxLength: 6 }),
  seed: seeds(),
});
interface Case {
  readonly kind: string;
  readonly sizes: readonly (readonly number[])[];
  readonly seed: number;
}

/** All of them in one program, and each in one of its own. */
const law = async ({ kind, sizes, seed }: Case, device: t.Device, alone: t.Device): Promise<number> => {
  const leaves = sizes.map((shape, i) => floats(shape, seed + i));
  const before = device.stats().launches;
  const got = await run((...xs: t.Tensor[]) => xs.map((x, i) => KINDS[kind](x, i)), leaves, device);
  const launches = device.stats().launches - before;
  for (const [i, leaf] of leaves.entries()) {
    const [want] = await run((x: t.Tensor) => [KINDS[kind](x, i)], [leaf], alone);
    assertSame(got[i], want, `${kind} of ${sizes[i]}`);
  }
  return launches;
};

if ((await presentDevices()).includes("webgpu")) {
  const devices = [
    openWebgpu({ kernels: "gpu" }),
    openWebgpu({ kernels: "gpu", limits: { maxStorageBufferBindingSize: 8192 } }),
  ];
  after(async () => {
    for (const device of devices) await (await device).close();
  });
  for (const [name, at] of [
    ["steps that run together give the bits that each gives alone", 0],
    ["and so they do with bindings drawn down", 1],
  ] as const)
    test(`${name}: kernels for gpu [webgpu]`, async () => {
      const [wide, device] = await Promise.all([devices[0], devices[at]]);
      await fc.assert(
        fc.asyncProperty(cases, async (value) => {
          await law(value, device, wide).catch((error) => {
            if (error instanceof t.DeviceError && /cannot be cut to fit/.test(error.message)) fc.pre(false);
            throw error;
          });
        }),
        { numRuns: tries(9) },
      );
    });
  test("equal leaves take the launches of one: kernels for gpu [webgpu]", async () => {
    const wide = await devices[0];
    for (const [kind, launches] of [
      ["map", 1],
      ["sum", 1],
      ["the largest", 2],
      ["a product", 1],
      ["a gathered sum", 3],
    ] as const)
      assert.ok((await law({ kind, sizes: new Array(3).fill([3, 40]), seed: 1 }, wide, wide)) <= launches, kind);
  });
}
