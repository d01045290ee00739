/** Laws of merging over every base optimizer that training offers: a new one is held to them by its name. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { trainingOptimizer } from "../../align/training/optimizer.js";
import { type OptimizerSettings, PROPOSALS, type ProposalName } from "../../align/training/rules/settings.js";
import type { Device } from "../../core/index.js";
import { adam, optimizer } from "../../optim/index.js";
import {
  assertNear,
  assertSame,
  masked,
  masksOver,
  minus,
  path,
  plus,
  type Run,
  runs,
  times,
} from "../../testing/runs.js";
import { check, law } from "../law.js";
import { walked } from "./kept.js";

/** Does each element of Δ follow from that element's gradients alone, 0 from zeros? Then a mask of Δ is a mask of the gradient. */
const BY_ELEMENT: Readonly<Record<ProposalName, boolean>> = {
  adamw: true,
  sgd: true,
  lion: true,
  schedule_free_adamw: true,
  muon: false, // a vector's length
  adafactor: false, // the root mean square of an update
};

const STEPS = 4;
const ALPHA = 0.25;
const MERGES = ["ondare", "onties", "ondare_ties", "onmagnitude"] as const;

interface Case {
  readonly run: Run;
  readonly mask: readonly number[];
}
const cases = fc
  .tuple(runs(STEPS), masksOver(1))
  .map(([run, [mask]]): Case => ({ run: { ...run, lr: 0.125, refDelta: times(run.refDelta, 0.25) }, mask }));

/** Throws unless every law holds over a base. Its rules are made once, and so traced and planned once. */
const lawsOver = (baseOptim: ProposalName) => {
  // A merge's own Adam is its preset's.
  const base = baseOptim === "adamw" ? optimizer(adam({ form: "paper" })) : trainingOptimizer({ optim: baseOptim });
  const merging = (settings: OptimizerSettings) => trainingOptimizer({ baseOptim, ...settings });
  const plain = MERGES.map((optim, i) => merging({ optim, onlineStep: 1 + (i % 3) }));
  const every = [1, 2].map((onlineStep) => merging({ optim: "ondare", alpha: ALPHA, onlineStep }));
  const never = merging({ optim: "onties", alpha: ALPHA, onlineStep: STEPS + 1 });
  const far = merging({ optim: "onmagnitude", alpha: 1 });
  const dropping = merging({ optim: "ondare", reserveP: 0.5 });

  return async ({ run, mask }: Case, device: Device): Promise<void> => {
    const { weights, end } = await walked(base, run, device);
    for (const rule of plain) {
      const merged = await walked(rule, run, device);
      for (const [t, expected] of weights.entries())
        assertNear(merged.weights[t], expected, device, `laws 1 and 17: ${rule.name}, p 1, α 0`);
    }
    // Law 18, and by T/K law 16.
    const total = minus(end, run.start);
    const tau = run.refDelta as readonly number[];
    for (const [i, rule] of every.entries()) {
      const merged = await walked(rule, run, device);
      const drift = times(tau, (STEPS / (i + 1)) * ALPHA);
      assertNear(merged.end, plus(run.start, plus(times(total, 1 - ALPHA), drift)), device, `law 18: K ${i + 1}`);
    }
    assertSame((await walked(never, run, device)).end, end, device, "law 19: K > T");
    assertNear((await walked(far, run, device)).end, plus(run.start, times(tau, STEPS)), device, "law 7: α 1");
    const still = { ...run, grads: run.grads.map((grad) => grad.map(() => 0)) };
    const drifted = await walked(every[0], still, device);
    assertNear(drifted.end, plus(run.start, times(tau, STEPS * ALPHA)), device, "law 4: no gradients");
    const fixed = run.grads.map(() => mask);
    const dropped = await walked(dropping, { ...run, masks: () => ({ delta: mask }) }, device);
    if (BY_ELEMENT[baseOptim]) {
      const child = await walked(base, masked(run, fixed), device);
      assertNear(dropped.end, child.end, device, "law 2: α 0 and one mask: ChildTuning-D");
    } else {
      // Law 2 as it is for all: Δ is dropped out, whatever it was made of.
      assertNear(dropped.end, plus(run.start, times(total, mask)), device, "law 2: α 0 and one mask: dropout of Δ");
    }
  };
};

for (const baseOptim of PROPOSALS) {
  const hold = lawsOver(baseOptim);
  law(`laws of merging over ${baseOptim}: α = 0, α = 1, K, no gradients, one mask`, cases, hold, {
    effort: 0.12,
    on: ["reference", "cpu"],
  });
  const [one] = fc.sample(cases, { numRuns: 1, seed: 16 });
  check(`laws of merging over ${baseOptim}, one case`, (device) => hold(one, device), ["webgpu"]);
}

check(
  "trap: over a base that looks at whole tensors a mask of Δ is no mask of the gradient",
  async (device) => {
    const run: Run = {
      start: [1, 2, 3],
      grads: [
        [1, 1, 1],
        [9, 1, 1],
      ],
      lr: 0.125,
      refDelta: [1, 1, 1],
    };
    const mask = [1, 0, 1];
    for (const baseOptim of PROPOSALS.filter((name) => !BY_ELEMENT[name])) {
      const fed = { ...run, masks: () => ({ delta: mask }) };
      const dropped = await path(trainingOptimizer({ optim: "ondare", baseOptim, reserveP: 0.5 }), fed, device);
      const child = await path(trainingOptimizer({ optim: baseOptim }), masked(run, [mask, mask]), device);
      assert.throws(() => assertNear(dropped.end, child.end, device), baseOptim);
    }
  },
  ["reference"],
);
