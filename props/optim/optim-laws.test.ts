/** Laws 1 and 4–13 of the merging optimizers, by their numbers; traps as the inequality they are. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { adam, type MergingOptions, onDare, onTies, optimizer, sgd } from "../../optim/index.js";
import {
  assertApart,
  assertNear,
  assertSame,
  masksOver,
  minus,
  path,
  plus,
  runs,
  times,
  vectors,
} from "../../testing/runs.js";
import { check, law } from "../law.js";

/** ε that vanishes beside every v of these runs, and keeps 0/0 at 0. */
const TINY = 1e-30;
const paperAdam = (eps = 1e-8, betas?: readonly [number, number]) => optimizer(adam({ form: "paper", eps, betas }));
const alphas = fc.constantFrom(0.125, 0.25, 0.5);
const some = { effort: 0.25 };

/** One mask for Δ at each step, as a run takes them. */
const deltaMasks = (masks: readonly (readonly number[])[]) => (t: number) => ({ delta: masks[t] });

law(
  "law 1: p=1, α=0: onDare ≡ paper onTies ≡ Adam",
  runs(),
  async (run, device) => {
    const { weights } = await path(paperAdam(), run, device);
    for (const merging of [onDare(), onTies()]) {
      const merged = await path(merging, run, device);
      for (const [t, expected] of weights.entries()) assertSame(merged.weights[t], expected, device, merging.name);
    }
  },
  some,
);

law(
  "law 1, official: p=1, α=0: onDare ≡ released Adam; onTies only if τ=0",
  runs(),
  async (run, device) => {
    const base = await path(optimizer(adam({ form: "released", eps: 1e-6 })), run, device);
    assertSame((await path(onDare({ preset: "official" }), run, device)).end, base.end, device);
    const zero = { ...run, refDelta: times(run.refDelta, 0) };
    assertSame((await path(onTies({ preset: "official" }), zero, device)).end, base.end, device);
  },
  some,
);

check("law 1, trap: official onTies at p=1, α=0 is not Adam where τ outvotes Δ", async (device) => {
  const run = { start: [1, 1], grads: [[1, 1]], lr: 0.25, refDelta: [0.5, -0.5] };
  const { end } = await path(onTies({ preset: "official" }), run, device);
  const base = await path(optimizer(adam({ form: "released", eps: 1e-6 })), run, device);
  assert.equal(end[0], 1);
  assertSame([end[1]], [base.end[1]], device);
  assertApart([end[0]], [base.end[0]], device);
});

law(
  "law 4: zero gradients: T steps give θ0 + TαF(τ)",
  fc.tuple(runs(), alphas, masksOver(1)),
  async ([run, alpha, [mask]], device) => {
    const still = { ...run, grads: run.grads.map((g) => times(g, 0)), refDelta: times(run.refDelta, 1 / 4) };
    const T = run.grads.length;
    const ties = await path(onTies({ alpha, reserveP: 0.5 }), still, device);
    assertNear(ties.end, plus(run.start, times(ties.tau, T * alpha)), device);
    const fed = { ...still, masks: () => ({ tau: mask }) };
    const dare = await path(onDare({ alpha, reserveP: 0.5 }), fed, device);
    assertNear(dare.end, plus(run.start, times(times(still.refDelta, mask), T * alpha)), device);
    const official = await path(
      onDare({ alpha, reserveP: 0.5, preset: "official" }),
      { ...still, tauMask: mask },
      device,
    );
    assertNear(official.end, plus(run.start, times(times(still.refDelta, mask), 2 * T * alpha)), device);
  },
  some,
);

law(
  "law 5: the τ term is a constant drift: at lr=0 weights move, and alike from anywhere",
  fc.tuple(runs(2), vectors(6), alphas),
  async ([run, elsewhere, alpha], device) => {
    for (const merging of [onDare({ alpha }), onTies({ alpha })]) {
      const here = await path(merging, { ...run, lr: 0 }, device);
      const there = await path(merging, { ...run, lr: 0, start: elsewhere }, device);
      assertNear(minus(here.end, run.start), times(run.refDelta, 2 * alpha), device);
      assertNear(minus(there.end, elsewhere), minus(here.end, run.start), device);
    }
  },
  some,
);

law(
  "law 6: onDare is affine in α for one Δ and one pair of masks",
  fc.tuple(runs(1), alphas),
  async ([run, alpha], device) => {
    const at = async (a: number) =>
      (await path(onDare({ alpha: a, reserveP: 0.5 }), { ...run, lr: 0.5, seed: 5 }, device)).end;
    const [none, all] = [await at(0), await at(1)];
    assertNear(await at(alpha), plus(times(none, 1 - alpha), times(all, alpha)), device);
  },
  some,
);

check("law 6, trap: paper onTies is not affine in α", async (device) => {
  const run = { start: [0], grads: [[-1]], lr: 1, refDelta: [-1] };
  const at = async (alpha: number) => (await path(onTies({ alpha, base: sgd() }), run, device)).end;
  assert.deepEqual([await at(0), await at(0.25), await at(1)], [[1], [0.75], [-1]]);
  assertApart(await at(0.25), plus(times(await at(0), 0.75), times(await at(1), 0.25)), device);
});

