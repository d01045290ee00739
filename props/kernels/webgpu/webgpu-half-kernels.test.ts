/** No kernel of the webgpu device minds how its operands are stored. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  add,
  attention,
  constantData,
  crossEntropy,
  type Device,
  gather,
  type HalfType,
  matmul,
  max,
  maximum,
  mul,
  permute,
  rmsnorm,
  scatterAdd,
  slice,
  softmax,
  sum,
  type Tensor,
  tensor,
  topkMask,
  transpose,
  vjp,
} from "../../../core/index.js";
import { decodeHalves } from "../../../core/storage/half.js";
import { assertSame, run } from "../../close.js";
import { eighths, integers, seeds } from "../../generators/generators.js";
import { webgpuCheck, webgpuLaw } from "./webgpu-variants.js";

/** 16-bit numbers, and the same ones as f32. */
const twice = (shape: number[], seed: number, dtype: HalfType | "f32"): { half: Tensor; single: Tensor } => {
  const drawn = eighths(shape, seed, 9);
  if (dtype === "f32") return { half: drawn, single: drawn };
  const half = tensor(constantData(drawn).data, shape, dtype);
  const { data } = constantData(half);
  const numbers = new Float32Array(data.length);
  decodeHalves(data as Uint16Array, dtype, numbers);
  return { half, single: tensor(numbers, shape) };
};

/**
 * f of tensors stored in 16 bits is f of their f32 copies, bit for bit (the same kernel but for its loads), and takes no
 * launch more: nothing is widened into memory first.
 */
const mindsNoStorage = async (
  f: (...given: Tensor[]) => Tensor[],
  floats: { half: Tensor; single: Tensor }[],
  whole: Tensor[],
  device: Device,
): Promise<void> => {
  const launchesOf = async (given: Tensor[]) => {
    const before = device.stats().launches;
    const numbers = await run(f, given, device);
    return { numbers, launches: device.stats().launches - before };
  };
  const got = await launchesOf([...floats.map(({ half }) => half), ...whole]);
  const want = await launchesOf([...floats.map(({ single }) => single), ...whole]);
  want.numbers.forEach((data, i) => {
    assertSame(got.numbers[i], data, `output ${i}`);
  });
  assert.equal(got.launches, want.launches);
};

const formats = () => fc.constantFrom<[HalfType, HalfType]>(["bf16", "f16"], ["f16", "bf16"]);

webgpuLaw(
  "products of tensors in 16 bits are those of their f32 copies",
  fc.record({
    // Narrow and wide, tall, and with an inner axis that is cut.
    sizes: fc.constantFrom([1, 1, 3], [5, 300, 8], [70, 7, 68], [260, 5, 12], [9, 40, 131]),
    lead: fc.constantFrom(0, 1, 4),
    formats: fc.constantFrom<[HalfType | "f32", HalfType | "f32"]>(["bf16", "f16"], ["f16", "f32"], ["f32", "bf16"]),
    seed: seeds(),
  }),
  async ({ sizes: [m, inner, n], lead, formats: [one, other], seed }, device) => {
    const given = [
      twice([2, m, inner], seed, one),
      twice([inner + lead, n + lead], seed + 1, other),
      twice([n, 1], seed + 2, "bf16"),
    ];
    const f = (x: Tensor, y: Tensor, z: Tensor) => {
      const part = slice(y, [lead, lead], [inner + lead, n + lead]);
      return [matmul(x, part), maximum(add(matmul(transpose(part), permute(x, [0, 2, 1])), z), 0)];
    };
    await mindsNoStorage(f, given, [], device);
  },
  3,
);

const withGradient = (op: (...inputs: Tensor[]) => Tensor, ct: Tensor, ...inputs: Tensor[]): Tensor[] => {
  const [value, pull] = vjp((given: Tensor[]) => op(...given), inputs);
  return [value as Tensor, ...(pull(ct) as unknown as Tensor[][])[0]];
};

webgpuLaw(
  "reductions, index ops, rows and their gradients of tensors in 16 bits are those of their f32 copies",
  fc.record({
    rows: fc.integer({ min: 1, max: 6 }),
    width: fc.constantFrom(1, 7, 70, 1100),
    formats: formats(),
    seed: seeds(),
  }),
  async ({ rows, width, formats: [one, other], seed }, device) => {
    const [x, w, y, rowCt] = [
      twice([rows, width], seed, one),
      twice([width], seed + 1, other),
      twice([rows, width], seed + 2, other),
      twice([rows], seed + 3, other),
    ];
    const target = integers([rows], seed, 0, width - 1);
    const ids = integers([9], seed + 1, -1, rows);
    const places = integers([rows], seed + 2, -1, 4);
    // No two kernels alike, even of one element: such ones are one launch if they read one format.
    const f = (a: Tensor, b: Tensor, c: Tensor, g: Tensor, t: Tensor, i: Tensor, p: Tensor): Tensor[] => [
      ...[sum(a, 1), sum(mul(a, c), 0), max(a, 1), sum(mul(c, c))],
      ...[gather(a, i), scatterAdd(p, a, 5)],
      ...withGradient((z) => softmax(z), c, a),
      ...withGradient((z, u) => rmsnorm(z, u, 1e-5), c, a, b),
      ...withGradient((z) => crossEntropy(z, t), g, a),
    ];
    await mindsNoStorage(f, [x, w, y, rowCt], [target, ids, places], device);
  },
  2,
);

// One format: its kernels take SwiftShader seconds to compile.
webgpuCheck("topkMask of bf16 is that of the f32 copy", (device) =>
  mindsNoStorage((x: Tensor) => [topkMask(x, 300)], [twice([1001], 5, "bf16")], [], device),
);

webgpuLaw(
  "attention over tensors in 16 bits and its gradient are those of their f32 copies",
  fc.record({
    time: fc.integer({ min: 1, max: 5 }),
    slots: fc.integer({ min: 1, max: 7 }),
    share: fc.integer({ min: 1, max: 2 }),
    depth: fc.constantFrom(2, 6, 8),
    formats: formats(),
    seed: seeds(),
  }),
  async ({ time, slots, share, depth, formats: [one, other], seed }, device) => {
    const heads = 2 * share;
    const given = [
      twice([2, time, heads, depth], seed, one),
      twice([2, time, heads, depth], seed + 1, other),
      twice([2, slots, 2, depth], seed + 2, one),
      twice([2, slots, 2, depth], seed + 3, other),
    ];
    const position = integers([2, time], seed, 0, slots);
    const f = (g: Tensor, q: Tensor, k: Tensor, v: Tensor, p: Tensor) =>
      withGradient((x, y, z) => attention(x, y, z, p, 0.5), g, q, k, v);
    await mindsNoStorage(f, given, [position], device);
  },
  3,
);
