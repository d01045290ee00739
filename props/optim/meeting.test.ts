/** Workers that make K local steps each and then become one. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { add, type Device, InputError, type Tensor } from "../../core/index.js";
import { type Meeting, type MeetingOptions, meet, meeting, onTies, optimizer, sgd } from "../../optim/index.js";
import { assertNear, assertSame, minus, path, plus, runs, times, vectors } from "../../testing/runs.js";
import { run } from "../close.js";
import { check, law } from "../law.js";
import { vector } from "./offline/merge-values.js";

const N = 6;
const some = { effort: 0.25 };
const given = fc.record({
  deltas: fc.array(vectors(N), { minLength: 1, maxLength: 3 }),
  tau: vectors(N),
  reserveP: fc.constantFrom(0.5, 1),
  alpha: fc.constantFrom(0, 0.25),
  join: fc.constantFrom("mean" as const, "election" as const),
});
const OUTER = { outerLr: 0.5, outerMomentum: 0.5 };

type Weights = { w: Tensor };
const leaf = (numbers: readonly number[]): Weights => ({ w: vector(numbers) });

/** The steps of so many meetings, one after the other, from what each worker did before each. */
const steps = async (
  options: MeetingOptions,
  meetings: readonly (readonly (readonly number[])[])[],
  tau: readonly number[],
  device: Device,
): Promise<number[][]> => {
  const m: Meeting = meeting(options);
  const out = await run(
    () => {
      let state = m.init(leaf(tau));
      return meetings.map((deltas) => {
        const met = meet(m, state, deltas.map(leaf), m.usesTau ? m.prepare(leaf(tau)) : undefined);
        state = met.state;
        return met.step.w;
      });
    },
    [],
    device,
  );
  return out.map((numbers) => Array.from(numbers));
};
const one = async (
  options: MeetingOptions,
  deltas: readonly (readonly number[])[],
  tau: readonly number[],
  on: Device,
) => (await steps(options, [deltas], tau, on))[0];

law(
  "a mean without τ is the mean of updates, of one worker its own; the order of workers and equal workers change nothing",
  given,
  async ({ deltas, tau, ...options }, device) => {
    const [first] = deltas;
    assertSame(await one({}, [first], tau, device), first, device);
    const sum = deltas.reduce((a, b) => plus(a, b));
    assertNear(await one({}, deltas, tau, device), times(sum, 1 / deltas.length), device);
    const met = await one(options, deltas, tau, device);
    assertNear(await one(options, [...deltas].reverse(), tau, device), met, device, "reversed");
    const alone = await one(options, [first], tau, device);
    assertNear(await one(options, [first, first], tau, device), alone, device, "twice the same");
    // Momentum 0 and rate 1 are no outer step.
    assertSame(await one({ ...options, outerLr: 1, outerMomentum: 0 }, deltas, tau, device), met, device);
  },
  some,
);

law(
  "one worker's election is the paper's OnTIES with step-K",
  fc.tuple(runs(4, N), fc.constantFrom(0.5, 1), fc.constantFrom(0, 0.25)),
  async ([given, reserveP, alpha], device) => {
    const local = { ...given, lr: 0.125 };
    // Plain descent on eighths is exact: ties of magnitude are ties in both.
    const { weights } = await path(optimizer(sgd()), local, device);
    const merged = await path(onTies({ base: sgd(), reserveP, alpha, onlineStep: 4 }), local, device);
    const delta = minus(weights[3], given.start);
    const step = await one({ join: "election", reserveP, alpha }, [delta], given.refDelta, device);
    assertNear(plus(given.start, step), merged.end, device);
  },
  some,
);

law(
  "an election: what all agree on is their mean; each element is 0 or has the sign of the weighted sum, and no one's is longer",
  given,
  async ({ deltas, tau, alpha }, device) => {
    const same = deltas.map((delta) => delta.map((x, i) => Math.abs(x || 1) * (tau[i] < 0 ? -1 : 1)));
    const whole = { alpha, reserveP: 1 };
    const [mean, voted] = [
      await one(whole, same, tau, device),
      await one({ ...whole, join: "election" }, same, tau, device),
    ];
    assertNear(voted, mean, device);
    const sum = await one(whole, deltas, tau, device);
    const step = await one({ ...whole, join: "election" }, deltas, tau, device);
    for (const [i, x] of step.entries()) {
      const parts = deltas.map((delta) => delta[i]);
      if (Math.abs(sum[i]) < 1e-5) continue; // a tie, to rounding
      assert.equal(Math.sign(x), Math.sign(sum[i]), `element ${i}`);
      const most = (1 - alpha) * Math.max(...parts.map(Math.abs)) + alpha * Math.abs(tau[i]);
      assert.ok(Math.abs(x) <= most + 1e-5);
    }
  },
  some,
);

