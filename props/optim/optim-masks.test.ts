/** Law 27: masks are functions of (seed, name, step, stream, index). */
import assert from "node:assert/strict";
import fc from "fast-check";
import { bernoulli, evaluate, foldIn, foldInName, key, read } from "../../core/index.js";
import { openReference } from "../../kernels/reference/index.js";
import { childTuningF, onDare, optimizer, sgd } from "../../optim/index.js";
import { path, vectors } from "../../testing/runs.js";
import { check, law } from "../law.js";

law(
  "law 27: masks are a function of (seed, name, step, stream, index): the same bits on every device",
  fc.record({ seed: fc.nat(2 ** 40), name: fc.stringMatching(/^[a-z.]{1,12}$/), n: fc.constantFrom(1, 5, 64) }),
  async ({ seed, name, n }, device) => {
    const rule = onDare({ reserveP: 0.5, alpha: 0.5, base: sgd() });
    const ones = new Array(n).fill(1);
    const zero = ones.map(() => 0);
    const run = { start: zero, refDelta: ones.map(() => 4), grads: [ones, ones], lr: 2, seed, name };
    const { weights } = await path(rule, run, device);
    // w moves by −1 where Δ is kept and by +2 where τ is.
    const reference = await openReference();
    let w = zero;
    for (const t of [1, 2]) {
      const mask = (stream: number) =>
        read(evaluate(bernoulli(foldInName(foldIn(foldIn(key(seed), t), stream), name), 0.5, [n]), reference));
      const [delta, tau] = [await mask(0), await mask(1)];
      w = w.map((x, i) => x - delta[i] + 2 * tau[i]);
      assert.deepEqual(weights[t - 1], w);
    }
  },
  { effort: 0.4 },
);

law(
  "law 27: childTuningF's gradient masks are such functions too, of a stream of their own",
  fc.record({ seed: fc.nat(2 ** 40), name: fc.stringMatching(/^[a-z.]{1,12}$/), n: fc.constantFrom(1, 5, 64) }),
  async ({ seed, name, n }, device) => {
    const ones = new Array(n).fill(1);
    const run = { start: ones.map(() => 0), grads: [ones, ones], lr: 0.5, seed, name };
    const { weights } = await path(optimizer(childTuningF(sgd(), 0.5)), run, device);
    const reference = await openReference();
    let w = run.start;
    for (const t of [1, 2]) {
      const bits = evaluate(bernoulli(foldInName(foldIn(foldIn(key(seed), t), 2), name), 0.5, [n]), reference);
      const mask = await read(bits);
      w = w.map((x, i) => x - mask[i]);
      assert.deepEqual(weights[t - 1], w);
    }
  },
  { effort: 0.2 },
);

check("law 27: another seed, name, step or stream draws another mask", async (device) => {
  const n = 64;
  const ones = new Array(n).fill(1);
  const run = { start: ones.map(() => 0), refDelta: ones.map(() => 4), grads: [ones, ones], lr: 2, seed: 1 };
  const rule = onDare({ reserveP: 0.5, alpha: 0.5, base: sgd() });
  const moves = async (changed: object) => (await path(rule, { ...run, ...changed }, device)).weights;
  const [first, second] = await moves({});
  for (const [other] of [await moves({ seed: 2 }), await moves({ name: "v" })]) assert.notDeepEqual(other, first);
  assert.notDeepEqual(
    second.map((x, i) => x - first[i]),
    first,
    "steps",
  );
  assert.ok(
    first.includes(-1) && first.includes(2) && first.includes(1) && first.includes(0),
    "streams are independent",
  );
});

law(
  "law 27, official: τ's mask is drawn once; steps and Δ do not share it",
  fc.tuple(vectors(64, true), fc.nat(1000)),
  async ([refDelta, seed], device) => {
    const rule = onDare({ reserveP: 0.5, alpha: 1, preset: "official" });
    const still = refDelta.map(() => 0);
    const { weights, tau } = await path(rule, { start: still, grads: [still, still, still], refDelta, seed }, device);
    for (const [i, x] of tau.entries()) assert.ok(x === 0 || x === Math.max(-1, Math.min(1, 2 * refDelta[i])));
    for (const [t, w] of weights.entries())
      assert.deepEqual(
        w,
        tau.map((x) => (t + 1) * x),
      );
  },
  { effort: 0.2 },
);
