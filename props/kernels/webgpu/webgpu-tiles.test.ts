/** Whichever tile a product is computed by, its bits are the same: the choice is free to look at the adapter, and at all sizes. */
import { after, test } from "node:test";
import { add, type Device, type HostData, matmul, mul, type Tensor, tensor, transpose } from "../../../core/index.js";
import { openWebgpu } from "../../../kernels/index.js";
import { LAYOUTS } from "../../../kernels/webgpu/kernels/matmul/layouts.js";
import { TILES } from "../../../kernels/webgpu/kernels/matmul/tiles.js";
import type { Seen } from "../../../kernels/webgpu/profiles.js";
import { assertSame, run } from "../../close.js";
import { presentDevices } from "../../devices.js";
import { hash } from "../../generators/generators.js";
import { needsUnits } from "./webgpu-variants.js";

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

/** Of a long inner axis, which is several parts on matrix units too. */
const long = floats([1100, 132], 5);
const onUnits = (x: Tensor, w: Tensor, bias: Tensor, y: Tensor, z: Tensor): Tensor[] => [
  add(mul(matmul(x, transpose(w), { operands: "f16" }), 2), bias),
  matmul(transpose(y), y, { operands: "f16" }),
  ...[matmul(transpose(z), z, { operands: "f16" }), add(matmul(transpose(z), z, { operands: "f16" }), bias)],
];

/** The numbers by each choice, with nothing else to choose from. */
const areTheSame = async (
  f: (...given: never[]) => Tensor[],
  given: Tensor[],
  choices: readonly Seen[],
): Promise<void> => {
  const numbersBy = async (seen: Seen): Promise<HostData[]> => {
    const device = await openWebgpu({ kernels: "gpu", ...seen });
    opened.push(device);
    return run(f as unknown as (...given: Tensor[]) => Tensor[], given, device);
  };
  const [first, ...others] = await Promise.all(choices.map(numbersBy));
  for (const [i, numbers] of others.entries())
    for (const [j, some] of first.entries()) assertSame(numbers[j], some, `output ${j} by choice ${i + 1}`);
};

if ((await presentDevices()).includes("webgpu")) {
  test("every tile gives the same bits: kernels for gpu [webgpu]", () =>
    areTheSame(
      products,
      given,
      TILES.map((tile) => ({ tiles: [tile] })),
    ));
  test("every layout of matrices gives the same bits: kernels for gpu [webgpu]", needsUnits, () =>
    areTheSame(
      onUnits,
      [...given, long],
      // Each by itself, and where parts of the inner axis cost nothing or everything.
      LAYOUTS.flatMap((layout) => [1, 1e-6].map((rate) => ({ layouts: [{ ...layout, rate }] }))),
    ),
  );
}
