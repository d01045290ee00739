/** 16-bit floats in a device's memory: read, written and rounded as core/storage/half.ts says, bit for bit. */
import assert from "node:assert/strict";
import fc from "fast-check";
import * as t from "../../core/index.js";
import { floatToHalf, type HalfType, halfToFloat, roundRandomly } from "../../core/storage/half.js";
import { run } from "../close.js";
import { hash, seeds } from "../generators/generators.js";
import { check, law } from "../law.js";

const formats = ["bf16", "f16"] as const satisfies readonly HalfType[];
const format = () => fc.constantFrom(...formats);
const codes = Uint16Array.from({ length: 65536 }, (_, i) => i);

/** Any f32 as bits: all over, and near the values of a format: exact, halfway, and one step of f32 to either side. */
const bitsNear = (dtype: HalfType): fc.Arbitrary<number> =>
  fc.oneof(
    { weight: 2, arbitrary: fc.nat({ max: 2 ** 32 - 1 }) },
    {
      weight: 3,
      arbitrary: fc
        .tuple(fc.nat({ max: 65535 }), fc.integer({ min: -1, max: 1 }), fc.boolean())
        .map(([code, nudge, isHalfway]) => {
          const [a, b] = [halfToFloat(code, dtype), halfToFloat((code + 1) & 0xffff, dtype)];
          const float = Float32Array.of(isHalfway && Number.isFinite(a) && Number.isFinite(b) ? a + (b - a) / 2 : a);
          return (new Uint32Array(float.buffer)[0] + nudge) >>> 0;
        }),
    },
    // Subnormals of both formats and of f32, and where f16 ends.
    { weight: 1, arbitrary: fc.nat({ max: 0x38800000 }) },
    // So small that only the highest random bits round them up to f16's least.
    { weight: 2, arbitrary: fc.integer({ min: 72 << 23, max: 75 << 23 }) },
    { weight: 1, arbitrary: fc.integer({ min: 0x477fd000, max: 0x47800010 }) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(0, 0x80000000, 0x7f800000, 0xff800000, 0x7fc00000, 0x7f800001, 0xffffffff, 0x7f7fffff),
    },
  );
const floatsNear = (dtype: HalfType) =>
  fc
    .array(bitsNear(dtype), { minLength: 1, maxLength: 150 })
    .map((bits) => new Float32Array(Uint32Array.from(bits).buffer));

/** Same numbers, the sign of 0 included. */
const assertIs = (got: ArrayLike<number>, want: ArrayLike<number>, of: (i: number) => string): void => {
  assert.equal(got.length, want.length);
  for (let i = 0; i < want.length; i++)
    if (!Object.is(got[i], want[i])) assert.fail(`${of(i)}: ${got[i]} for ${want[i]}`);
};

check(
  "all 65 536 codes of bf16 and f16 decode, wherever they lie, and are written back as they were",
  async (device) => {
    for (const dtype of formats) {
      const f = (x: t.Tensor) => {
        const square = t.reshape(x, [256, 256]);
        const twice = t.broadcastTo(t.reshape(x, [65536, 1]), [65536, 2]);
        return [t.cast(x, "f32"), t.cast(t.transpose(square), "f32"), t.transpose(square), t.cast(twice, "f32")];
      };
      const [straight, across, written, pairs] = await run(f, [t.tensor(codes, [65536], dtype)], device);
      const decoded = Array.from(codes, (code) => halfToFloat(code, dtype));
      const turned = Array.from(codes, (_, i) => decoded[(i % 256) * 256 + (i >> 8)]);
      assertIs(straight, decoded, (i) => `${dtype} code ${i}`);
      assertIs(across, turned, (i) => `${dtype}, transposed, at ${i}`);
      assertIs(written, turned, (i) => `${dtype}, written, at ${i}`);
      assertIs(
        pairs,
        decoded.flatMap((x) => [x, x]),
        (i) => `${dtype} code ${i >> 1}, broadcast`,
      );
    }
  },
);

law(
  "cast to bf16 and f16 rounds to nearest even, in memory and in registers",
  format().chain((dtype) => fc.tuple(fc.constant(dtype), floatsNear(dtype))),
  async ([dtype, numbers], device) => {
    const f = (x: t.Tensor) => {
      const narrow = t.cast(x, dtype);
      return [narrow, t.cast(narrow, "f32"), t.slice(narrow, [numbers.length >> 1], [numbers.length])];
    };
    const [stored, kept, second] = await run(f, [t.tensor(numbers)], device);
    const want = Array.from(numbers, (x) => halfToFloat(floatToHalf(x, dtype), dtype));
    assertIs(stored, want, (i) => `${dtype} of ${numbers[i]}`);
    assertIs(kept, want, (i) => `${dtype} of ${numbers[i]}, not stored`);
    assertIs(second, want.slice(numbers.length >> 1), (i) => `${dtype}, from the middle on, at ${i}`);
  },
);

law(
  "roundRandom rounds by its bits as the reference does",
  format().chain((dtype) => fc.tuple(fc.constant(dtype), floatsNear(dtype), seeds())),
  async ([dtype, numbers, seed], device) => {
    // All bits, few bits, and those next to a carry.
    const masks = [0xffffffff, 0x1fff, 0xffff, 0x7fffffff];
    const random = Uint32Array.from(numbers, (_, i) => {
      const mask = masks[hash(seed + 1, i) % 4];
      return hash(seed + 2, i) % 3 === 0 ? mask - (hash(seed, i) % 4) : hash(seed, i) & mask;
    });
    const f = (x: t.Tensor, bits: t.Tensor) => {
      const rounded = t.roundRandom(x, bits, dtype);
      return [rounded, t.cast(rounded, "f32")];
    };
    const [stored, kept] = await run(f, [t.tensor(numbers), t.tensor(random, [random.length], "u32")], device);
    const want = Array.from(numbers, (x, i) => roundRandomly(x, random[i], dtype));
    assertIs(stored, want, (i) => `${dtype} of ${numbers[i]} by ${random[i]}`);
    assertIs(kept, want, (i) => `${dtype} of ${numbers[i]} by ${random[i]}, not stored`);
  },
);

check(
  "an optimizer's step over 16-bit floats: several outputs of odd sizes, in many blocks, drawn bits and all",
  async (device) => {
    const size = device.name === "cpu" ? 300_007 : 5_007;
    const numbers = Float32Array.from({ length: size }, (_, i) => hash(3, i) / 2 ** 31 - 1);
    const f = (m: t.Tensor, g: t.Tensor) => {
      const next = t.add(t.mul(m, 0.5), g);
      return [t.roundRandom(next, t.bits(t.key(5), next.shape), "bf16"), t.cast(next, "f16"), t.cast(g, "bf16"), next];
    };
    const m = t.tensor(numbers, [size], "bf16");
    const [rounded, f16, bf16, next] = await run(f, [m, t.tensor(numbers)], device);
    const [drawn] = await run(() => t.bits(t.key(5), [size]), [], device);
    assertIs(
      rounded,
      Array.from(next, (x, i) => roundRandomly(x, drawn[i], "bf16")),
      (i) => `roundRandom at ${i}`,
    );
    assertIs(
      f16,
      Array.from(next, (x) => halfToFloat(floatToHalf(x, "f16"), "f16")),
      (i) => `f16 at ${i}`,
    );
    assertIs(
      bf16,
      Array.from(numbers, (x) => halfToFloat(floatToHalf(x, "bf16"), "bf16")),
      (i) => `bf16 at ${i}`,
    );
  },
);
