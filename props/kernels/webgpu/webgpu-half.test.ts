/** bf16 and f16 on webgpu: the bits are those of core/storage/half.ts. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  add,
  bits,
  broadcastTo,
  cast,
  compile,
  constantData,
  dispose,
  type HalfType,
  key,
  mul,
  read,
  roundRandom,
  slice,
  sub,
  type Tensor,
  tensor,
  transpose,
  upload,
} from "../../../core/index.js";
import { floatToHalf, halfToFloat, roundRandomly } from "../../../core/storage/half.js";
import { assertSame, run } from "../../close.js";
import { eighths, hash, seeds, viewOf } from "../../generators/generators.js";
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
