/** bf16 storage of moments and τ: exact where it can be, unbiased where it cannot, the same bits on every device. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  add,
  compile,
  type Device,
  dispose,
  evaluate,
  foldIn,
  foldInName,
  InputError,
  key,
  mul,
  read,
  type Tensor,
  tensor,
} from "../../core/index.js";
import { adam, adamW, onDare, onTies, optimizer, packBf16, sgd, unpackBf16 } from "../../optim/index.js";
import { reference } from "../close.js";
import { check, law } from "../law.js";
import { assertNear, numbers, path, runs } from "./optim-paths.js";

const words = new Uint32Array(1);
const float = new Float32Array(words.buffer);
/** The f32 of 16 upper bits. */
const ofCode = (code: number): number => {
  words[0] = code << 16;
  return float[0] + 0;
};
/** bf16 numbers but for subnormals, infinities and NaN. */
const exact = fc
  .record({ negative: fc.boolean(), exponent: fc.integer({ min: 1, max: 254 }), fraction: fc.nat(127) })
  .map(({ negative, exponent, fraction }) => ofCode((negative ? 0x8000 : 0) | (exponent << 7) | fraction));
/** f32 numbers within them. */
const between = fc
  .record({ negative: fc.boolean(), exponent: fc.integer({ min: 1, max: 253 }), fraction: fc.nat(2 ** 23 - 1) })
  .map(({ negative, exponent, fraction }) => {
    words[0] = ((negative ? 0x80000000 : 0) | (exponent << 23) | fraction) >>> 0;
    return float[0];
  });

const rounded = async (x: readonly number[], seed: number, device: Device) => {
  const packed = evaluate(packBf16(tensor(Float32Array.from(x)), key(seed)), device);
  const back = await numbers(unpackBf16(packed, [x.length]), device);
  const stored = Array.from(await read(packed));
  dispose(packed);
  return { stored, back };
};
const floats = (x: fc.Arbitrary<number>) => fc.array(x, { maxLength: 9 });
/** x without its lower 16 bits, and the next number of its sign. */
const neighbours = (x: number): [number, number] => {
  float[0] = x;
  const code = words[0] >>> 16;
  return [ofCode(code), ofCode(code + 1)];
};

law(
  "bf16: what bf16 holds comes back as it was, two to a word",
  fc.tuple(floats(fc.oneof(exact, fc.constant(0))), fc.nat(100)),
  async ([x, seed], device) => {
    const { stored, back } = await rounded(x, seed, device);
    assert.deepEqual(
      back.map((y) => y + 0),
      x.map((y) => y + 0),
    );
    assert.equal(stored.length, Math.ceil(x.length / 2));
  },
  { effort: 0.5 },
);

check("bf16: what is packed is the upper half of the f32, at every exponent; below 2⁻¹²⁶ it is 0", async (device) => {
  // Powers of two and their upper neighbours' ends, by codes: the first half of the numbers lies in the lower half-words.
  const codes = Array.from({ length: 254 }, (_, i) => (i + 1) << 7).flatMap((code) => [code, code | 0x807f]);
  const { stored } = await rounded(codes.map(ofCode), 5, device);
  const words = codes.slice(0, 254).map((code, i) => code + codes[254 + i] * 2 ** 16);
  assert.deepEqual(stored, words);
  const small = [0, 2 ** -126 * (1 - 2 ** -8), 0.75 * 2 ** -126];
  const many = Array.from({ length: 60 }, (_, i) => small[i % 3]);
  assert.deepEqual((await rounded(many, 6, device)).stored, new Array(30).fill(0));
  // Codes of subnormals, which packing never writes.
  assert.deepEqual(await numbers(unpackBf16(tensor([64 + 127 * 2 ** 16], [1], "u32"), [2]), device), [0, 0]);
});

law(
  "bf16: what it does not hold becomes a neighbour, the same on every device",
  fc.tuple(floats(between), fc.nat(100)),
  async ([x, seed], device) => {
    const { stored, back } = await rounded(x, seed, device);
    for (const [i, y] of back.entries()) assert.ok(neighbours(x[i]).includes(y), `${x[i]} became ${y}`);
    assert.deepEqual(stored, (await rounded(x, seed, reference)).stored);
  },
  { effort: 0.5 },
);

check("bf16: numbers too small are 0, numbers too large the largest; shapes come back", async (device) => {
  const largest = ofCode(0x7f7f);
  const { back } = await rounded([2 ** -130, -(2 ** -140), 3.4e38, -3.4e38, largest], 1, device);
  assert.deepEqual(back.map((y) => y + 0), [0, 0, largest, -largest, largest]); // biome-ignore format: one line
  for (const shape of [[], [0], [2, 0], [3], [2, 3]]) {
    const n = shape.reduce((product, size) => product * size, 1);
    const x = tensor(Float32Array.from({ length: n }, (_, i) => i - 1), shape); // biome-ignore format: one line
    const y = unpackBf16(packBf16(x, key(3)), shape);
    assert.deepEqual([y.shape, await numbers(y, device)], [shape, Array.from({ length: n }, (_, i) => i - 1)]);
  }
});

