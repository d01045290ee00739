/** Laws 16–21: step-K, Algorithm 2. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  adam,
  keepLargest,
  keepRandom,
  type Merge,
  onDare,
  online,
  onTies,
  optimizer,
  stepK,
  weightedSum,
} from "../../optim/index.js";
import { assertApart, assertNear, assertSame, masksOver, minus, path, plus, runs, times } from "../../testing/runs.js";
import { check, law } from "../law.js";

const base = () => adam({ form: "paper" });
const some = { effort: 0.25 };
const alphas = fc.constantFrom(0.125, 0.25, 0.5);

law(
  "law 16: K=1 ≡ online merging under the same masks",
  fc.tuple(runs(), masksOver(), masksOver()),
  async ([run, delta, tau], device) => {
    const merge: Merge = {
      alpha: 0.25,
      delta: keepRandom(0.5),
      tau: keepRandom(0.5),
      tauOnce: false,
      consensus: weightedSum,
    };
    const fed = { ...run, masks: (t: number) => ({ delta: delta[t], tau: tau[t] }) };
    const everyStep = await path(optimizer(stepK(base(), merge, 1)), fed, device);
    const merged = await path(optimizer(online(base(), merge)), fed, device);
    assert.deepEqual(everyStep.weights, merged.weights);
    assert.deepEqual((await path(onDare({ alpha: 0.25, reserveP: 0.5 }), fed, device)).weights, merged.weights);
  },
  some,
);

law(
  "law 17: p=1, α=0: every K ≡ Adam",
  fc.tuple(runs(6), fc.constantFrom(2, 3, 5)),
  async ([run, onlineStep], device) => {
    const { weights } = await path(optimizer(base()), run, device);
    for (const merging of [onDare({ onlineStep }), onTies({ onlineStep })]) {
      const merged = await path(merging, run, device);
      for (const [t, expected] of weights.entries())
        assertNear(merged.weights[t], expected, device, `${merging.name} ${t}`);
    }
  },
  some,
);

law(
  "law 18: onDare, p=1, given gradients, K|T: θ_T = θ0 + (1−α)ΣΔ + (T/K)ατ",
  fc.tuple(runs(6), fc.constantFrom(2, 3, 6), alphas),
  async ([run, K, alpha], device) => {
    const given = { ...run, lr: 0.125, refDelta: times(run.refDelta, 0.25) };
    const total = minus((await path(optimizer(base()), given, device)).end, run.start);
    const { end } = await path(onDare({ alpha, onlineStep: K }), given, device);
    assertNear(end, plus(run.start, plus(times(total, 1 - alpha), times(given.refDelta, (6 / K) * alpha))), device);
  },
  some,
);

law(
  "law 19: K>T never merges; K∤T leaves the last T mod K steps unmerged",
  fc.tuple(runs(5), alphas),
  async ([run, alpha], device) => {
    const given = { ...run, lr: 0.125 };
    const { weights } = await path(optimizer(base()), given, device);
    for (const rule of [onDare, onTies]) {
      const never = await path(rule({ alpha, reserveP: 0.5, onlineStep: 6 }), given, device);
      for (const [t, expected] of weights.entries()) assertSame(never.weights[t], expected, device);
      const twice = await path(rule({ alpha, reserveP: 0.5, onlineStep: 3 }), given, device);
      assertSame(twice.weights[1], weights[1], device);
      assertApart(twice.weights[2], weights[2], device, "the third step merges");
      assertNear(minus(twice.end, twice.weights[2]), minus(weights[4], weights[2]), device, "the last two do not");
      assertNear(twice.slots.sinceMerge, minus(weights[4], weights[2]), device, "and wait in Δc");
    }
  },
  some,
);

law(
  "law 20: after a merge Δc is exactly 0, before it the sum of Δ; decay is no part of it",
  fc.tuple(runs(4), fc.constantFrom(2, 4)),
  async ([run, onlineStep], device) => {
    const given = { ...run, lr: 0.125 };
    for (const rule of [onDare, onTies]) {
      const merging = rule({ alpha: 0.25, reserveP: 0.5, onlineStep, weightDecay: 0.25 });
      assert.deepEqual(
        (await path(merging, given, device)).slots.sinceMerge.map(Math.abs),
        run.start.map(() => 0),
      );
      const before = { ...given, grads: run.grads.slice(0, 3) };
      const skipped = onlineStep === 2 ? 2 : 0;
      const { weights } = await path(optimizer(base()), before, device);
      const sum = minus(weights[2], skipped === 0 ? run.start : weights[skipped - 1]);
      assertNear((await path(merging, before, device)).slots.sinceMerge, sum, device);
    }
  },
  some,
);

check("step-K: moments are never rolled back", async (device) => {
  const run = {
    start: [0, 0],
    grads: [
      [1, 2],
      [2, 1],
      [-1, 3],
      [1, 1],
    ],
    refDelta: [1, -1],
  };
  const { slots } = await path(optimizer(base()), run, device);
  const merged = await path(onDare({ alpha: 0.5, reserveP: 0.5, onlineStep: 2 }), run, device);
  assertSame(merged.slots.m, slots.m, device);
  assertSame(merged.slots.v, slots.v, device);
});

check("law 21, trap: K=T is task arithmetic on θ_r, not the offline merge of both models on θ_b", async (device) => {
  const [alpha, tau] = [0.25, [0.5, -0.5]];
  const [thetaB, run] = [
    [0.5, 0.5],
    {
      grads: [
        [1, 1],
        [1, -2],
        [2, 1],
      ],
      lr: 0.125,
      refDelta: tau,
    },
  ];
  const thetaR = plus(thetaB, tau);
  const tuned = (await path(optimizer(base()), { ...run, start: thetaR }, device)).end;
  const { end } = await path(onDare({ alpha, onlineStep: 3 }), { ...run, start: thetaR }, device);
  assertNear(end, plus(thetaR, plus(times(minus(tuned, thetaR), 1 - alpha), times(tau, alpha))), device);
  const offline = plus(thetaB, plus(times(minus(tuned, thetaB), 1 - alpha), times(tau, alpha)));
  assertApart(end, offline, device);
});

law(
  "step-K: official decays the updated weights at every step, merging or not",
  runs(4),
  async (run, device) => {
    const rate = 0.25;
    const lr = 0.5;
    const official = { preset: "official", onlineStep: 2 } as const;
    const given = { ...run, lr, grads: run.grads.map((g) => times(g, 0)) };
    const { end } = await path(onDare({ ...official, weightDecay: rate }), given, device);
    assertNear(end, times(run.start, (1 - lr * rate) ** 4), device);
    const one = { ...run, lr, grads: run.grads.slice(0, 1) };
    const free = (await path(onDare(official), one, device)).end;
    assertNear(
      (await path(onDare({ ...official, weightDecay: rate }), one, device)).end,
      times(free, 1 - lr * rate),
      device,
    );
  },
  some,
);

check("step-K over onTies merges the gathered update by its own top-p", async (device) => {
  const merge: Merge = {
    alpha: 0,
    delta: keepLargest(0.5),
    tau: keepLargest(0.5),
    tauOnce: true,
    consensus: weightedSum,
  };
  const run = {
    start: [0, 0],
    grads: [
      [3, 2],
      [1, 3],
    ],
    lr: 0.5,
  };
  const rule = adam({ form: "paper", betas: [0, 0], eps: 0 });
  // Each Δ is −lr in both weights; gathered they tie, and the lower index is kept.
  const { weights } = await path(optimizer(stepK(rule, merge, 2)), run, device);
  assertNear(weights[0], [-0.5, -0.5], device);
  assertNear(weights[1], [-1, 0], device);
});
