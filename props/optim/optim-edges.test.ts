/** The edges of optimizers: defaults, options of the released code, thresholds, and what they refuse. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { bernoulli, foldIn, foldInName, InputError, key, ShapeError, tensor } from "../../core/index.js";
import {
  absorbed,
  adam,
  adamW,
  childTuningF,
  clipByGlobalNorm,
  decayed,
  denseIfFew,
  keepLargest,
  lion,
  matchL1,
  onDare,
  onTies,
  optimizer,
  schedule,
  sgd,
  votedDelta,
} from "../../optim/index.js";
import {
  assertApart,
  assertNear,
  assertSame,
  masksOver,
  minus,
  numbers,
  path,
  plus,
  runs,
  times,
} from "../../testing/runs.js";
import { check, law } from "../law.js";

const some = { effort: 0.25 };
const noDraw = () => assert.fail("top-p draws no mask");

law(
  "law 1, official, with decay: θ' = (θ + Δ)(1 − lr·λ): decoupled, on the updated weights",
  runs(1),
  async (run, device) => {
    const given = { ...run, lr: 0.25 };
    const free = await path(optimizer(adam({ form: "released", eps: 1e-6 })), given, device);
    const decaying = await path(onDare({ preset: "official", weightDecay: 0.5 }), given, device);
    assertNear(decaying.end, times(free.end, 1 - 0.25 * 0.5), device);
  },
  some,
);

law(
  "law 1, with decay: the paper's and torch's decay take lr·λ·θ of the weights before the update",
  runs(1),
  async (run, device) => {
    const given = { ...run, lr: 0.25 };
    for (const [base, merged] of [
      [optimizer(adam({ form: "paper" })), onDare({ weightDecay: 0.5 })],
      [optimizer(adam({ form: "paper" })), onTies({ weightDecay: 0.5 })],
      [optimizer(adam()), adamW({ weightDecay: 0.5 })],
    ]) {
      const free = await path(base, given, device);
      assertNear((await path(merged, given, device)).end, plus(free.end, times(run.start, -0.125)), device);
    }
  },
  some,
);

law(
  "defaults: adamW decays by 0.01, ε is 1e-8, α is 0, p and K are 1, no decay, no rescale, corrected, merging",
  runs(3),
  async (given, device) => {
    // A gradient of the size of ε, so that ε shows.
    const run = { ...given, lr: 0.25, grads: given.grads.map((g) => times(g, 1e-5)) };
    const said = { reserveP: 1, alpha: 0, onlineStep: 1, weightDecay: 0, betas: [0.9, 0.999] as const };
    const official = { preset: "official", rescaleL1: false, correctBias: true, useMerge: true } as const;
    for (const [usual, explicit] of [
      [adamW(), adamW({ weightDecay: 0.01, eps: 1e-8, betas: [0.9, 0.999] })],
      [onDare(), onDare({ ...said, eps: 1e-8, preset: "paper" })],
      [onTies(), onTies({ ...said, eps: 1e-8, preset: "paper" })],
      [onDare({ preset: "official" }), onDare({ ...said, ...official, eps: 1e-6 })],
      [onTies({ preset: "official" }), onTies({ ...said, ...official, eps: 1e-6 })],
    ])
      assert.deepEqual(await path(usual, run, device), await path(explicit, run, device));
    const seeded = onDare({ reserveP: 0.5 });
    assert.deepEqual(await path(seeded, run, device), await path(seeded, { ...run, seed: 0 }, device));
  },
  some,
);

law(
  "law 23: what top-p keeps of a scalar, of nothing, of all",
  runs(1),
  async ({ start }, device) => {
    assert.deepEqual(await numbers(keepLargest(1)(tensor(start), "delta", noDraw), device), start);
    assert.deepEqual(
      await numbers(keepLargest(0.1)(tensor(start), "delta", noDraw), device),
      start.map(() => 0),
    );
  },
  some,
);

law(
  "use_merge=false: official onDare is its base under the mask, whatever α; onTies is gated by the unweighted vote",
  fc.tuple(runs(1), masksOver(1)),
  async ([run, [mask]], device) => {
    const given = { ...run, lr: 0.25 };
    const free = minus((await path(optimizer(adam({ form: "released", eps: 1e-6 })), given, device)).end, run.start);
    const fed = { ...given, masks: () => ({ delta: mask }) };
    const dare = onDare({ preset: "official", useMerge: false, alpha: 0.5, reserveP: 0.5 });
    assertNear((await path(dare, fed, device)).end, plus(run.start, times(times(free, mask), 2)), device);
    const ties = onTies({ preset: "official", useMerge: false, alpha: 0.5 });
    const gated = free.map((x, i) => (x + run.refDelta[i] >= 0 === x >= 0 ? x : 0));
    assertNear((await path(ties, given, device)).end, plus(run.start, gated), device);
  },
  some,
);

check("use_merge=false: a tie of τ and Δ elects the positive one", async (device) =>
  assert.deepEqual(
    await numbers(votedDelta(tensor([1, -1, 0, 2, -2, 0.5]), tensor([-1, 1, 1, -1, 1, -0.75]), 0.5), device),
    [1, 0, 0, 2, -2, 0],
  ),
);

check("denseIfFew: dense below one element and at p ≥ 1, and not from one element on", async (device) => {
  const x = tensor([3, -4, 1, 2]);
  const at = (p: number) => numbers(denseIfFew(p, keepLargest(Math.min(p, 0.5)))(x, "delta", noDraw), device);
  assert.deepEqual(await at(0.2), [3, -4, 1, 2]);
  assert.deepEqual(await at(0.25), [0, -4, 0, 0]);
  assert.deepEqual(await at(0.5), [3, -4, 0, 0]);
  assert.deepEqual(await at(1), [3, -4, 1, 2]);
});

check("matchL1: F(x) has the L1 norm of x, but for ε; below 1e-8 it stays as it is", async (device) => {
  const matched = (x: number[], eps?: number) =>
    numbers(matchL1(keepLargest(0.5), eps)(tensor(x), "delta", noDraw), device);
  assertNear(await matched([3, 1]), [4, 0], device);
  assertNear(await matched([-3, 1], 1), [-3, 0], device);
  const scaled = async (x: number[]) => times(await matched(x), 1e8);
  assertNear(await scaled([6e-9, 3e-9]), [0.6, 0], device, "9e-9");
  assertNear(await scaled([8e-9, 4e-9]), [1.2, 0], device, "12e-9");
  assert.deepEqual(await matched([0, 0]), [0, 0]);
});

law(
  "momentum: u ← μu + g, Δ = −lr·u; at μ = 0 there is no slot",
  runs(3),
  async (run, device) => {
    const { weights, slots } = await path(optimizer(sgd({ momentum: 0.5 })), { ...run, lr: 0.25 }, device);
    let [u, w] = [times(run.start, 0), run.start];
    for (const [t, g] of run.grads.entries()) {
      u = plus(times(u, 0.5), g);
      w = plus(w, times(u, -0.25));
      assertNear(weights[t], w, device);
    }
    assertNear(slots.u, u, device);
    assert.deepEqual((await path(optimizer(sgd()), run, device)).slots, {});
    assert.deepEqual(sgd().slots, []);
  },
  some,
);

check("clipping: the 1e-6 beside the norm counts when both are small", async (device) => {
  const { grads } = clipByGlobalNorm([tensor([3e-6, 4e-6])], 3e-6);
  assertNear(times(await numbers(grads[0], device), 1e6), [1.5, 2], device);
});

check("law 22, trap: official onTies counts floor(p·n) and keeps all where that is 0", async (device) => {
  const run = { start: [0, 0, 0], grads: [[1, 2, 3]], lr: 0.5 };
  const moved = async (reserveP: number) =>
    (await path(onTies({ preset: "official", reserveP, base: sgd() }), run, device)).end;
  assertSame(await moved(0.3), [-0.5, -1, -1.5], device);
  assertSame(await moved(0.4), [0, 0, -1.5], device);
});

test("refused by the option's name: what is no rate, no decay, no count", () => {
  const refused = (make: () => unknown, message: RegExp) =>
    assert.throws(make, (error) => error instanceof InputError && message.test(error.message));
  refused(() => sgd({ momentum: 1 }), /^sgd: momentum is 1/);
  refused(() => adam({ eps: Number.POSITIVE_INFINITY }), /^adam: ε is Infinity/);
  refused(() => decayed(sgd(), { rate: Number.POSITIVE_INFINITY, of: "weights before" }), /weight decay is Infinity/);
  refused(() => schedule({ name: "linear", totalSteps: 2, warmupSteps: 0.5 }), /^schedule: warmupSteps is 0.5/);
  refused(() => schedule({ name: "linear", totalSteps: -1 }), /^schedule: totalSteps is -1/);
  refused(() => schedule({ name: "linear", totalSteps: 1, minRatio: 2 }), /^schedule: minRatio is 2/);
});

test("refused by the parameter's name: other types, and masks that are no bools", () => {
  const rule = onDare({ reserveP: 0.5 });
  const state = rule.init({ w: tensor([1, 2]) });
  const [w, tau] = [{ w: tensor([1, 2]) }, { w: tensor([1, 1]) }];
  const whole = { w: tensor(Int32Array.from([1, 2]), [2]) };
  for (const [grads, inputs, message] of [
    [whole, { tau }, /"w": w f32\[2\], gradient i32\[2\].*they differ/],
    [w, { tau: whole }, /refDelta i32\[2\].*they differ/],
    [w, { tau, masks: { delta: { w: tensor([1, 0]) } } }, /the delta mask is f32\[2\]/],
  ] as const)
    assert.throws(
      () => rule.update(state, grads, { lr: 1, ...inputs }),
      (error) => error instanceof ShapeError && message.test(error.message),
    );
});

check("law 26, trap: 1/p on the kept part changes every step of official onDare", async (device) => {
  const run = { start: [0, 0], grads: [[1, 1]], lr: 0.5, masks: () => ({ delta: [1, 0] }) };
  const official = await path(onDare({ preset: "official", reserveP: 0.5, base: sgd() }), run, device);
  const paper = await path(onDare({ reserveP: 0.5, base: sgd() }), run, device);
  assertSame(official.end, [-1, 0], device);
  assertSame(paper.end, [-0.5, 0], device);
  assertApart(official.end, paper.end, device);
});

check("law 27, official: τ's mask is that of step 0, which no update has", async (device) => {
  const [n, seed, p] = [64, 5, 0.5];
  const still = new Array<number>(n).fill(0);
  const rule = onDare({ preset: "official", reserveP: p, alpha: 1 });
  const { tau } = await path(rule, { start: still, grads: [], refDelta: still.map(() => 0.25), seed }, device);
  const bits = bernoulli(foldInName(foldIn(foldIn(key(seed), 0), 1), "w"), p, [n]);
  assert.deepEqual(
    tau,
    (await numbers(bits, device)).map((kept) => kept / 2),
  );
});

check("law 23: floor(p·n) counts the elements of the tensor, not the other way round", async (device) => {
  const x = tensor([1, 2, 3, 4, 5]);
  assert.deepEqual(await numbers(keepLargest(0.5)(x, "delta", noDraw), device), [0, 0, 0, 4, 5]);
});

law(
  "defaults: lion averages by 0.9 and 0.99, and refuses either at 1",
  runs(3),
  async (run, device) => {
    const [usual, said] = [lion(), lion({ betas: [0.9, 0.99] })];
    assert.deepEqual(await path(optimizer(usual), run, device), await path(optimizer(said), run, device));
    assert.throws(() => lion({ betas: [1, 0.5] }), /^InputError: lion: β1 is 1/);
    assert.throws(() => lion({ betas: [0.5, 1] }), /^InputError: lion: β2 is 1/);
  },
  some,
);

check("law 13: a drift counts as lost where w + α·τ is w, and only where there is one", async (device) => {
  const ulp = device.name === "reference" ? 2 ** -52 : 2 ** -23;
  // Half of 0.75 ulp rounds away above 1; subtracted it would not, since numbers lie twice as close below 1.
  const [w, tau] = [tensor([1, 1, 0, 1, 2]), tensor([0.75 * ulp, 0, ulp, 1, 0.75 * ulp])];
  const { moved, lost } = absorbed({ w }, { w: tau }, 0.5);
  assert.deepEqual([await numbers(moved, device), await numbers(lost, device)], [[4], [2]]);
});

check("law 27: ChildTuning-F's mask is a stream of its own", async (device) => {
  const ones = new Array<number>(64).fill(1);
  const run = { start: times(ones, 0), grads: [ones], lr: 0.5, seed: 5 };
  const { end } = await path(optimizer(childTuningF(sgd(), 0.5)), run, device);
  const bits = bernoulli(foldInName(foldIn(foldIn(key(5), 1), 2), "w"), 0.5, [64]);
  assert.deepEqual(
    end.map((x) => (x === 0 ? 0 : -x)),
    await numbers(bits, device),
  );
});

test("law 16: K=1 keeps no Δc; K>1 does", () => {
  const slotsOf = (onlineStep: number) => Object.keys(onDare({ onlineStep }).init({ w: tensor([1]) }).slots);
  assert.deepEqual(
    [slotsOf(1), slotsOf(2)],
    [
      ["m", "v"],
      ["m", "v", "sinceMerge"],
    ],
  );
});

check("decay by 1 takes lr of the weights; no warm-up unless said", async (device) => {
  const run = { start: [1, -2], grads: [[0, 0]], lr: 0.25 };
  assertNear((await path(adamW({ weightDecay: 1 }), run, device)).end, [0.75, -1.5], device);
  assert.equal(schedule({ name: "linear", totalSteps: 10 })(0), 1);
});

test("what a rule does not use, it does not look at", () => {
  const rule = adamW();
  const other = { v: tensor([1, 2, 3]) };
  const w = { w: tensor([1]) };
  const { params } = rule.update(rule.init(w), w, { lr: 1, tau: other as never, anchor: other as never });
  assert.deepEqual(Object.keys(params), ["w"]);
});
