/** Laws of the baselines: Lion, ChildTuning, EMA, L2 to the reference. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { InputError, ShapeError, tensor } from "../../core/index.js";
import {
  adam,
  childTuningD,
  childTuningF,
  decayed,
  jointMask,
  l2ToReference,
  lion,
  type MergingOptions,
  onDare,
  optimizer,
  pullback,
  type Rule,
  sgd,
  shadow,
} from "../../optim/index.js";
import {
  assertApart,
  assertNear,
  assertSame,
  masked,
  masksOver,
  minus,
  numbers,
  path,
  plus,
  runs,
  times,
  vectors,
} from "../../testing/runs.js";
import { check, law } from "../law.js";

const some = { effort: 0.25 };
/** ε that vanishes beside every v of these runs, and keeps 0/0 at 0. */
const TINY = 1e-30;
const alone = (rule: Rule) => optimizer(rule);
const gradientMasks = (masks: readonly (readonly number[])[]) => (t: number) => ({ gradient: masks[t] });

law(
  "lion: Δ = −lr·sign(β1 m + (1−β1) g), and m advances by β2 afterwards",
  runs(),
  async (run, device) => {
    const [beta1, beta2, lr] = [0.75, 0.5, 0.125];
    const { weights, slots } = await path(alone(lion({ betas: [beta1, beta2] })), { ...run, lr }, device);
    let [w, m] = [[...run.start], run.start.map(() => 0)];
    for (const [t, g] of run.grads.entries()) {
      w = w.map((x, i) => x - lr * Math.sign(beta1 * m[i] + (1 - beta1) * g[i]));
      m = m.map((x, i) => beta2 * x + (1 - beta2) * g[i]);
      assert.deepEqual(weights[t], w);
    }
    assert.deepEqual(slots.m, m);
  },
  some,
);

law(
  "law 10, lion: the gradient's scale changes no bit of a step, for powers of two",
  fc.tuple(runs(), fc.constantFrom(0.25, 2, 8)),
  async ([run, c], device) => {
    const scaled = { ...run, grads: run.grads.map((g) => times(g, c)) };
    assert.deepEqual(
      (await path(alone(lion()), scaled, device)).weights,
      (await path(alone(lion()), run, device)).weights,
    );
  },
  some,
);

law(
  "childTuningF: the gradient is masked and multiplied by 1/p before the moments",
  fc.tuple(runs(), masksOver()),
  async ([run, masks], device) => {
    for (const base of [sgd({ momentum: 0.5 }), adam({ betas: [0.5, 0.75] })]) {
      const child = await path(alone(childTuningF(base, 0.5)), { ...run, masks: gradientMasks(masks) }, device);
      const byHand = await path(alone(base), masked(run, masks, 2), device);
      assertSame(child.end, byHand.end, device, base.name);
      for (const [slot, expected] of Object.entries(byHand.slots))
        assertSame(child.slots[slot], expected, device, slot);
    }
  },
  some,
);

law(
  "childTuningF: p=1 is the base rule; p=0 starves it, without NaN; decay stays dense",
  runs(),
  async (run, device) => {
    const base = adam({ betas: [0.5, 0.75] });
    const whole = await path(alone(childTuningF(base, 1)), run, device);
    assertSame(whole.end, (await path(alone(base), run, device)).end, device);
    assert.deepEqual((await path(alone(childTuningF(base, 0)), run, device)).end, run.start);
    const decay = { rate: 0.5, of: "weights before" } as const;
    const { end } = await path(alone(decayed(childTuningF(base, 0), decay)), { ...run, lr: 0.5 }, device);
    assertNear(end, times(run.start, 0.75 ** run.grads.length), device);
  },
  some,
);

law(
  "childTuningF: masks are drawn anew at every step, and are not those of Δ",
  fc.nat(1000),
  async (seed, device) => {
    const n = 64;
    const ones = new Array(n).fill(1);
    const run = { start: times(ones, 0), grads: [ones, ones], lr: 0.5, seed };
    const child = await path(alone(childTuningF(sgd(), 0.5)), run, device);
    const dare = await path(onDare({ reserveP: 0.5, base: sgd() }), run, device);
    const moves = (w: readonly (readonly number[])[]) =>
      [w[0], minus(w[1], w[0])].map((d) => d.map((x) => Math.sign(x)));
    const [first, second] = moves(child.weights);
    assert.notDeepEqual(first, second);
    assert.notDeepEqual(first, moves(dare.weights)[0]);
    // n/2 ± 6 deviations
    for (const move of [first, second]) assert.ok(Math.abs(move.filter((x) => x !== 0).length - n / 2) < 24);
  },
  { effort: 0.1 },
);

law(
  "law 3: ε→0: childTuningF's 1/p does nothing under Adam",
  fc.tuple(runs(), masksOver()),
  async ([run, masks], device) => {
    const base = adam({ eps: TINY });
    const child = await path(alone(childTuningF(base, 0.3)), { ...run, masks: gradientMasks(masks) }, device);
    assertNear(child.end, (await path(alone(base), masked(run, masks), device)).end, device);
  },
  some,
);

