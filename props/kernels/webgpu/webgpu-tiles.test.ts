/** Whichever tile a product is computed by, its bits are the same: the choice is free to look at the adapter, and at all sizes. */
import { after, test } from "node:test";
import { add, type Device, matmul, mul, type Tensor, tensor, transpose } from "../../../core/index.js";
import { openWebgpu } from "../../../kernels/index.js";
import { TILES, type Tile } from "../../../kernels/webgpu/kernels/matmul/tiles.js";
import { assertSame, run } from "../../close.js";
import { presentDevices } from "../../devices.js";
import { hash } from "../../generators/generators.js";

const opened: Device[] = [];
after(async () => {
  for (const device of opened) await device.close();
});

const floats = (shape: readonly number[], seed: number, dtype: "f32" | "bf16" = "f32"): Tensor =>
  tensor(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => hash(seed, i) / 2 ** 31 - 1),
    shape,
    dtype,
  );

/** One part of the inner axis and several, both transposes, in quads and not, more than one tile each way, 16-bit storage. */
const given = [floats([2, 130, 148], 1), floats([132, 148], 2, "bf16"), floats([132], 3), floats([301, 70], 4)];
const products = (x: Tensor, w: Tensor, bias: Tensor, y: Tensor): Tensor[] => [
  add(mul(matmul(x, transpose(w)), 2), bias),
  matmul(transpose(y), y),
];

const numbersBy = async (tile: Tile): Promise<Float32Array[]> => {
  const device = await openWebgpu({ kernels: "gpu", tiles: [tile] });
  opened.push(device);
  return (await run(products as (...given: Tensor[]) => Tensor[], given, device)) as Float32Array[];
};

if ((await presentDevices()).includes("webgpu"))
  test("every tile gives the same bits: kernels for gpu [webgpu]", async () => {
    const [first, ...others] = await Promise.all(TILES.map(numbersBy));
    for (const [i, numbers] of others.entries())
      for (const [j, { length }] of first.entries())
        assertSame(numbers[j].slice(0, length), first[j], `output ${j} by tile ${i + 1}`);
  });
