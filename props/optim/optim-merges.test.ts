/** Laws of the four merges over every proposal, and of the drift that float32 absorbs. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { sum, tensor } from "../../core/index.js";
import {
  absorbed,
  adafactor,
  adam,
  decayed,
  lion,
  type MergingOptions,
  muon,
  onDare,
  onDareTies,
  onMagnitude,
  onTies,
  optimizer,
  type Rule,
  scheduleFree,
  sgd,
} from "../../optim/index.js";
import { assertNear, assertSame, masksOver, numbers, path, plus, runs, times } from "../../testing/runs.js";
import { check, law } from "../law.js";
import { walked } from "./kept.js";

const some = { effort: 0.25 };
const alone = (rule: Rule) => optimizer(rule);

const MERGES = [onDare, onTies, onDareTies, onMagnitude];
/** Base optimizers as they are alone, and as options of a merge: decay is none of Δ, so AdamW is Adam and an option. */
const PROPOSALS: readonly (readonly [name: string, alone: () => Rule, over: () => MergingOptions])[] = [
  ["sgd", () => sgd(), () => ({ base: sgd() })],
  ["momentum", () => sgd({ momentum: 0.5 }), () => ({ base: sgd({ momentum: 0.5 }) })],
  ["adam", () => adam(), () => ({ base: adam() })],
  ["adamW", () => decayed(adam(), { rate: 0.25, of: "weights before" }), () => ({ base: adam(), weightDecay: 0.25 })],
  ["lion", () => lion(), () => ({ base: lion() })],
  ["muon", () => muon(), () => ({ base: muon() })],
  ["adafactor", () => adafactor(), () => ({ base: adafactor() })],
  ["schedule-free adamW", () => scheduleFree(), () => ({ base: scheduleFree() })],
];

const GAPS = [2, 3, 5] as const;

for (const [name, base, over] of PROPOSALS) {
  const plain = alone(base());
  const merged = MERGES.map((merge) => merge(over()));
  const rarely = GAPS.map((onlineStep) => MERGES.map((merge) => merge({ ...over(), onlineStep })));
  const drifting = MERGES.map((merge) => merge({ ...over(), alpha: 1, reserveP: 0.5 }));

  law(
    `law 1: p=1, α=0: every merge over ${name} ≡ ${name}`,
    runs(),
    async (run, device) => {
      const { weights } = await walked(plain, run, device);
      for (const rule of merged) {
        const beside = await walked(rule, run, device);
        for (const [t, expected] of weights.entries()) assertSame(beside.weights[t], expected, device, `step ${t}`);
      }
    },
    some,
  );

  law(
    `law 17: p=1, α=0: every merge over ${name}, every K ≡ ${name}`,
    fc.tuple(runs(), fc.constantFrom(...rarely)),
    async ([run, rules], device) => {
      const { end } = await walked(plain, run, device);
      for (const rule of rules) assertNear((await walked(rule, run, device)).end, end, device);
    },
    some,
  );

  law(
    `law 7: α=1: every merge over ${name} steps by F(τ), whatever the gradient`,
    fc.tuple(runs(2), runs(2), masksOver(2)),
    async ([run, other, masks], device) => {
      const fed = { ...run, masks: (t: number) => ({ tau: masks[t] }) };
      for (const rule of drifting)
        assertSame(
          (await walked(rule, { ...fed, grads: other.grads }, device)).end,
          (await walked(rule, fed, device)).end,
          device,
        );
    },
    some,
  );
}