law(
  "law 2: α=0, one static mask: onDare ≡ childTuningD at every step, ε>0, any β",
  fc.tuple(runs(), masksOver(1), fc.constantFrom([0.9, 0.999] as const, [0.5, 0.75] as const)),
  async ([run, [mask], betas], device) => {
    const base = adam({ form: "paper", betas });
    const child = await path(alone(childTuningD(base)), { ...run, masks: () => ({ gradient: mask }) }, device);
    const dare = await path(onDare({ reserveP: 0.5, betas }), { ...run, masks: () => ({ delta: mask }) }, device);
    for (const [t, expected] of child.weights.entries()) assertSame(dare.weights[t], expected, device, `step ${t}`);
  },
  some,
);

law(
  "law 2: α=0: onDare ≡ childTuningF at t=1 (ε→0), and with β=0, and over SGD if both rescale",
  fc.tuple(runs(), masksOver()),
  async ([run, masks], device) => {
    const fed = { ...run, lr: 0.25, masks: (t: number) => ({ delta: masks[t], gradient: masks[t] }) };
    const compare = async (dare: MergingOptions, base: Rule, steps: number) => {
      const cut = { ...fed, grads: fed.grads.slice(0, steps) };
      const child = await path(alone(childTuningF(base, 0.5)), cut, device);
      assertNear((await path(onDare({ reserveP: 0.5, ...dare }), cut, device)).end, child.end, device);
    };
    await compare({ eps: TINY }, adam({ form: "paper", eps: TINY }), 1);
    const betas = [0, 0] as const;
    await compare({ eps: TINY, betas }, adam({ form: "paper", eps: TINY, betas }), 4);
    await compare({ preset: "official", base: sgd() }, sgd(), 4);
  },
  some,
);

check("law 2, trap: with the usual β, onDare at α=0 is not childTuningF at t=2", async (device) => {
  const run = { start: [0, 0], grads: [[1, 1], [1, 1]], lr: 0.25 }; // biome-ignore format: one line
  const masks = [[1, 0], [0, 1]]; // biome-ignore format: one line
  const fed = { ...run, masks: (t: number) => ({ delta: masks[t], gradient: masks[t] }) };
  const dare = await path(onDare({ reserveP: 0.5, eps: TINY }), fed, device);
  const child = await path(alone(childTuningF(adam({ form: "paper", eps: TINY }), 0.5)), fed, device);
  assertNear(dare.weights[0], child.weights[0], device);
  assertApart(dare.weights[1], child.weights[1], device);
});

law(
  "jointMask: the floor(p·N) largest of all leaves together, ties to the earlier leaf, zeros never",
  fc.tuple(vectors(5), vectors(7), vectors(1), fc.constantFrom(0, 0.1, 0.5, 0.9, 1)),
  async ([a, b, c, p], device) => {
    const tree = { a: tensor(a), b: { c: tensor(b, [7]), d: tensor(c[0]) } };
    const mask = jointMask(tree, p);
    const got = [mask.a, mask.b.c, mask.b.d];
    const all = [...a, ...b, ...c];
    const order = all.map((_, i) => i).sort((i, j) => Math.abs(all[j]) - Math.abs(all[i]) || i - j);
    const kept = new Set(order.slice(0, Math.floor(p * all.length)).filter((i) => all[i] !== 0));
    const flat: number[] = [];
    for (const t of got) flat.push(...(await numbers(t, device)));
    assert.deepEqual(
      flat,
      all.map((_, i) => (kept.has(i) ? 1 : 0)),
    );
    assert.deepEqual(got[2].shape, []);
  },
  some,
);

law(
  "shadow: reports (1−c)ᵗ θ0 + Σ c(1−c)ᵗ⁻ˢ θ_s, and the base rule does not notice",
  fc.tuple(runs(), fc.constantFrom(0, 0.125, 0.5, 1)),
  async ([run, c], device) => {
    const base = adam({ betas: [0.5, 0.75] });
    const given = { ...run, lr: 0.25 };
    const averaged = await path(alone(shadow(base, c)), given, device);
    const plain = await path(alone(base), given, device);
    assertSame(averaged.end, plain.end, device);
    const expected = plain.weights.reduce((mean, w) => plus(times(mean, 1 - c), times(w, c)), [...run.start]);
    assertNear(averaged.reported ?? [], expected, device);
  },
  some,
);

law(
  "pullback: w ← (1−c)·w' + c·θ_ref after each step; c=0 is the base rule, c=1 stays at θ_ref",
  fc.tuple(runs(), vectors(6), fc.constantFrom(0.125, 0.5)),
  async ([run, anchor, c], device) => {
    const given = { ...run, anchor, lr: 0.25 };
    const pulled = await path(alone(pullback(sgd(), c)), given, device);
    let w = run.start;
    for (const [t, g] of run.grads.entries()) {
      w = plus(times(minus(w, times(g, 0.25)), 1 - c), times(anchor, c));
      assertNear(pulled.weights[t], w, device, `step ${t}`);
    }
    const base = adam();
    assertSame(
      (await path(alone(pullback(base, 0)), given, device)).end,
      (await path(alone(base), given, device)).end,
      device,
    );
    assertNear((await path(alone(pullback(base, 1)), given, device)).end, anchor, device);
  },
  some,
);

