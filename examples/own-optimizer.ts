/**
 * An optimizer of one's own: the rule of one parameter, lifted over trees, merged online with a reference like any other, and
 * held to the laws of every rule, and to one of its own.
 * Prints:
 *   rmsprop ends at 3.0 -1.0
 *   merged with a drift to 0 0 it ends at 2.9 -1.0
 *   the laws of every rule hold, and its own
 */
import fc from "fast-check";
import * as tg from "taugrad";
import { open } from "taugrad/devices";
import { type Optimizer, type OptimizerState, onDare, optimizer, plain, type Rule } from "taugrad/optim";
import { ruleLaws } from "taugrad/testing";

/** Δ = −lr · g / (√v + ε), v ← 0.9 v + 0.1 g².  g [...S] → Δ [...S].  Tieleman & Hinton 2012. */
const rmsprop: Rule = {
  ...plain,
  name: "rmsprop",
  slots: ["v"],
  step: (g, slots, { lr }) => {
    const v = tg.add(tg.mul(0.9, slots.v!), tg.mul(0.1, tg.square(g)));
    return { change: tg.mul(tg.neg(lr), tg.div(g, tg.add(tg.sqrt(v), 1e-8))), slots: { v } };
  },
};
const alone = optimizer(rmsprop);
const merged = onDare({ base: rmsprop, alpha: 0.005, reserveP: 0.5, weightDecay: 0 });

const device = await open("auto");
const goal = tg.tensor([3, -1]);
/** Where an optimizer ends that falls towards the goal from 0, with gradients times a factor; τ = −goal. */
const end = async ({ init, update }: Optimizer, steps: number, factor = 1): Promise<number[]> => {
  const gradient = (w: tg.Tensor) => tg.mul(factor, tg.sub(w, goal));
  const next = (state: OptimizerState<{ w: tg.Tensor }>) =>
    update(state, { w: gradient(state.params.w) }, { lr: 0.05, tau: { w: tg.neg(goal) } });
  const step = tg.compile(next, device, { donate: [0] });
  let state = tg.evaluate(init({ w: tg.zeros([2]) }), device);
  for (let t = 0; t < steps; t++) state = step(state);
  return [...(await tg.read(state.params.w))];
};
const shown = (w: number[]) => w.map((n) => n.toFixed(1)).join(" ");
console.log("rmsprop ends at", shown(await end(alone, 200)));
console.log("merged with a drift to 0 0 it ends at", shown(await end(merged, 200)));

for (const { check } of ruleLaws(() => rmsprop, { rate: 0.1, runs: 1 })) await check();
// Its own law: it is blind to the scale of the gradient, as long as ε does not show.
const blind = fc.asyncProperty(
  fc.integer({ min: 1, max: 5 }),
  fc.integer({ min: -4, max: 8 }),
  async (steps, power) => {
    const [one, other] = [await end(alone, steps), await end(alone, steps, 2 ** power)];
    return one.every((n, i) => Math.abs(n - other[i]!) < 1e-5);
  },
);
await fc.assert(blind, { numRuns: 10 });
console.log("the laws of every rule hold, and its own");
await device.close();