law(
  "merges are two choices of elements times two ways to join: equal where the choice, or the join, does not matter",
  fc.tuple(
    runs(),
    masksOver(),
    masksOver(),
    fc.constantFrom("paper", "official") as fc.Arbitrary<"paper" | "official">,
  ),
  async ([run, delta, tau, preset], device) => {
    const given = { ...run, lr: 0.25, masks: (t: number) => ({ delta: delta[t], tau: tau[t] }), tauMask: tau[0] };
    const end = async (merge: typeof onDare, options: MergingOptions) =>
      (await path(merge({ preset, ...options }), given, device)).end;
    // p = 1: all elements are chosen. (DARE's official τ is clamped, these are not beyond 1 after division.)
    const dense = { ...run, lr: 0.25, refDelta: times(run.refDelta, 0.25) };
    const whole = async (merge: typeof onDare) => (await path(merge({ preset, alpha: 0.25 }), dense, device)).end;
    assertSame(await whole(onDareTies), await whole(onTies), device, "voted");
    assertSame(await whole(onMagnitude), await whole(onDare), device, "linear");
    if (preset === "official") return; // its vote heeds τ even at α = 0
    const half = { reserveP: 0.5, alpha: 0 };
    assertSame(await end(onDareTies, half), await end(onDare, half), device, "random");
    assertSame(await end(onMagnitude, half), await end(onTies, half), device, "largest");
  },
  some,
);

law(
  "onDareTies: w + [(1−α)·MΔ·Δ] ⊕ [α·Mτ·τ]; onMagnitude: w + (1−α)·top(Δ) + α·top(τ)",
  fc.tuple(runs(1), masksOver(1), masksOver(1), fc.constantFrom(0.25, 0.5)),
  async ([run, [delta], [tau], alpha], device) => {
    const [lr, g] = [1, run.grads[0]];
    const given = { ...run, lr, masks: () => ({ delta, tau }) };
    const join = (a: number, b: number) => (a * b >= 0 || a === -b ? a + b : Math.abs(a) > Math.abs(b) ? a : b);
    const voted = g.map((x, i) => join((1 - alpha) * -x * delta[i], alpha * run.refDelta[i] * tau[i]));
    const options = { alpha, reserveP: 0.5, base: sgd() };
    assertNear((await path(onDareTies(options), given, device)).end, plus(run.start, voted), device);
    const top = (x: readonly number[]) => {
      const order = x.map((_, i) => i).sort((i, j) => Math.abs(x[j]) - Math.abs(x[i]) || i - j);
      return x.map((y, i) => (order.indexOf(i) < 3 ? y : 0));
    };
    const sum = plus(times(top(times(g, -1)), 1 - alpha), times(top(run.refDelta), alpha));
    assertNear((await path(onMagnitude(options), given, device)).end, plus(run.start, sum), device);
  },
  some,
);

check("law 13: absorbed counts the weights that α·τ should move and cannot", async (device) => {
  // Half the distance from 1 to the next number above it; below 1 numbers lie twice as dense.
  const u = device.name === "reference" ? 2 ** -53 : 2 ** -24;
  const params = { a: tensor([1, 1, 1, 0, 1]), b: tensor([1]) };
  const tau = { a: tensor([1.5 * u, -1.5 * u, 4 * u, 1.5 * u, 0]), b: tensor([0.5 * u]) };
  const { lost, moved } = absorbed(params, tau, 0.5);
  assert.deepEqual([await numbers(moved, device), await numbers(lost, device)], [[5], [2]]);
  assert.deepEqual(await numbers(sum(absorbed(params, tau, 0).moved), device), [0]);
  // The case of the methods: 0.02 + 5e-7·1e-3 is 0.02 in f32, and is not in f64.
  const named = absorbed({ w: tensor([0.02]) }, { w: tensor([1e-3]) }, 5e-7);
  assert.deepEqual(await numbers(named.lost, device), [device.name === "reference" ? 0 : 1]);
});

check("official onDare: τ/p is clamped to ±1, Δ/p is not", async (device) => {
  const run = { start: [0, 0], grads: [[-4, 0.25]], lr: 1, refDelta: [3, -0.25] };
  const fed = { ...run, masks: () => ({ delta: [1, 1] }), tauMask: [1, 1] };
  const official = { preset: "official", reserveP: 0.5, base: sgd() } as const;
  const { tau, end } = await path(onDare({ ...official, alpha: 0.5 }), fed, device);
  assert.deepEqual([tau, end], [[1, -0.5], [4.5, -0.5]]); // biome-ignore format: one line
  const { end: matched } = await path(onDare({ ...official, rescaleL1: true, eps: 0 }), fed, device);
  assertNear(matched, [1, -0.25], device, "with the L1 norm kept Δ is clamped, too");
});
