import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import * as t from "../../core/index.js";
import { floatToHalf, type HalfType, halfToFloat, roundRandomly } from "../../core/storage/half.js";
import { run } from "../close.js";
import { eighths } from "../generators/generators.js";
import { law } from "../law.js";

/** Oracle: the value that a 16-bit float stands for, by the formula of the format. */
const meaning = (bits: number, exponentBits: number, fractionBits: number): number => {
  const bias = 2 ** (exponentBits - 1) - 1;
  const exponent = (bits >> fractionBits) & (2 ** exponentBits - 1);
  const fraction = (bits & (2 ** fractionBits - 1)) / 2 ** fractionBits;
  const sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 2 ** exponentBits - 1) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (exponent === 0 ? fraction * 2 ** (1 - bias) : (1 + fraction) * 2 ** (exponent - bias));
};

/** Oracle: nearest of all finite values, ties to the even pattern, infinity from half a step beyond the largest. */
const nearest = (x: number, exponentBits: number, fractionBits: number): number => {
  if (Number.isNaN(x)) return x;
  const infinite = (2 ** exponentBits - 1) << fractionBits;
  let [low, high] = [0, infinite - 1];
  const magnitude = Math.abs(x);
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (meaning(middle, exponentBits, fractionBits) <= magnitude) low = middle;
    else high = middle - 1;
  }
  const below = meaning(low, exponentBits, fractionBits);
  const step =
    low + 1 === infinite
      ? below - meaning(low - 1, exponentBits, fractionBits)
      : meaning(low + 1, exponentBits, fractionBits) - below;
  const up = magnitude - below > step / 2 || (magnitude - below === step / 2 && low % 2 === 1);
  const bits = up && magnitude !== below ? low + 1 : low;
  return (x < 0 || Object.is(x, -0) ? -1 : 1) * meaning(bits, exponentBits, fractionBits);
};

const formats = [
  { name: "f16", exponent: 5, fraction: 10 },
  { name: "bf16", exponent: 8, fraction: 7 },
] as const satisfies readonly { name: HalfType; exponent: number; fraction: number }[];

for (const { name, exponent, fraction } of formats) {
  const decode = (bits: number) => halfToFloat(bits, name);
  const encode = (x: number) => floatToHalf(x, name);
  test(`${name}: all 65536 patterns decode by the formula, and encode back`, () => {
    for (let bits = 0; bits < 65536; bits++) {
      const value = decode(bits);
      if (!Object.is(value, meaning(bits, exponent, fraction))) assert.fail(`pattern ${bits} decodes to ${value}`);
      if (Number.isNaN(value)) assert.ok(Number.isNaN(decode(encode(value))));
      else if (encode(value) !== bits) assert.fail(`pattern ${bits} = ${value} encodes to ${encode(value)}`);
    }
  });

  test(`${name}: rounding is to the nearest value, ties to even`, () => {
    const anyFloat = fc.oneof(
      fc.float(),
      // Near the values themselves: exact, halfway, and one f32 step to either side of halfway.
      fc
        .record({
          bits: fc.integer({ min: 0, max: 65534 }),
          nudge: fc.integer({ min: -2, max: 2 }),
          half: fc.boolean(),
        })
        .map(({ bits, nudge, half }) => {
          const [a, b] = [decode(bits), decode(bits + 1)];
          const view = new Float32Array([half ? a + (b - a) / 2 : a]);
          const raw = new Uint32Array(view.buffer);
          if (Number.isFinite(view[0])) raw[0] += nudge;
          return view[0];
        }),
      fc.constantFrom(
        65504,
        65519.996,
        65520,
        -65520,
        2 ** -24,
        2 ** -25,
        2 ** -25 * 1.0000001,
        2 ** -149,
        3.4e38,
        3.396e38,
      ),
    );
    fc.assert(
      fc.property(anyFloat, (x) => {
        const single = Math.fround(x);
        assert.ok(
          Object.is(decode(encode(single)), nearest(single, exponent, fraction)),
          `${single} → ${decode(encode(single))}, expected ${nearest(single, exponent, fraction)}`,
        );
      }),
      { numRuns: 5000 },
    );
  });

  test(`${name}: random rounding goes to a neighbour, as often as makes the mean exact; what fits stays`, () => {
    const largest = meaning(((2 ** exponent - 1) << fraction) - 1, exponent, fraction);
    // Of the random bits the lowest count: so many decide between neighbours of normal numbers.
    const counted = 2 ** (23 - fraction);
    fc.assert(
      fc.property(fc.float({ noNaN: true }), fc.nat(2 ** 32 - 1), (x, high) => {
        const y = roundRandomly(x, high, name);
        if (Math.abs(x) >= largest) assert.equal(y, Number.isFinite(x) ? Math.sign(x) * largest : x);
        else {
          const near = nearest(x, exponent, fraction);
          const bits = encode(near);
          const around = [bits - 1, bits, bits + 1].map((b) => decode(b & 0xffff));
          assert.ok(Object.is(y, near) || around.includes(y), `${x} → ${y}, nearest ${near}`);
          if (decode(encode(x)) === x) assert.ok(Object.is(y, x));
        }
      }),
      { numRuns: 2000 },
    );
    fc.assert(
      fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (x) => {
        const magnitude = Math.abs(x);
        if (magnitude >= largest || magnitude < meaning(1 << fraction, exponent, fraction)) return;
        let sum = 0; // of what exceeds x, in units of its last bit: integers
        const unit = 2 ** (Math.floor(Math.log2(magnitude)) - 23);
        for (let random = 0; random < counted; random++) sum += (roundRandomly(x, random, name) - x) / unit;
        assert.equal(sum, 0, `${x}`);
      }),
      { numRuns: 20 },
    );
  });

  test(`${name}: random rounding of what lies between subnormals is unbiased too`, () => {
    const least = meaning(1, exponent, fraction);
    const counted = name === "bf16" ? 16 : 22; // random bits that decide between 2 and 3 of the least
    for (const quarters of [1, 2, 3]) {
      const x = least * (2 + quarters / 4);
      const drawn = Array.from({ length: 64 }, (_, i) => roundRandomly(x, i << (counted - 6), name) / least);
      assert.equal(drawn.filter((y) => y === 3).length, 16 * quarters);
      assert.equal(drawn.filter((y) => y === 2).length, 64 - 16 * quarters);
    }
  });
}

law(
  "gradients pass casts and random rounding by, and are f32 for tensors of 16 bits",
  fc.tuple(fc.constantFrom<HalfType>("bf16", "f16"), fc.nat(99)),
  async ([dtype, seed], device) => {
    const x = t.mul(eighths([5], seed), 1 / 3);
    const f = (y: t.Tensor) => {
      const rounded = t.add(t.cast(y, dtype), t.roundRandom(t.cast(y, "f32"), t.bits(t.key(seed), y.shape), dtype));
      return t.sum(t.mul(rounded, t.iota(y.shape, 0, "f32")));
    };
    for (const y of [x, t.cast(x, dtype)]) {
      const slope = t.grad(f)(y);
      assert.equal(slope.dtype, "f32");
      const [got] = await run(() => slope, [], device);
      assert.deepEqual(Array.from(got), [0, 2, 4, 6, 8]);
    }
  },
  { effort: 0.1 },
);
