/** Weights on their way in and out of files: f32 ↔ bf16 and f16. */
import assert from "node:assert/strict";
import { decodeHalves, encodeHalves } from "../../core/storage/half.js";
import { bench, type Case } from "../suite.js";

const length = 1 << 20;
const values = Float32Array.from({ length }, (_, index) => ((index % 4096) - 2048) / 8);
const halves = new Uint16Array(length);
const back = new Float32Array(length);
const work = { amount: 4 * length, unit: "B" };

const cases = (["bf16", "f16"] as const).flatMap((dtype): Case[] => {
  const packed = new Uint16Array(length);
  encodeHalves(values, dtype, packed);
  return [
    {
      name: `f32 → ${dtype.toLowerCase()}`,
      check: () => {
        decodeHalves(packed, dtype, back);
        const tolerance = dtype === "bf16" ? 2 ** -8 : 2 ** -11;
        for (const [index, value] of values.entries()) {
          assert.ok(
            Math.abs((back[index] as number) - value) <= tolerance * Math.abs(value),
            `${value} → ${back[index]}`,
          );
        }
      },
      run: () => encodeHalves(values, dtype, halves),
      work,
    },
    {
      name: `${dtype.toLowerCase()} → f32`,
      check: () => {
        const again = new Uint16Array(length);
        decodeHalves(packed, dtype, back);
        encodeHalves(back, dtype, again);
        assert.deepEqual(again, packed);
      },
      run: () => decodeHalves(packed, dtype, back),
      work,
    },
  ];
});

await bench(`storage, ${length} values`, cases);
