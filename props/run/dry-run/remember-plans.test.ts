/** Laws of remembered plans: what is written alike is planned once; whatever may change a plan is planned anew. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { add, type Graph, mul, type Planned, reshape, scalar, sum, type Tensor, tensor } from "../../../core/index.js";
import { placeholder } from "../../../core/ops/leaf.js";
import { rememberPlans } from "../../../run/dry-run/remember-plans.js";

const planned: Planned = {
  memory: { inputs: 0, outputs: 0, constants: 0, temporaries: 0, peak: 0 },
  launches: 0,
  largest: { bytes: 0, of: "nothing" },
};

const graphOf = (
  f: (x: Tensor, y: Tensor) => Tensor[],
  donated: readonly number[] = [],
  dtype: "f32" | "bf16" = "f32",
): Graph => {
  const inputs = [placeholder([2, 3], dtype), placeholder([2, 3], "f32")];
  return { inputs, outputs: f(inputs[0], inputs[1]), donated };
};

test("alike graphs are planned once; another op, number, order, type or donation is another plan", () => {
  const kinds: readonly (() => Graph)[] = [
    () => graphOf((x, y) => [add(x, y)]),
    () => graphOf((x, y) => [add(y, x)]),
    () => graphOf((x, y) => [mul(x, y)]),
    () => graphOf((x, y) => [add(x, y)], [0]),
    () => graphOf((x, y) => [add(x, y)], [1]),
    () => graphOf((x, y) => [add(x, y)], [], "bf16"),
    () => graphOf((x, y) => [add(x, y), y]),
    () => graphOf((x, y) => [y, add(x, y)]),
    () => graphOf((x) => [sum(x, [0])]),
    () => graphOf((x) => [sum(x, [1])]),
    () => graphOf((x) => [reshape(x, [3, 2])]),
    ...[0, -0, 1, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY].map(
      (n) => () => graphOf((x) => [add(x, scalar(n))]),
    ),
    ...[1, 2].map((n) => () => graphOf((x) => [add(x, tensor([0, 1, n]))])),
    ...["i32", "u32"].map((dtype) => () => graphOf(() => [tensor([0, 1], [2], dtype as "i32")])),
    // Written in another order, which steps keep to.
    () =>
      graphOf((x, y) => {
        const [a, b] = [mul(x, y), add(x, y)];
        return [a, b];
      }),
    () =>
      graphOf((x, y) => {
        const [b, a] = [add(x, y), mul(x, y)];
        return [a, b];
      }),
  ];
  let plans = 0;
  const planner = rememberPlans({
    name: "webgpu",
    description: "counts",
    plan: () => {
      plans++;
      return planned;
    },
  });
  kinds.forEach((make, i) => {
    planner.plan(make());
    assert.equal(plans, i + 1, `${i}: taken for another`);
    planner.plan(make());
    assert.equal(plans, i + 1, `${i}: not known again`);
  });
});