law(
  "l2ToReference: under plain descent it is pullback by lr·λ, at the reference nothing; before the moments",
  fc.tuple(runs(), vectors(6)),
  async ([run, anchor], device) => {
    const [lr, lambda] = [0.25, 0.5];
    const given = { ...run, anchor, lr };
    assert.equal(alone(l2ToReference(sgd(), 0)).usesAnchor, false);
    const penalized = await path(alone(l2ToReference(sgd(), lambda)), given, device);
    let w = run.start;
    for (const g of run.grads) w = minus(w, times(plus(g, times(minus(w, anchor), lambda)), lr));
    assertNear(penalized.end, w, device);
    const still = { ...given, start: anchor, grads: run.grads.map((g) => times(g, 0)) };
    assert.deepEqual((await path(alone(l2ToReference(adam(), lambda)), still, device)).end, anchor);
    const first = { ...given, grads: run.grads.slice(0, 1) };
    const { slots } = await path(alone(l2ToReference(sgd({ momentum: 0.5 }), lambda)), first, device);
    assertNear(slots.u, plus(run.grads[0], times(minus(run.start, anchor), lambda)), device);
  },
  some,
);

check("lion: betas are 0.9 and 0.99 unless told; where nothing was ever pulled, nothing moves", async (device) => {
  const run = { start: [0, 0], grads: [[1, 0], [-0.095, 0], [0.5, 0]], lr: 1 }; // biome-ignore format: one line
  const [told, usual] = [
    await path(alone(lion({ betas: [0.9, 0.99] })), run, device),
    await path(alone(lion()), run, device),
  ];
  assert.deepEqual(usual, told);
  // m = 0.01 after the first step: 0.9·0.01 − 0.1·0.095 < 0 turns it, and with β1 = 0.45 nothing would.
  assert.deepEqual(usual.weights, [[-1, 0], [0, 0], [-1, 0]]); // biome-ignore format: one line
  assertNear(usual.slots.m, [0.99 * (0.99 * 0.01 - 0.00095) + 0.005, 0], device);
});

check("jointMask of a single leaf, and of none", async (device) => {
  assert.deepEqual(await numbers(jointMask(tensor([1, -3, 2, 0]), 0.5), device), [0, 1, 1, 0]);
  assert.deepEqual(jointMask({}, 0.5), {});
});

test("baselines refuse what is out of range by name, and inputs that are missing", () => {
  const wrong: readonly (readonly [RegExp, () => unknown])[] = [
    [/childTuningF: p is 1.5/, () => childTuningF(sgd(), 1.5)],
    [/jointMask: p is -1/, () => jointMask(tensor([1]), -1)],
    [/jointMask: p is 1.5/, () => jointMask(tensor([1]), 1.5)],
    [/shadow: c is 1.5/, () => shadow(sgd(), 1.5)],
    [/pullback: c is NaN/, () => pullback(sgd(), Number.NaN)],
    [/pullback: c is 1.5/, () => pullback(sgd(), 1.5)],
    [/lion: β1 is -1/, () => lion({ betas: [-1, 0.5] })],
    [/l2ToReference: λ is -1/, () => l2ToReference(sgd(), -1)],
    [/lion: β2 is 1;/, () => lion({ betas: [0.9, 1] })],
    [/needs anchor/, () => step(pullback(sgd(), 0.5), {})],
    [/needs masks.gradient/, () => step(childTuningD(sgd()), {})],
  ];
  const step = (rule: Rule, inputs: object) => {
    const w = { w: tensor([1, 2]) };
    return optimizer(rule).update(optimizer(rule).init(w), w, { lr: 1, ...inputs });
  };
  for (const [message, call] of wrong)
    assert.throws(call, (error) => error instanceof InputError && message.test(error.message));
  const shapes: readonly (readonly [RegExp, () => unknown])[] = [
    [/anchor f32\[1\]/, () => step(pullback(sgd(), 0.5), { anchor: { w: tensor([1]) } })],
    [/anchor has no tensor/, () => step(pullback(sgd(), 0.5), { anchor: {} })],
    [/anchor has "v"/, () => step(pullback(sgd(), 0.5), { anchor: { v: tensor([1]) } })],
    [/masks.gradient has no tensor/, () => step(childTuningD(sgd()), { masks: { gradient: {} } })],
    [/the gradient mask is f32/, () => step(childTuningD(sgd()), { masks: { gradient: { w: tensor([1, 1]) } } })],
  ];
  for (const [message, call] of shapes)
    assert.throws(call, (error) => error instanceof ShapeError && message.test(error.message));
});
