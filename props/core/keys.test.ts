/** Laws of random keys: the same bits everywhere, independent streams, and the distributions that are promised. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import * as t from "../../core/index.js";
import { threefry } from "../../core/ops/definitions.js";
import { assertClose, assertSame, numbersOf, reference, run } from "../close.js";
import { seeds, shapes } from "../generators/generators.js";
import { check, law } from "../law.js";

test("Threefry2x32-20: the known answers of Random123", () => {
  const hex = (words: readonly number[]) => words.map((word) => word.toString(16).padStart(8, "0")).join(" ");
  const ones = 0xffffffff;
  assert.equal(hex(threefry(0, 0, 0, 0)), "6b200159 99ba4efe");
  assert.equal(hex(threefry(ones, ones, ones, ones)), "1cb996fc bb002be7");
  assert.equal(hex(threefry(0x13198a2e, 0x03707344, 0x243f6a88, 0x85a308d3)), "c4923a9c 483df7a0");
});

const seedsOfKeys = fc.oneof(fc.nat(), fc.integer({ min: 2 ** 32, max: Number.MAX_SAFE_INTEGER }));
/** Σ f(x, i) */
const total = (data: t.HostData, f: (x: number, i: number) => number): number =>
  Array.from(data, f).reduce((sum, x) => sum + x, 0);
const values = async (tree: t.Tree, device: t.Device): Promise<t.HostData[]> => numbersOf(t.evaluate(tree, device));

law(
  "bits are Threefry of (key, index), the same on every device, as data and as constants",
  fc.tuple(seedsOfKeys, shapes()),
  async ([seed, shape], device) => {
    const k = t.key(seed);
    const words = t.constantData(k).data;
    const want = Array.from({ length: t.sizeOf(shape) }, (_, i) => t.threefryBits(words[0], words[1], i, 0));
    assertSame((await run((given: t.Tensor) => t.bits(given, shape), [k], device))[0], want);
    assertSame((await values(t.bits(k, shape), device))[0], want);
  },
  { effort: 0.5 },
);

law(
  "split, foldIn, foldInName, bits, uniform and bernoulli: bit for bit those of the reference",
  fc.tuple(seedsOfKeys, fc.nat(), fc.double({ min: 0, max: 1, noNaN: true })),
  async ([seed, data, p], device) => {
    const draw = (k: t.Tensor, at: t.Tensor) => [
      ...t.split(k, 3),
      t.foldIn(k, at),
      t.foldIn(k, 7),
      t.foldInName(k, "layers.0.w"),
      t.bits(t.split(k)[1], [3, 5]),
      t.uniform(k, [11]),
      t.bernoulli(k, p, [4, 9]),
    ];
    const args: [t.Tensor, t.Tensor] = [t.key(seed), t.tensor(data, [], "i32")];
    const [got, want] = [await run(draw, args, device), await run(draw, args, reference)];
    want.forEach((numbers, i) => {
      assertSame(got[i], numbers, `draw ${i}`);
    });
  },
  { effort: 0.5, on: ["cpu", "webgpu"] },
);

law(
  "many keys folded at once are each folded alone: by names, and by one number for all",
  fc.tuple(fc.array(seedsOfKeys, { minLength: 1, maxLength: 3 }), fc.array(fc.string(), { maxLength: 4 }), fc.nat()),
  async ([keySeeds, names, data], device) => {
    const keys = keySeeds.map(t.key);
    const [byName, byNumber] = await values(
      [
        t.foldInEach(t.reshape(t.concat(keys), [keys.length, 1, 2]), t.namesAsData(names)),
        t.foldInEach(t.reshape(t.concat(keys), [keys.length, 2]), t.scalar(data % 2 ** 31, "i32")),
      ],
      device,
    );
    const each = async (made: t.Tensor[]) => (await values(made, device)).flatMap((words) => [...words]);
    assertSame(byName, await each(keys.flatMap((k) => names.map((name) => t.foldInName(k, name)))));
    assertSame(byNumber, await each(keys.map((k) => t.foldIn(k, data % 2 ** 31))));
  },
  { effort: 0.2 },
);

law(
  "normal agrees with the reference",
  seedsOfKeys,
  async (seed, device) => {
    const draw = (k: t.Tensor) => t.normal(k, [64]);
    const [[got], [want]] = [await run(draw, [t.key(seed)], device), await run(draw, [t.key(seed)], reference)];
    // cos(2πu) errs by the rounding of 2πu ≤ 6.3 (4e-7), times a radius of at most 5.8; log near 1 by its own ulps.
    assertClose(got, want, { abs: 1e-5 });
  },
  { effort: 0.25, on: ["cpu", "webgpu"] },
);

check("no two streams meet: splits, folds and names of many keys are all different", async (device) => {
  const roots = [0, 1, 2, 12345].map(t.key);
  const keys = roots.flatMap((k) => [
    k,
    ...t.split(k, 40),
    ...t.split(t.split(k)[0], 10),
    ...Array.from({ length: 40 }, (_, i) => t.foldIn(k, i)),
    ...["a", "b", "layers.0.w", "layers.1.w"].map((name) => t.foldInName(k, name)),
    t.bits(k, [2]),
  ]);
  const all = await values(t.concat(keys, 0), device);
  const words = Array.from({ length: keys.length }, (_, i) => `${all[0][2 * i]} ${all[0][2 * i + 1]}`);
  assert.equal(new Set(words).size, keys.length);
});

