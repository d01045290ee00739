/** bf16 and f16 on webgpu: the bits are those of core/half.ts, and no kernel minds how its operands are stored. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { decodeHalves, floatToHalf, halfToFloat, roundRandomly } from "../../../core/half.js";
import {
  add,
  attention,
  bits,
  broadcastTo,
  cast,
  compile,
  constantData,
  crossEntropy,
  type Device,
  dispose,
  gather,
  type HalfType,
  key,
  matmul,
  max,
  maximum,
  mul,
  permute,
  read,
  rmsnorm,
  roundRandom,
  scatterAdd,
  slice,
  softmax,
  sub,
  sum,
  type Tensor,
  tensor,
  topkMask,
  transpose,
  upload,
  vjp,
} from "../../../core/index.js";
import { assertSame, run } from "../../close.js";
import { eighths, hash, integers, seeds, viewOf } from "../../generators/generators.js";
import { webgpuCheck, webgpuLaw } from "./webgpu-variants.js";

const FORMATS: readonly HalfType[] = ["bf16", "f16"];
const codes = (): Uint16Array => Uint16Array.from({ length: 65536 }, (_, code) => code);

/** NaN for NaN, else the same f32, bit for bit. */
const identical = (
  got: ArrayLike<number>,
  want: (i: number) => number,
  count: number,
  show: (i: number) => unknown,
) => {
  assert.equal(got.length, count);
  for (let i = 0; i < count; i++) if (!Object.is(got[i], want(i))) assert.fail(`${show(i)}: ${got[i]} for ${want(i)}`);
};

/** f32 beside every code of a format and beside the middle between it and the next one, and 2^16 of any bits. */
const besideCodes = (dtype: HalfType): Float32Array => {
  const words = new Uint32Array(7 * 65536);
  const floats = new Float32Array(words.buffer);
  for (let code = 0; code < 65536; code++) {
    const value = halfToFloat(code, dtype);
    const next = halfToFloat((code + 1) & 0xffff, dtype);
    [value, value, value, (value + next) / 2, (value + next) / 2, (value + next) / 2].forEach((x, i) => {
      floats[7 * code + i] = x;
      words[7 * code + i] += (i % 3) - 1;
    });
    words[7 * code + 6] = hash(5, code);
  }
  return floats;
};

for (const dtype of FORMATS) {
  webgpuCheck(`all codes of ${dtype} widen to what they mean, however they are walked`, async (device) => {
    const given = tensor(codes(), [256, 256], dtype);
    const [plain, turned, odd] = await run(
      (x: Tensor) => [cast(x, "f32"), cast(transpose(x), "f32"), cast(slice(x, [3, 1], [256, 256]), "f32")],
      [given],
      device,
    );
    const value = (code: number) => halfToFloat(code, dtype);
    identical(plain, value, 65536, (i) => i);
    identical(
      turned,
      (i) => value((i % 256) * 256 + Math.floor(i / 256)),
      65536,
      (i) => i,
    );
    identical(
      odd,
      (i) => value((Math.floor(i / 255) + 3) * 256 + (i % 255) + 1),
      253 * 255,
      (i) => i,
    );
  });

  webgpuCheck(`all codes of ${dtype} survive a copy into other places`, async (device) => {
    const [turned] = await run((x: Tensor) => transpose(x), [tensor(codes(), [256, 256], dtype)], device);
    identical(
      turned,
      (i) => halfToFloat((i % 256) * 256 + Math.floor(i / 256), dtype),
      65536,
      (i) => i,
    );
  });

  webgpuCheck(`f32 beside all codes of ${dtype}, and any others, round as core rounds`, async (device) => {
    const x = besideCodes(dtype);
    const random = Uint32Array.from(x, (_, i) => hash(6, i));
    const [near, either] = await run(
      (a: Tensor, b: Tensor) => [cast(a, dtype), roundRandom(a, b, dtype)],
      [tensor(x), tensor(random)],
      device,
    );
    identical(
      near,
      (i) => halfToFloat(floatToHalf(x[i], dtype), dtype),
      x.length,
      (i) => x[i],
    );
    identical(
      either,
      (i) => roundRandomly(x[i], random[i], dtype),
      x.length,
      (i) => `${x[i]} by ${random[i]}`,
    );
  });
}

webgpuLaw(
  "maps write words of two elements: any size, beside f32, in place or not",
  fc.record({
    shape: fc.oneof(
      fc.constantFrom([1, 1], [3, 43], [1, 257]), // whole workgroups of words, and half a word
      fc.tuple(fc.nat({ max: 5 }), fc.integer({ min: 1, max: 300 })),
    ),
    dtype: fc.constantFrom(...FORMATS),
    seed: seeds(),
  }),
  async ({ shape, dtype, seed }, device) => {
    const [x, y] = [viewOf(shape, seed), viewOf([shape[1]], seed + 1)];
    const old = constantData(eighths(shape, seed + 2)).data;
    const half = tensor(old, shape, dtype);
    const f = (h: Tensor, a: Tensor, b: Tensor): Tensor[] => {
      const sumOf = add(mul(h, x.look(a)), broadcastTo(y.look(b), shape));
      return [cast(sumOf, dtype), sub(sumOf, 1), cast(mul(sumOf, 2), dtype === "bf16" ? "f16" : "bf16")];
    };
    const want = await run(f, [half, x.base, y.base], device);
    const inPlace = compile(f, device, { donate: [0] });
    const [given, a, b] = upload([half, x.base, y.base], device);
    const got = inPlace(given, a, b);
    for (const [i, data] of want.entries()) assertSame(await read(got[i]), data, `output ${i}`);
    // The numbers themselves, by core.
    const first = await run((h: Tensor, c: Tensor, d: Tensor) => f(h, c, d)[1], [half, x.base, y.base], device);
    assertSame(
      want[0],
      Array.from(first[0], (z) => halfToFloat(floatToHalf(z + 1, dtype), dtype)),
    );
    dispose(got, a, b);
    for (const program of inPlace.programs()) program.free();
  },
);

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
  4,
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
    const f = (a: Tensor, b: Tensor, c: Tensor, g: Tensor, t: Tensor, i: Tensor, p: Tensor): Tensor[] => [
      ...[sum(a, 1), sum(mul(a, c), 0), max(a, 1), sum(c)],
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

webgpuCheck("the random bits of a rounding are made in its kernel: one launch", async (device) => {
  const round = compile((x: Tensor) => roundRandom(x, bits(key(7), [3, 333]), "bf16"), device);
  const x = upload(eighths([3, 333], 1, 99), device);
  const before = device.stats().launches;
  const got = round(x) as Tensor;
  assert.equal(device.stats().launches - before, 1);
  const random = await run(() => bits(key(7), [3, 333]), [], device);
  const numbers = constantData(eighths([3, 333], 1, 99)).data;
  assertSame(
    await read(got),
    Array.from(numbers, (z, i) => roundRandomly(z, random[0][i], "bf16")),
  );
  dispose(x, got);
  for (const program of round.programs()) program.free();
});