law(
  "one local step of plain descent, met by the mean, is a step on the mean gradient of all workers",
  fc.tuple(runs(3, N), runs(3, N)),
  async ([a, b], device) => {
    const lr = 0.125;
    const both = a.grads.map((grad, t) => times(plus(grad, b.grads[t]), 0.5));
    const { end } = await path(optimizer(sgd()), { start: a.start, grads: both, lr }, device);
    let w: readonly number[] = a.start;
    for (const t of both.keys()) {
      const local = await Promise.all(
        [a, b].map(
          async ({ grads }) => (await path(optimizer(sgd()), { start: w, grads: [grads[t]], lr }, device)).end,
        ),
      );
      w = plus(
        w,
        await one(
          {},
          local.map((end) => minus(end, w)),
          a.refDelta,
          device,
        ),
      );
    }
    assertNear(w, end, device);
  },
  { effort: 0.12 },
);

law(
  "the outer step is Nesterov's over meetings:  v ← μv + M,  η(M + μv)",
  fc.tuple(given, vectors(N), vectors(N)),
  async ([{ deltas, tau, ...options }, second, third], device) => {
    const meetings = [deltas, [second, third], [third]];
    const [merged, stepped] = [
      await steps(options, meetings, tau, device),
      await steps({ ...options, ...OUTER }, meetings, tau, device),
    ];
    let v: number[] = tau.map(() => 0);
    for (const [t, m] of merged.entries()) {
      v = plus(times(v, OUTER.outerMomentum), m);
      assertNear(stepped[t], times(plus(m, times(v, OUTER.outerMomentum)), OUTER.outerLr), device, `meeting ${t}`);
    }
  },
  some,
);

check("workers that are apart and know sums alone make the step of workers at hand", async (device) => {
  const deltas = [
    [0.5, -1, 0, 2, -0.25, 1],
    [0.25, 1, -1, 2, 0.5, -1],
    [-2, 0.5, 0.25, 1, 0.5, 0],
  ];
  const tau = [1, -1, 2, -2, 0.5, 4];
  const m = meeting({ join: "election", reserveP: 0.5, alpha: 0.25 });
  const all = async (rows: readonly (readonly number[])[]) => rows.reduce((a, b) => plus(a, b));
  const on = async (f: () => readonly Tensor[]) => (await run(() => [...f()], [], device)).map((x) => Array.from(x));
  const said = await Promise.all(deltas.map(async (delta) => (await on(() => [m.says(leaf(delta)).w]))[0]));
  const [drift] = await on(() => [m.prepare(leaf(tau)).w]);
  const known = { workers: 3, tau: leaf(drift) };
  const total = await all(said);
  const [vote] = await on(() => [m.elect?.(leaf(total), known).w as Tensor]);
  const counted = await Promise.all(
    said.map((mine) =>
      on(() => {
        const { kept, voters } = m.counts(leaf(mine), leaf(vote));
        return [kept.w, (voters as Weights).w];
      }),
    ),
  );
  const [kept, voters] = [await all(counted.map(([k]) => k)), await all(counted.map(([, n]) => n))];
  assert.ok(voters.every((n) => Number.isInteger(n) && n <= 3) && voters.some((n) => n > 1));
  const counts = { kept: leaf(kept), voters: leaf(voters) };
  const [step] = await on(() => [m.finish({}, counts, { ...known, vote: leaf(vote) }).step.w]);
  assertNear(step, await one({ join: "election", reserveP: 0.5, alpha: 0.25 }, deltas, tau, device), device);
});

check(
  "a worker whose update is no number is not outvoted in silence",
  async (device) => {
    const step = await one(
      { join: "election" },
      [
        [1, Number.NaN, 1],
        [1, 1, 1],
        [1, -1, 1],
      ],
      [0, 0, 0],
      device,
    );
    assert.ok(Number.isNaN(step[1]) && step[0] === 1);
  },
  ["reference", "cpu"],
);

check("a meeting refuses what it cannot be", async () => {
  assert.throws(() => meeting({ join: "median" as "mean" }), /join is "median"; it must be "mean" or "election"/);
  assert.throws(() => meeting({ reserveP: 1.5 }), /reserveP is 1.5/);
  assert.throws(() => meeting({ outerMomentum: 1 }), /outerMomentum is 1; it must lie in \[0, 1\)/);
  assert.throws(() => meeting({ outerLr: -1 }), InputError);
  const m = meeting({ alpha: 0.5, join: "election" });
  const w = leaf([1, 2]);
  assert.throws(() => meet(m, {}, []), /no worker has an update/);
  assert.throws(() => meet(m, {}, [w]), /needs tau: prepare\(refDelta\)/);
  assert.throws(() => m.counts(w), /counts needs the vote/);
  assert.throws(() => m.finish({}, { kept: w }, { workers: 1, tau: w }), /finish needs the vote/);
  assert.throws(() => m.elect?.(w, { workers: 0, tau: w }), /workers is 0/);
  assert.throws(() => meet(m, {}, [w, { v: add(w.w, 1) } as unknown as Weights], w), /differ in structure/);
}, ["reference"]);
