/** taugrad/testing, as its users have it: the laws hold for what is right, and each sees the fault that it is for. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type fc from "fast-check";
import * as t from "../../core/index.js";
import { optimizer, type Rule, sgd } from "../../optim/index.js";
import {
  eighths,
  type Law,
  type OpFunction,
  opLaws,
  ruleLaws,
  secondStepCompilesNothing,
  seeds,
  tensors,
} from "../../testing/index.js";
import { reference } from "../close.js";
import { device } from "../devices.js";

/** The names of the laws that are broken. */
const broken = async (laws: readonly Law[]): Promise<string[]> => {
  const names: string[] = [];
  for (const { name, check } of laws) await check().catch(() => names.push(name));
  return names;
};

const draw = tensors({ low: 1, rank: 2, size: 3 }).map((x) => [x, t.tensor([0, 1], undefined, "i32")] as const);
const swish: OpFunction = (x, ids) => t.add(t.mul(x, t.sigmoid(x)), t.sum(t.cast(ids, "f32")));
/** x·sin x, whose gradient somebody wrote by hand. */
const byHand = (pull: (x: t.Tensor, ct: t.Tensor) => t.Tensor): OpFunction => {
  const f = t.customVjp(
    (x: t.Tensor) => t.mul(x, t.sin(x)),
    (x) => [t.mul(x, t.sin(x)), x] as const,
    (x, ct) => [pull(x, ct)],
  );
  return (x) => f(x);
};
const slope = (x: t.Tensor) => t.add(t.sin(x), t.mul(x, t.cos(x)));

test("opLaws: they hold for an op, and see a wrong gradient, one that is wrong only in its own gradient, and a device's digits", async () => {
  const cpu = await device("cpu");
  const laws = (f: OpFunction, some: fc.Arbitrary<readonly t.Tensor[]> = draw) =>
    opLaws(f, some, { device: cpu, runs: 3 });
  assert.deepEqual(await broken(laws(swish)), []);
  assert.deepEqual(await broken(laws(byHand((x, ct) => t.mul(ct, slope(x))))), []);
  const differences = ["the gradient is what finite differences say, and so is its own"];
  for (const pull of [
    (x: t.Tensor, ct: t.Tensor) => t.mul(ct, t.add(t.sin(x), t.cos(x))),
    (x: t.Tensor, ct: t.Tensor) => t.mul(ct, t.stopGradient(slope(x))),
  ]) {
    const wide = seeds().map((seed) => [eighths([2, 3], seed)]);
    assert.deepEqual(await broken(laws(byHand(pull), wide)), differences);
  }
  const cancels: OpFunction = (x) => t.sub(t.add(t.exp(x), 2 ** 14), 2 ** 14);
  assert.deepEqual(await broken(laws(cancels)), ["the device computes what the reference does"]);
});

const momentum = sgd({ momentum: 0.5 });
const changing = (change: (delta: t.Tensor, now: Parameters<Rule["step"]>[2]) => t.Tensor): Rule => ({
  ...momentum,
  step: (grad, slots, now) => {
    const out = momentum.step(grad, slots, now);
    return { ...out, change: change(out.change, now) };
  },
});

test("ruleLaws: they hold for a rule, and each fault breaks the law that is for it", async () => {
  const laws = (make: () => Rule) => ruleLaws(make, { runs: 2, rate: 0.1 });
  assert.deepEqual(await broken(laws(() => momentum)), []);
  let count = 0;
  const faults: readonly (readonly [law: string, make: () => Rule])[] = [
    ["it converges", () => changing((delta) => t.neg(delta))],
    [
      "a parameter's path depends neither on the others nor on its place",
      () => changing((delta) => t.mul(delta, ++count)), // remembers beside its state
    ],
    [
      "empty, scalar and zero-size parameters",
      () => changing((delta, { w }) => t.mul(delta, t.div(t.sub(w, t.mean(w)), t.sub(w, t.mean(w))))),
    ],
    [
      "merging with α = 0, and K above the steps, leave it alone",
      () => changing((delta, { tau }) => (tau === undefined ? delta : t.add(delta, tau))),
    ],
    [
      "at α = 0 a mask falls on its steps, not on what it remembers",
      () => changing((delta, { draw: mask }) => t.where(mask("delta", 0.5), delta, t.mul(2, delta))),
    ],
    ["at α = 1 nothing of it is left", () => changing((delta) => t.div(delta, 0))],
  ];
  for (const [law, make] of faults)
    assert.deepEqual(await broken(laws(make).filter(({ name }) => name === law)), [law]);
});

test("secondStepCompilesNothing: an optimizer whose state grows is seen", async () => {
  const steady = optimizer(momentum);
  const growing: typeof steady = {
    ...steady,
    update: (state, grads, inputs) => {
      const next = steady.update(state, grads, inputs);
      return {
        ...next,
        slots: { ...state.slots, ...next.slots, [`more${Object.keys(state.slots).length}`]: state.params },
      };
    },
  };
  await secondStepCompilesNothing(steady, reference);
  await assert.rejects(secondStepCompilesNothing(growing, reference), /after the first step/);
});
