import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { bf16ToFloat, f16ToFloat, floatToBf16, floatToF16 } from "../../models/files/dtypes.js";

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
  { name: "f16", exponent: 5, fraction: 10, decode: f16ToFloat, encode: floatToF16 },
  { name: "bf16", exponent: 8, fraction: 7, decode: bf16ToFloat, encode: floatToBf16 },
];

for (const { name, exponent, fraction, decode, encode } of formats) {
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
}