check("a longer draw starts with the shorter one; the shape does not matter", async (device) => {
  const k = t.key(3);
  const [long, short, square] = await values([t.bits(k, [30]), t.bits(k, [9]), t.bits(k, [3, 3])], device);
  assertSame(short, long.slice(0, 9));
  assertSame(square, short);
});

const N = 20_000;

check("uniform numbers lie in [0, 1) on a grid of 2^-24, evenly", async (device) => {
  const [u] = await values(t.uniform(t.key(1), [N]), device);
  assert.ok(u.every((x) => x >= 0 && x < 1 && Number.isInteger(x * 2 ** 24)));
  const bins = new Array<number>(50).fill(0);
  for (const x of u) bins[Math.floor(50 * x)]++;
  const chiSquare = bins.reduce((sum, count) => sum + (count - N / 50) ** 2 / (N / 50), 0);
  // 49 degrees of freedom: mean 49, deviation 9.9. Fixed seed: either always or never.
  assert.ok(chiSquare < 49 + 5 * 9.9, `chi² ${chiSquare}`);
  assert.ok(chiSquare > 49 - 4 * 9.9, `chi² ${chiSquare}`);
});

check("normal numbers have the moments of a standard normal, independent of their neighbours", async (device) => {
  const [z] = await values(t.normal(t.key(2), [N]), device);
  const mean = (f: (x: number, i: number) => number) => total(z, f) / N;
  // Deviations of the estimates: √(1, 2, 15, 96)/√N.
  const within = (got: number, want: number, variance: number) => {
    assert.ok(Math.abs(got - want) < 5 * Math.sqrt(variance / N), `${got} for ${want}`);
  };
  within(
    mean((x) => x),
    0,
    1,
  );
  within(
    mean((x) => x ** 2),
    1,
    2,
  );
  within(
    mean((x) => x ** 3),
    0,
    15,
  );
  within(
    mean((x) => x ** 4),
    3,
    96,
  );
  for (const lag of [1, 2, 4, 8])
    within(
      mean((x, i) => x * z[(i + lag) % N]),
      0,
      1,
    );
  within(
    mean((x) => (Math.abs(x) < 1 ? 1 : 0)),
    0.6827,
    0.22,
  );
});

check("bernoulli: p of the numbers within binomial bounds, and nested in p", async (device) => {
  const k = t.key(9);
  const shares = [0, 1e-3, 0.1, 0.5, 0.9, 0.999, 1];
  const masks = await values(
    shares.map((p) => t.bernoulli(k, p, [N])),
    device,
  );
  shares.forEach((p, i) => {
    const count = total(masks[i], (x) => x);
    assert.ok(Math.abs(count - p * N) <= 5 * Math.sqrt(N * p * (1 - p)), `${count} of ${N} for p = ${p}`);
    if (i > 0)
      assert.ok(
        masks[i].every((kept, at) => kept >= masks[i - 1][at]),
        "a larger p keeps more",
      );
  });
});

test("masks of different keys are independent: they meet as often as chance has it", async () => {
  const [a, b] = t.split(t.key(4));
  const [x, y] = await values([t.bernoulli(a, 0.3, [N]), t.bernoulli(b, 0.3, [N])], reference);
  const both = total(x, (kept, i) => kept * y[i]);
  assert.ok(Math.abs(both - 0.09 * N) < 5 * Math.sqrt(N * 0.09 * 0.91), `${both}`);
});

law(
  "a step number as data folds as a number does",
  fc.tuple(seeds(), fc.nat(1000)),
  async ([seed, step], device) => {
    const [fixed] = await values(t.foldIn(t.key(seed), step), device);
    for (const dtype of ["i32", "u32"] as const) {
      const [given] = await run((n: t.Tensor) => t.foldIn(t.key(seed), n), [t.tensor(step, [], dtype)], device);
      assertSame(given, fixed);
    }
  },
  { effort: 0.2 },
);

test("bad keys and probabilities are refused", () => {
  for (const bad of [-1, 0.5, Number.NaN, 2 ** 60]) assert.throws(() => t.key(bad), t.ShapeError);
  for (const p of [-0.1, 1.1, Number.NaN]) assert.throws(() => t.bernoulli(t.key(1), p, [2]), /ShapeError: bernoulli/);
  assert.throws(() => t.bits(t.zeros([2]), [2]), /ShapeError: bits\(key, shape\): f32\[2\] is not a key/);
  assert.throws(() => t.split(t.zeros([3], "u32")), t.ShapeError);
  assert.throws(() => t.foldIn(t.key(1), t.zeros([2], "i32")), t.ShapeError);
  assert.throws(() => t.foldIn(t.key(1), -1), t.ShapeError);
  assert.throws(() => t.split(t.key(1), 1.5), t.ShapeError);
});