check("bf16: rounding up has the probability of the share that is cut off, so the mean stays", async (device) => {
  const n = 4096;
  for (const [seed, share] of [
    [1, 0.25],
    [2, 0.5],
    [3, 0.9],
    [4, 1 / 64],
  ] as const) {
    // biome-ignore format: one line
    for (const [low, step] of [[1, 2 ** -7], [-3 * 2 ** 20, -(2 ** 14)], [2 ** -100, 2 ** -107]] as const) { // biome-ignore format: one line
      const { back } = await rounded(new Array(n).fill(low + share * step), seed, device);
      const up = back.filter((y) => y === low + step).length;
      assert.equal(back.filter((y) => y === low).length, n - up);
      // Binomial(n, share) within five deviations.
      const room = 5 * Math.sqrt(n * share * (1 - share));
      assert.ok(Math.abs(up - n * share) < room, `${low}, ${share}: ${up} of ${n} went up`);
    }
  }
});

check(
  "bf16: other keys round otherwise, and a slow sum is kept that rounding to nearest would lose",
  async (device) => {
    const x = new Array(64).fill(1 + 2 ** -8);
    assert.notDeepEqual((await rounded(x, 1, device)).stored, (await rounded(x, 2, device)).stored);
    // v ← v + 2⁻¹¹: a sixteenth of what bf16 can tell from 1.
    const n = 256;
    const T = 64;
    const grow = compile((v: Tensor, k: Tensor) => packBf16(add(unpackBf16(v, [n]), 2 ** -11), k), device);
    let v = evaluate(packBf16(tensor(new Float32Array(n).fill(1)), key(0)), device);
    for (let t = 1; t <= T; t++) v = grow(v, key(t));
    const back = await numbers(unpackBf16(v, [n]), device);
    const mean = back.reduce((total, y) => total + y, 0) / n;
    // Each of the T·n roundings has a variance of at most 2⁻¹⁴/16.
    assert.ok(Math.abs(mean - (1 + T * 2 ** -11)) < 5 * Math.sqrt((T * 2 ** -18) / n), `the mean became ${mean}`);
    for (const program of grow.programs()) program.free();
  },
);

law(
  "bf16 storage: slots and τ take half the words, and the first step is that of f32",
  runs(1),
  async (run, device) => {
    const given = { ...run, lr: 0.125 };
    const plain = await path(adamW(), given, device);
    const packed = await path(adamW({ storage: "bf16" }), given, device);
    assertNear(packed.end, plain.end, device);
    assert.deepEqual([packed.slots.m.length, packed.slots.v.length], [3, 3]);
    const { tau } = await path(onTies({ storage: "bf16", alpha: 0.5 }), given, device);
    assert.equal(tau.length, 3);
  },
  { effort: 0.25 },
);

law(
  "bf16 storage: τ in eighths is exact, so a merge at α=1 steps by it; Δc, decay and compensation stay f32",
  runs(2),
  async (run, device) => {
    const one = { alpha: 1, storage: "bf16", onlineStep: 2, compensated: true } as const;
    const { end, slots } = await path(onDare(one), { ...run, lr: 0.125 }, device);
    assertNear(end, run.start.map((w, i) => w + run.refDelta[i]), device); // biome-ignore format: one line
    assert.deepEqual([slots.m.length, slots.sinceMerge.length, slots.lost.length], [3, 6, 6]);
  },
  { effort: 0.25 },
);

law(
  "law 27, bf16: rounding is a function of (seed, step, what is rounded, parameter name, index)",
  fc.record({ seed: fc.nat(2 ** 40), name: fc.stringMatching(/^[a-z.]{1,12}$/), run: runs(2) }),
  async ({ seed, name, run: { start, grads, refDelta } }, device) => {
    const third = (x: readonly number[]) => x.map((y) => Math.fround(y / 3));
    const [g, tau] = [grads.map(third), third(refDelta)];
    const rule = onDare({ storage: "bf16", alpha: 0.5, base: sgd({ momentum: 0.5 }) });
    const run = { start, grads: g, refDelta: tau, seed, name };
    const got = await path(rule, run, device);
    const keyOf = (step: number, what: string) =>
      foldInName(foldInName(foldIn(foldIn(key(seed), step), 3), what), name);
    const pack = (x: Tensor, step: number, what: string) => packBf16(x, keyOf(step, what));
    assert.deepEqual(got.tau, await numbers(pack(tensor(tau), 0, "tau"), device));
    const first = unpackBf16(pack(tensor(g[0]), 1, "u"), [start.length]);
    const second = pack(add(mul(0.5, first), tensor(g[1])), 2, "u");
    assert.deepEqual(got.slots.u, await numbers(second, device));
  },
  { effort: 0.1 },
);

test("bf16 storage: an unknown storage and a τ of another optimizer are refused", () => {
  assert.throws(() => optimizer(adam(), { storage: "f16" as "bf16" }), InputError);
  const rule = onTies({ storage: "bf16", alpha: 0.5 });
  const w = { w: tensor([1, 2, 3]) };
  for (const tau of [w, { w: tensor([1, 2]) }, { w: tensor([1], [1], "u32") }])
    assert.throws(
      () => rule.update(rule.init(w), w, { lr: 1, tau }),
      /tau is [fu]32\[\d\] for w f32\[3\].*\n.*prepare it/,
    );
});
