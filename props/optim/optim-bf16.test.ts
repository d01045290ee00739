/** bf16 storage of weights, moments and τ: unbiased, and the same bits on every device. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  add,
  bits,
  cast,
  compile,
  type Device,
  type DType,
  dispose,
  evaluate,
  foldIn,
  foldInName,
  InputError,
  key,
  mul,
  read,
  roundRandom,
  type Tensor,
  tensor,
} from "../../core/index.js";
import { adam, adamW, decayed, onDare, onTies, optimizer, pullback, sgd } from "../../optim/index.js";
import { assertNear, numbers, path, runs } from "../../testing/runs.js";
import { check, law } from "../law.js";

/** Numbers rounded at random by a key, as f32. */
const rounded = (x: readonly number[], seed: number, device: Device): Promise<number[]> =>
  numbers(kept(tensor(Float32Array.from(x)), key(seed)), device);
const kept = (x: Tensor, k: Tensor): Tensor => roundRandom(x, bits(k, x.shape), "bf16");

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
      const back = await rounded(new Array(n).fill(low + share * step), seed, device);
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
    assert.notDeepEqual(await rounded(x, 1, device), await rounded(x, 2, device));
    // v ← v + 2⁻¹¹: a sixteenth of what bf16 can tell from 1.
    const n = 256;
    const T = 64;
    const grow = compile((v: Tensor, k: Tensor) => kept(add(v, 2 ** -11), k), device, { donate: [0] });
    let v = evaluate(tensor(new Float32Array(n).fill(1), [n], "bf16"), device);
    for (let t = 1; t <= T; t++) v = grow(v, key(t));
    const back = Array.from(await read(v));
    dispose(v);
    const mean = back.reduce((total, y) => total + y, 0) / n;
    // Each of the T·n roundings has a variance of at most 2⁻¹⁴/16.
    assert.ok(Math.abs(mean - (1 + T * 2 ** -11)) < 5 * Math.sqrt((T * 2 ** -18) / n), `the mean became ${mean}`);
    for (const program of grow.programs()) program.free();
  },
);

law(
  "bf16 storage: slots and τ are bf16, and the first step is that of f32",
  runs(1),
  async (run, device) => {
    const given = { ...run, lr: 0.125 };
    const plain = await path(adamW(), given, device);
    const packed = await path(adamW({ storage: "bf16" }), given, device);
    assertNear(packed.end, plain.end, device);
    const { slots } = adamW({ storage: "bf16" }).init({ w: tensor([1]) });
    assert.deepEqual([slots.m.w.dtype, slots.v.w.dtype], ["bf16", "bf16"]);
    const merging = onTies({ storage: "bf16", alpha: 0.5 });
    assert.equal(merging.prepare({ w: tensor([1]) }, key(0)).w.dtype, "bf16");
  },
  { effort: 0.25 },
);

law(
  "bf16 storage: τ in eighths is exact, so a merge at α=1 steps by it; Δc, decay and compensation stay f32",
  runs(2),
  async (run, device) => {
    const one = { alpha: 1, storage: "bf16", onlineStep: 2, compensated: true } as const;
    const { end } = await path(onDare(one), { ...run, lr: 0.125 }, device);
    assertNear(end, run.start.map((w, i) => w + run.refDelta[i]), device); // biome-ignore format: one line
    const { slots } = onDare(one).init({ w: tensor([1]) });
    assert.deepEqual([slots.m.w.dtype, slots.sinceMerge.w.dtype, slots.lost.w.dtype], ["bf16", "f32", "f32"]);
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
    assert.deepEqual(got.tau, await numbers(kept(tensor(tau), keyOf(0, "tau")), device));
    const first = kept(tensor(g[0]), keyOf(1, "u"));
    const second = kept(add(mul(0.5, first), tensor(g[1])), keyOf(2, "u"));
    assert.deepEqual(got.slots.u, await numbers(second, device));
  },
  { effort: 0.1 },
);

law(
  "bf16 weights: drift far below what bf16 can tell is kept in the mean, and stays what f32 weights would do",
  fc.record({ seed: fc.nat(2 ** 40), down: fc.boolean() }),
  async ({ seed, down }, device) => {
    // w = 1, and each of 32 steps moves it by a 32nd of bf16's step there.
    const n = 512;
    const [T, change] = [32, (down ? -1 : 1) * 2 ** -12];
    const start = new Array(n).fill(1);
    const grads = Array.from({ length: T }, () => new Array(n).fill(-change));
    const { end } = await path(optimizer(sgd(), { weights: "bf16" }), { start, grads, lr: 1, seed }, device);
    const mean = end.reduce((total, w) => total + w, 0) / n;
    // A rounding between neighbours 2⁻⁷ apart has a variance of at most 2⁻¹⁶ · 4: five deviations of the mean.
    const room = 5 * Math.sqrt((T * 2 ** -7 * Math.abs(change)) / n);
    assert.ok(Math.abs(mean - (1 + T * change)) < room, `the mean became ${mean}`);
  },
  { effort: 0.1 },
);

law(
  "16-bit parameters, gradients, τ and reference weights are read as the f32 that they are",
  runs(3),
  async ({ start, grads, refDelta }, device) => {
    const rule = optimizer(pullback(decayed(adam(), { rate: 0.125, of: "weights before" }), 0.25));
    const merging = onTies({ alpha: 0.5, reserveP: 0.5 });
    for (const [of, dtype] of [
      [rule, "bf16"],
      [merging, "f16"],
      [merging, "bf16"],
    ] as const) {
      // biome-ignore format: one line
      const walk = async (as: DType) => {
        const leaf = (x: readonly number[]) => ({ w: cast(tensor([...x]), as) });
        let state = evaluate(of.init(leaf(start), { seed: 1 }), device);
        assert.equal(state.params.w.dtype, "f32");
        const step = compile(of.update<{ w: Tensor }>, device, { donate: [0] });
        const fixed = evaluate(
          { ...(of.usesTau ? { tau: leaf(refDelta) } : {}), ...(of.usesAnchor ? { anchor: leaf(start) } : {}) },
          device,
        );
        for (const g of grads) {
          const grad = evaluate(leaf(g), device);
          state = step(state, grad, { lr: 0.125, ...fixed });
          dispose(grad);
        }
        const end = Array.from(await read(state.params.w));
        dispose(state, fixed);
        for (const program of step.programs()) program.free();
        return end;
      };
      assert.deepEqual(await walk(dtype), await walk("f32"));
    }
  },
  { effort: 0.1 },
);

test("bf16 storage: an unknown storage is refused", () => {
  for (const lift of [{ storage: "f16" as "bf16" }, { weights: "i32" as "bf16" }])
    assert.throws(() => optimizer(adam(), lift), InputError);
});