law(
  "law 7: α=1: the step is F(τ), whatever the gradient",
  fc.tuple(runs(2), runs(2), masksOver(2)),
  async ([run, other, masks], device) => {
    const fed = { ...run, masks: (t: number) => ({ tau: masks[t] }) };
    const dare = await path(onDare({ alpha: 1, reserveP: 0.5 }), fed, device);
    assertNear(dare.end, plus(run.start, times(run.refDelta, plus(masks[0], masks[1]))), device);
    for (const merging of [onDare({ alpha: 1, reserveP: 0.5 }), onTies({ alpha: 1, reserveP: 0.5 })]) {
      const one = await path(merging, fed, device);
      assertSame((await path(merging, { ...fed, grads: other.grads }, device)).end, one.end, device, merging.name);
    }
    const ties = await path(onTies({ alpha: 1, reserveP: 0.5 }), run, device);
    assertNear(ties.end, plus(run.start, times(ties.tau, 2)), device);
  },
  some,
);

law(
  "law 8: τ=0: the step is (1−α)F(Δ), not F(Δ)",
  fc.tuple(runs(1), alphas),
  async ([run, alpha], device) => {
    const still = { ...run, lr: 1, refDelta: times(run.refDelta, 0), seed: 3 };
    for (const rule of [onDare, onTies]) {
      const base = { reserveP: 0.5 } as MergingOptions;
      const whole = minus((await path(rule(base), still, device)).end, run.start);
      const merged = minus((await path(rule({ ...base, alpha }), still, device)).end, run.start);
      assertNear(merged, times(whole, 1 - alpha), device);
      if (whole.some((x) => x !== 0)) assertApart(merged, whole, device);
    }
  },
  some,
);

law(
  "law 9: p=0: nothing of Δ or τ is left, and no NaN, rescaled or not",
  runs(2),
  async (run, device) => {
    const none = { reserveP: 0, alpha: 0.5 };
    const rules = [onDare(none), onTies(none), onDare({ ...none, preset: "official" })];
    for (const rule of [...rules, onDare({ ...none, preset: "official", rescaleL1: true })])
      assert.deepEqual((await path(rule, run, device)).end, run.start, rule.name);
  },
  some,
);

law(
  "law 9, trap: official onTies at p=0 keeps everything: k < 1 is dense",
  runs(1),
  async (run, device) => {
    const at = async (reserveP: number) =>
      (await path(onTies({ preset: "official", reserveP, alpha: 0.5 }), run, device)).end;
    assertSame(await at(0), await at(1), device);
    assertApart(await at(0), run.start, device);
  },
  some,
);

law(
  "law 10: ε→0: scaling the loss by c>0 changes no step, and no bit for powers of two",
  fc.tuple(runs(), fc.constantFrom(0.25, 2, 3, 8)),
  async ([run, c], device) => {
    for (const rule of [
      onDare({ reserveP: 0.5, alpha: 0.25, eps: TINY }),
      onTies({ reserveP: 0.5, alpha: 0.25, eps: TINY }),
    ]) {
      const plain = await path(rule, run, device);
      const scaled = await path(rule, { ...run, grads: run.grads.map((g) => times(g, c)) }, device);
      if (c === 3 && rule.name === "onTies") continue; // ties of |Δ| may fall the other way after rounding
      (c === 3 ? assertNear : assertSame)(scaled.end, plain.end, device, rule.name);
    }
  },
  some,
);

law(
  "law 11: the top-k mask of Δ does not depend on lr",
  runs(3),
  async (run, device) => {
    const supports = async (lr: number) => {
      const { weights } = await path(onTies({ reserveP: 0.5 }), { ...run, start: times(run.start, 0), lr }, device);
      return weights.map((w, t) => w.map((x, i) => x !== (t === 0 ? 0 : weights[t - 1][i])));
    };
    const small = await supports(2 ** -10);
    assert.deepEqual(await supports(0.5), small);
    for (const moved of small) assert.equal(moved.filter(Boolean).length, 3);
  },
  some,
);

law(
  "law 12: α=0, no decay: the step is exactly zero off the mask, and not on it",
  fc.tuple(runs(), masksOver()),
  async ([run, masks], device) => {
    const { weights } = await path(onDare({ reserveP: 0.5 }), { ...run, lr: 0.25, masks: deltaMasks(masks) }, device);
    for (const [t, w] of weights.entries()) {
      const before = t === 0 ? run.start : weights[t - 1];
      for (const [i, x] of w.entries()) if (masks[t][i] === 0) assert.equal(x, before[i]);
    }
    const first = minus(weights[0], run.start).map((x) => (x === 0 ? 0 : 1));
    assert.deepEqual(first, masks[0]);
  },
  some,
);

check("law 13, trap: a drift below half an ulp is absorbed; compensated weights keep it", async (device) => {
  assert.equal(Math.fround(Math.fround(0.02) + Math.fround(5e-7 * 1e-3)), Math.fround(0.02));
  const ulp = device.name === "reference" ? 2 ** -52 : 2 ** -23;
  const run = { start: [1], grads: Array.from({ length: 16 }, () => [0]), lr: 0, refDelta: [ulp / 4] };
  assert.deepEqual((await path(onDare({ alpha: 0.5 }), run, device)).end, [1]);
  assert.deepEqual((await path(onDare({ alpha: 0.5, compensated: true }), run, device)).end, [1 + 2 * ulp]);
  assert.deepEqual((await path(onTies({ alpha: 0.5, compensated: true }), run, device)).end, [1 + 2 * ulp]);
});
