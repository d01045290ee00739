import fc from "fast-check";
import { expects } from "../core/expects.js";
import { type Device, sub, type Tensor } from "../core/index.js";
import { keepRandom, onDare, online, onTies, optimizer, type Rule, stepK, weightedSum } from "../optim/index.js";
import { ensure, oracle } from "./close.js";
import { holds, type Law } from "./law.js";
import { bearsAnyShape, converges, isMapped, resumes, secondStepCompilesNothing, threeRuns } from "./optimizer-laws.js";
import { assertNear, assertSame, masksOver, path, plus, type Run, runs, times } from "./runs.js";

/** Δ is taken as it is, and τ with weight 0. */
const nothing = { alpha: 0, delta: keepRandom(1), tau: keepRandom(1), tauOnce: false, consensus: weightedSum } as const;

/** Merging with α = 0 of all that Δ is: the base rule, and with K above the steps too. Throws where it is not. */
export const isLeftAlone = async (make: () => Rule, run: Run, device: Device): Promise<void> => {
  expects("isLeftAlone", "function record device", make, run, device);
  const { weights } = await path(optimizer(make()), run, device);
  const merged = { ...nothing, alpha: 0.5 };
  for (const rule of [
    online(make(), nothing),
    stepK(make(), nothing, 2),
    stepK(make(), merged, run.grads.length + 1),
  ]) {
    const other = await path(optimizer(rule), run, device);
    for (const [t, w] of weights.entries()) assertSame(other.weights[t], w, device, `step ${t} of ${rule.name}`);
  }
};

/**
 * At α = 0 a random mask falls on Δ, and the gradient reaches the moments whole: the first step is mask ⊙ Δ, and later ones leave
 * what is not kept where it is. Throws where they do not.
 */
export const isMaskedBySteps = async (
  make: () => Rule,
  run: Run,
  masks: readonly (readonly number[])[],
  device: Device,
): Promise<void> => {
  expects("isMaskedBySteps", "function record array device", make, run, masks, device);
  const fed = { ...run, masks: (t: number) => ({ delta: masks[t] }) };
  const { weights } = await path(onDare({ base: make(), reserveP: 0.5 }), fed, device);
  const whole = await path(optimizer(make()), run, device);
  const first = whole.weights[0].map((x, i) => x - run.start[i]);
  assertNear(weights[0], plus(run.start, times(first, masks[0])), device, "the first step");
  for (const [t, w] of weights.entries()) {
    const before = t === 0 ? run.start : weights[t - 1];
    for (const [i, x] of w.entries())
      ensure(
        masks[t][i] !== 0 || x === before[i],
        `step ${t}: w[${i}] is not kept, and moves from ${before[i]} to ${x}`,
      );
  }
};

/** At α = 1 a step is F(τ), whatever the gradient and the rule. Throws where it is not. */
export const driftsAlone = async (make: () => Rule, run: Run, device: Device): Promise<void> => {
  expects("driftsAlone", "function record device", make, run, device);
  for (const merge of [onDare, onTies]) {
    const { end } = await path(merge({ base: make(), alpha: 1 }), run, device);
    assertNear(end, plus(run.start, times(run.refDelta ?? [], run.grads.length)), device, "α = 1");
  }
};

/** How a rule is held to its laws. */
export interface RuleLawOptions {
  /** Default: the reference device. */
  readonly device?: Device | Promise<Device>;
  /** Random cases for each law that draws some. Default 5. */
  readonly runs?: number;
  /** Rate at which it comes to the minimum of a quadratic function in 400 steps; left out: it is not asked. */
  readonly rate?: number;
}

const QUADRATIC = {
  slope: (w: Tensor): Tensor => sub(w, 0.5),
  start: [1, -1, 2, -2],
  minimum: [0.5, 0.5, 0.5, 0.5],
  steps: 400,
} as const;

/**
 * The laws of the family, of a rule that proposes an update: saved and loaded it goes on bit for bit; its second step compiles
 * nothing; a parameter's path depends neither on the others nor on its place; empty and scalar parameters; and under online
 * merging: α = 0 leaves it alone, masks fall on its steps, K above the steps never merges, α = 1 leaves nothing of it.
 * @example for (const { check } of ruleLaws(() => sgd({ momentum: 0.5 }), { runs: 1 })) await check();
 */
export const ruleLaws = (make: () => Rule, options: RuleLawOptions = {}): Law[] => {
  expects("ruleLaws", "function record?", make, options);
  const { device = oracle(), runs: numRuns = 5, rate } = options;
  const lifted = () => optimizer(make());
  const of = (name: string, check: (device: Device) => Promise<void>): Law => ({
    name,
    check: async () => check(await device),
  });
  const drawn = <T>(name: string, draw: fc.Arbitrary<T>, body: (value: T, device: Device) => Promise<void>): Law =>
    of(name, async (here) => holds(draw, (value) => body(value, here), numRuns));
  const laws = [
    of("saved and loaded in mid-run it goes on bit for bit", (here) => resumes(lifted(), here)),
    of("the second step compiles nothing and leaks nothing", (here) => secondStepCompilesNothing(lifted(), here)),
    drawn("a parameter's path depends neither on the others nor on its place", threeRuns, (parts, here) =>
      isMapped(lifted, parts, here),
    ),
    of("empty, scalar and zero-size parameters", (here) => bearsAnyShape(lifted(), here)),
    ...(rate === undefined ? [] : [of("it converges", (here) => converges(lifted(), QUADRATIC, rate, here))]),
  ];
  // What merges by itself, or looks at what training alone has, is not merged over.
  const { usesTau, usesMask } = make();
  if (usesTau || usesMask) return laws;
  return [
    ...laws,
    drawn("merging with α = 0, and K above the steps, leave it alone", runs(3), (run, here) =>
      isLeftAlone(make, run, here),
    ),
    drawn(
      "at α = 0 a mask falls on its steps, not on what it remembers",
      fc.tuple(runs(3), masksOver(3)),
      ([run, masks], here) => isMaskedBySteps(make, run, masks, here),
    ),
    drawn("at α = 1 nothing of it is left", runs(2), (run, here) => driftsAlone(make, run, here)),
  ];
};
