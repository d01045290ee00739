/** Laws 22–29: sparsifiers and sign consensus. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Device } from "../../core/index.js";
import { bernoulli, key, sum, tensor, uniform } from "../../core/index.js";
import {
  type Draw,
  keepLargest,
  keepRandom,
  signConsensus,
  topCount,
  unweightedVote,
  weightedVote,
} from "../../optim/index.js";
import { assertSame, numbers, times, vectors } from "../../testing/runs.js";
import { check, law } from "../law.js";

const N = 12;
const some = { effort: 0.5 };
const xs = vectors(N);
const ps = fc.constantFrom(0, 0.1, 0.25, 0.5, 0.75, 1);
const drawn =
  (seed: number, n = N): Draw =>
  (_, p) =>
    bernoulli(key(seed), p, [n]);
const noDraw: Draw = () => assert.fail("top-p draws no mask");

const largest = (x: readonly number[], p: number, device: Device) =>
  numbers(keepLargest(p)(tensor([...x], [x.length]), "delta", noDraw), device);
const random = (x: readonly number[], p: number, seed: number, device: Device, rescale = false) =>
  numbers(keepRandom(p, rescale)(tensor([...x], [x.length]), "delta", drawn(seed, x.length)), device);
const kept = (x: readonly number[]) => x.filter((y) => y !== 0);

law(
  "law 22: top-k keeps exactly min(k, nonzeros), ties to the lower index",
  fc.tuple(xs, ps),
  async ([x, p], device) => {
    const got = await largest(x, p, device);
    const order = x.map((_, i) => i).sort((a, b) => Math.abs(x[b]) - Math.abs(x[a]) || a - b);
    const chosen = new Set(order.slice(0, topCount(p, N)));
    assert.deepEqual(
      got,
      x.map((y, i) => (chosen.has(i) ? y : 0)).map((y) => y + 0),
    );
    assert.equal(kept(got).length, Math.min(topCount(p, N), kept(x).length));
  },
  some,
);

check("law 22, trap: floor(0.29·100) is 28", async (device) => {
  assert.equal(topCount(0.29, 100), 28);
  const x = Array.from({ length: 100 }, (_, i) => i + 1);
  assert.equal(kept(await largest(x, 0.29, device)).length, 28);
});

law(
  "law 23: top-k is idempotent, blind to signs and powers of two, nested in p",
  fc.tuple(xs, vectors(N, true), ps, ps),
  async ([x, signs, p, q], device) => {
    const got = await largest(x, p, device);
    assert.deepEqual(await largest(got, p, device), got);
    const flips = signs.map(Math.sign);
    assertSame(await largest(times(x, flips), p, device), times(got, flips), device);
    assertSame(await largest(times(x, 4), p, device), times(got, 4), device);
    const wider = await largest(x, Math.max(p, q), device);
    for (const [i, y] of (await largest(x, Math.min(p, q), device)).entries()) if (y !== 0) assert.equal(wider[i], y);
  },
  some,
);

law(
  "law 23: no k-sparse tensor is nearer in L1 or L2: the smallest kept ≥ the largest dropped",
  fc.tuple(xs, ps),
  async ([x, p], device) => {
    const got = await largest(x, p, device);
    const dropped = x.filter((_, i) => got[i] === 0).map(Math.abs);
    const smallestKept = Math.min(...kept(got).map(Math.abs));
    assert.ok(smallestKept >= Math.max(0, ...dropped) || kept(got).length === 0);
    for (const power of [1, 2]) {
      const error = dropped.reduce((total, y) => total + y ** power, 0);
      const magnitudes = x.map((y) => Math.abs(y) ** power).sort((a, b) => a - b);
      assert.equal(
        error,
        magnitudes.slice(0, N - topCount(p, N)).reduce((total, y) => total + y, 0),
      );
    }
  },
  some,
);

law(
  "law 24: distinct magnitudes: top-k commutes with permutations",
  fc.tuple(fc.shuffledSubarray([1, 2, 3, 4, 5, 6, 7, 8], { minLength: 8 }), ps),
  async ([order, p], device) => {
    const x = [1, -2, 3, -4, 5, -6, 7, -8].map((y) => y / 8);
    const permute = (y: readonly number[]) => order.map((i) => y[i - 1]);
    assert.deepEqual(await largest(permute(x), p, device), permute(await largest(x, p, device)));
  },
  some,
);

check("law 24, trap: with a tie at the threshold it does not", async (device) => {
  assert.deepEqual(await largest([1, -1], 0.5, device), [1, 0]);
  assert.deepEqual(await largest([-1, 1], 0.5, device), [-1, 0]);
});

law(
  "law 25: Bernoulli masks depend on the key, never on values; linear given the mask; nested in p",
  fc.tuple(vectors(N, true), vectors(N, true), ps, ps, fc.nat(1000)),
  async ([x, y, p, q, seed], device) => {
    const [a, b] = [await random(x, p, seed, device), await random(y, p, seed, device)];
    assert.deepEqual(
      a.map((z) => z !== 0),
      b.map((z) => z !== 0),
    );
    const sum = await random(
      x.map((z, i) => 2 * z + y[i]),
      p,
      seed,
      device,
    );
    assert.deepEqual(
      sum,
      a.map((z, i) => 2 * z + b[i]),
    );
    const wider = await random(x, Math.max(p, q), seed, device);
    for (const [i, z] of (await random(x, Math.min(p, q), seed, device)).entries())
      if (z !== 0) assert.equal(wider[i], z);
  },
  some,
);

check("law 25: a mask is u < p of the key's uniforms", async (device) => {
  const u = await numbers(uniform(key(7), [64]), device);
  const mask = await numbers(bernoulli(key(7), 0.375, [64]), device);
  assert.deepEqual(
    mask,
    u.map((x) => (x < 0.375 ? 1 : 0)),
  );
});

check("law 26: the kept count is Binomial(n, p), and with 1/p the mean stays", async (device) => {
  const n = 4096;
  const ones = tensor(new Array(n).fill(1), [n]);
  for (const [seed, p] of [
    [1, 0.1],
    [2, 0.5],
    [3, 0.9],
    [4, 0.01],
  ] as const) {
    const [count] = await numbers(sum(keepRandom(p)(ones, "delta", drawn(seed, n))), device);
    const deviation = Math.sqrt(n * p * (1 - p));
    assert.ok(Math.abs(count - n * p) < 4 * deviation, `p=${p}: kept ${count} of ${n}`);
    const [total] = await numbers(sum(keepRandom(p, true)(ones, "delta", drawn(seed, n))), device);
    assert.ok(Math.abs(total - count / p) < 1e-4 * n, `p=${p}: ${total} is not ${count}/p`);
  }
});

check("law 9: keepRandom(0) is 0 even with 1/p", async (device) =>
  assert.deepEqual(await random([1, -2, 3], 0, 1, device, true), [0, 0, 0]),
);

const join = (a: readonly number[], b: readonly number[], device: Device) =>
  numbers(signConsensus(tensor([...a], [a.length]), tensor([...b], [b.length])), device);
const zeros = new Array(N).fill(0);

law(
  "law 28: ⊕ is commutative, odd, positively homogeneous, 0 its identity",
  fc.tuple(xs, xs),
  async ([a, b], device) => {
    const got = await join(a, b, device);
    assert.deepEqual(await join(b, a, device), got);
    assertSame(await join(times(a, -1), times(b, -1), device), times(got, -1), device);
    assertSame(await join(times(a, 4), times(b, 4), device), times(got, 4), device);
    assert.deepEqual(await join(a, zeros, device), a);
    for (const [i, x] of got.entries()) {
      if (a[i] === -b[i]) assert.equal(x, 0);
      else {
        const winner = Math.abs(a[i]) > Math.abs(b[i]) ? a[i] : b[i];
        assert.ok(Math.abs(x) >= Math.abs(winner) && Math.sign(x) === Math.sign(winner), `${a[i]} ⊕ ${b[i]} = ${x}`);
      }
    }
  },
  some,
);

law(
  "law 28: ⊕ by cases: the sum where signs agree, else the larger",
  fc.tuple(xs, xs),
  async ([a, b], device) => {
    const expected = a.map((x, i) =>
      x * b[i] >= 0 || x === -b[i] ? x + b[i] : Math.abs(x) > Math.abs(b[i]) ? x : b[i],
    );
    assert.deepEqual(
      await join(a, b, device),
      expected.map((x) => x + 0),
    );
  },
  some,
);

check("law 28: signs vote, not products: small numbers of opposite sign disagree", async (device) =>
  assertSame(times(await join([2 ** -80], [-(2 ** -79)], device), 2 ** 79), [-1], device),
);

check("law 29, traps: ⊕ is not associative, not idempotent, and jumps at |a|=|b|", async (device) => {
  const [left] = await join(await join([1], [1.5], device), [-2], device);
  const [right] = await join([1], await join([1.5], [-2], device), device);
  assert.deepEqual([left, right], [2.5, -2]);
  assert.deepEqual(await join([1], [1], device), [2]);
  assert.deepEqual(await join([1, 1, 1], [-1.125, -1, -0.875], device), [-1.125, 0, 1]);
});

check("votes: Δ=1e-6, τ=−1e-3, α=5e-7 is +1e-6 by the paper, −5e-10 by the released code", async (device) => {
  const [delta, tau] = [tensor([1e-6, 1, 0]), tensor([-1e-3, -1, 0])];
  const paper = await numbers(weightedVote(delta, tau, 5e-7), device);
  const released = await numbers(unweightedVote(delta, tau, 5e-7), device);
  assert.ok(Math.abs(paper[0] / 1e-6 - 1) < 1e-5 && Math.abs(released[0] / -5e-10 - 1) < 1e-5);
  const tie = [0.5, 0];
  assert.deepEqual(
    (await numbers(unweightedVote(delta, tau, 0.5), device)).slice(1),
    tie,
    "a tie elects the positive one",
  );
  assert.deepEqual((await numbers(weightedVote(delta, tau, 0.5), device)).slice(1), [0, 0], "the paper cancels it");
});
