/**
 * An optimizer of one's own: the rule of one parameter, lifted over trees, merged online with a reference like any other, and
 * held to a law of its own.
 * Prints:
 *   rmsprop ends at 3.00 -1.00
 *   merged with a drift to 0 0 it ends at 2.9 -1.0
 *   the law holds
 */

import fc from "fast-check";
import * as tg from "taugrad";
import { open } from "taugrad/devices";
import {
  keepRandom,
  type Optimizer,
  type OptimizerState,
  online,
  optimizer,
  type Rule,
  weightedSum,
} from "taugrad/optim";

/** Δ = −lr · g / (√v + ε), v ← 0.9 v + 0.1 g².  g [*S] → Δ [*S].  Tieleman & Hinton 2012. */
const rmsprop: Rule = {
  name: "rmsprop",
  slots: ["v"],
  scalars: [],
  usesTau: false,
  advance: (scalars) => scalars,
  prepare: (tau) => tau,
  step: (g, slots, { lr }) => {
    const v = tg.add(tg.mul(0.9, slots.v!), tg.mul(0.1, tg.square(g)));
    return { change: tg.mul(tg.neg(lr), tg.div(g, tg.add(tg.sqrt(v), 1e-8))), slots: { v } };
  },
};
const merged = online(rmsprop, {
  alpha: 0.005,
  delta: keepRandom(0.5),
  tau: keepRandom(0.5),
  tauOnce: false,
  consensus: weightedSum,
});

type Point = { w: tg.Tensor };
const goal = tg.tensor([3, -1]);
/** Where a rule ends that falls towards the goal, from 0, with gradients times a factor; τ = −goal. */
const end = async (rule: Optimizer, device: tg.Device, steps: number, factor = 1): Promise<number[]> => {
  const step = tg.compile(
    (state: OptimizerState<Point>) => {
      const grads = { w: tg.mul(factor, tg.sub(state.params.w, goal)) };
      return rule.update(state, grads, { lr: 0.05, tau: { w: tg.neg(goal) } });
    },
    device,
    { donate: [0] },
  );
  let state = tg.evaluate(rule.init<Point>({ w: tg.tensor([0, 0]) }), device);
  for (let t = 0; t < steps; t++) state = step(state);
  return [...(await tg.read(state.params.w))];
};

const device = await open("auto");
const alone = await end(optimizer(rmsprop), device, 200);
console.log("rmsprop ends at", alone.map((n) => n.toFixed(2)).join(" "));
const drifted = await end(optimizer(merged), device, 200);
console.log("merged with a drift to 0 0 it ends at", drifted.map((n) => n.toFixed(1)).join(" "));

// The law: it is blind to the scale of the gradient, as long as ε does not show.
await fc.assert(
  fc.asyncProperty(fc.integer({ min: 1, max: 5 }), fc.integer({ min: -4, max: 8 }), async (steps, power) => {
    const [one, other] = [
      await end(optimizer(rmsprop), device, steps),
      await end(optimizer(rmsprop), device, steps, 2 ** power),
    ];
    return one.every((n, i) => Math.abs(n - other[i]!) < 1e-5);
  }),
  { numRuns: 10 },
);
console.log("the law holds");
await device.close();
