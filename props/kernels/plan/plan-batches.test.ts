/** Laws of batches: equal kernels over many small tensors run as one. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import * as t from "../../../core/index.js";
import { placeholder } from "../../../core/ops/leaf.js";
import { memoryOf, plan } from "../../../kernels/plan/plan.js";
import type { Abilities } from "../../../kernels/plan/steps.js";
import { adamW, clipByGlobalNorm, type OptimizerState, onTies } from "../../../optim/index.js";
import { assertClose } from "../../close.js";
import { eighths } from "../../generators/generators.js";
import { check, law } from "../../law.js";

const able: Abilities = { fused: new Set(["topkMask"]), maxBuffers: 48, inPlace: true, batches: true };
const LEAVES = 200;

const kindsOf = (outputs: t.Tensor[]): string[] => {
  const inputs = t.reachable(outputs).filter(({ op }) => op.name === "input");
  return plan({ inputs, outputs }, able).steps.map((step) =>
    step.kind === "batch" ? `${step.steps.length} ${step.steps[0].kind}s` : step.kind,
  );
};

test("alike steps over many small tensors are one step, whatever their sizes", () => {
  const params = Array.from({ length: LEAVES }, (_, i) => placeholder([2 + (i % 7), 3], "f32"));
  assert.deepEqual(kindsOf(params.map((x) => t.mul(t.tanh(x), 3))), [`${LEAVES} maps`]);
  assert.deepEqual(kindsOf(params.map((x) => t.sum(t.square(x)))), [`${LEAVES} reduces`]);
  const mixed = params.map((x, i) => (i % 2 === 0 ? t.exp(x) : t.sin(x)));
  assert.deepEqual(kindsOf(mixed), [`${LEAVES / 2} maps`, `${LEAVES / 2} maps`]);
  const scaled = params.map((x, i) => t.mul(t.exp(x), i % 2 === 0 ? 2 : 3));
  assert.deepEqual(kindsOf(scaled), [`${LEAVES / 2} maps`, `${LEAVES / 2} maps`], "another literal is another kernel");
  const transposed = [t.exp(params[0]), t.exp(t.transpose(params[1]))];
  assert.deepEqual(kindsOf(transposed), ["map", "map"], "another way through memory is another kernel");
  const masks = params.map((x, i) => t.topkMask(x, 1 + (i % 3)));
  assert.deepEqual(kindsOf(masks), [`${LEAVES} calls`], "how many are kept is data");
  const large = [0, 1].map(() => t.exp(placeholder([1000, 1000], "f32")));
  assert.deepEqual(kindsOf(large), ["map", "map"], "large steps gain nothing");
});

law(
  "a batch of masks of the largest is each mask by itself",
  fc.record({ sizes: fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 2, maxLength: 9 }), seed: fc.nat(999) }),
  async ({ sizes, seed }, device) => {
    const leaves = sizes.map((n, i) => eighths([n], seed + i));
    const run = t.compile((xs: t.Tensor[]) => xs.map((x, i) => t.topkMask(x, (i * 7) % (sizes[i] + 1))), device);
    const before = device.stats().launches;
    const out = run(leaves);
    if (device.name === "cpu") assert.ok(device.stats().launches - before <= 10, "one pass for all of them");
    for (const [i, mask] of out.entries()) {
      const want = t.evaluate(t.topkMask(leaves[i], (i * 7) % (sizes[i] + 1)), device);
      assert.deepEqual(await t.read(mask), await t.read(want));
      t.dispose(want);
    }
    t.dispose(out);
    for (const program of run.programs()) program.free();
  },
  { effort: 0.1 },
);

check(
  "an OnTIES step over 200 tensors is a few dozen launches",
  async (device) => {
    const tree = (seed: number) =>
      Object.fromEntries(Array.from({ length: LEAVES }, (_, i) => [`p${i}`, eighths([3, 2 + (i % 4)], seed + i)]));
    type Weights = ReturnType<typeof tree>;
    const rule = onTies({ reserveP: 0.5, alpha: 0.25 });
    const step = t.compile(
      (state: OptimizerState<Weights>, grads: Weights, tau: Weights) => rule.update(state, grads, { lr: 0.1, tau }),
      device,
      { donate: [0] },
    );
    const state = t.evaluate(rule.init(tree(0)), device);
    const tau = t.evaluate(rule.prepare(tree(2000), state.key), device);
    const grads = t.upload(tree(1000), device);
    const before = device.stats().launches;
    const next = step(state, grads, tau as Weights);
    const launches = device.stats().launches - before;
    assert.ok(launches <= 40, `${launches} launches`);
    t.dispose(next, grads, tau);
    for (const program of step.programs()) program.free();
  },
  ["cpu"],
);

test("steps that wait for one another are no batch", () => {
  let x = placeholder([4, 4], "f32");
  const w = x;
  for (let i = 0; i < 5; i++) x = t.matmul(t.tanh(x), w);
  assert.deepEqual(kindsOf([x]), Array.from({ length: 5 }, () => ["map", "matmul"]).flat());
});

for (const [size, largeBatches, most] of [
  [256, false, 2 ** 20],
  [2048, true, 2 ** 26],
  [8192, true, 2 ** 26],
] as const)
  test(`working ahead of the order as written costs little memory: ${size}`, () => {
    // Forty layers, each of which adds noise that depends on nothing: all the noise could be drawn at the start.
    const noise = t.key(1);
    let x = placeholder([size, size], "f32");
    const inputs = [x, placeholder([size, size], "f32")];
    for (let layer = 0; layer < 40; layer++) {
      const drawn = t.normal(t.foldIn(noise, layer), [size, size]);
      x = t.matmul(t.matmul(x, inputs[1]), drawn);
    }
    const peak = (batches: boolean) =>
      memoryOf(plan({ inputs, outputs: [x] }, { ...able, batches, largeBatches })).temporaries;
    assert.ok(peak(true) <= peak(false) + most, `${peak(true)} bytes, ${peak(false)} without batches`);
  });

test("large steps run together too, where that pays: products of one size, maps and sums of any", () => {
  const leaves = Array.from({ length: 6 }, (_, i) => placeholder([512, 1024 + 512 * (i % 2)], "f32"));
  const kinds = (outputs: t.Tensor[]) => {
    const inputs = t.reachable(outputs).filter(({ op }) => op.name === "input");
    const { steps } = plan({ inputs, outputs }, { ...able, largeBatches: true });
    return steps.map((step) => (step.kind === "batch" ? `${step.steps.length} ${step.steps[0].kind}s` : step.kind));
  };
  assert.deepEqual(kinds(leaves.map((x) => t.exp(x))), ["6 maps"]);
  assert.deepEqual(kinds(leaves.map((x) => t.sum(t.square(x)))), ["6 reduces"]);
  const x = placeholder([64, 512], "f32");
  assert.deepEqual(kinds(leaves.map((w) => t.matmul(x, w))), ["3 matmuls", "3 matmuls"]);
});

check("an optimizer step with clipping over 200 tensors is a handful of launches, and right", async (device) => {
  const tree = (seed: number) =>
    Object.fromEntries(Array.from({ length: LEAVES }, (_, i) => [`p${i}`, eighths([3, 2 + (i % 4)], seed + i)]));
  type Weights = ReturnType<typeof tree>;
  const rule = adamW();
  const step = t.compile(
    (state: OptimizerState<Weights>, grads: Weights, lr: t.Tensor) =>
      rule.update(state, clipByGlobalNorm(grads, 1).grads, { lr }),
    device,
    { donate: [0] },
  );
  const [state, grads] = [t.evaluate(rule.init(tree(0)), device), t.upload(tree(1000), device)];
  const before = device.stats().launches;
  const next = step(state, grads, 0.5);
  const launches = device.stats().launches - before;
  if (device.name === "cpu") assert.ok(launches <= 20, `${launches} launches`);
  // Adam's first step is lr · sign(g), beside the decay.
  const [w, start, g] = [await t.read(next.params.p7), t.constantData(tree(0).p7), t.constantData(tree(1000).p7)];
  assertClose(
    w,
    Array.from(start.data, (x, i) => x * (1 - 0.5 * 0.01) - 0.5 * Math.sign(g.data[i])),
    { abs: 1e-3 },
  );
  t.dispose(next, grads);
  for (const program of step.programs()) program.free();
});

test("numbers made of given ones are one launch if it has buffers for all; what waits for a sum stays by itself", () => {
  const [count, rate, ...others] = Array.from({ length: LEAVES }, () => placeholder([], "f32"));
  const made = [t.add(count, 1), t.neg(rate), t.exp(t.mul(count, 2)), t.mul(others[0], 3)];
  assert.deepEqual(kindsOf(made), ["map"]);
  assert.deepEqual(kindsOf([...made, t.sum(placeholder([9], "f32"))]), ["map", "reduce"]);
  const [x, y] = [placeholder([5], "f32"), placeholder([6], "f32")];
  const late = [t.exp(t.sum(x)), t.sin(t.sum(y))];
  assert.deepEqual(
    kindsOf([...made, ...late]).sort(),
    ["2 reduces", "map", "map", "map"],
    "neither waits for the other",
  );
  assert.deepEqual(kindsOf(others.map((z) => t.exp(z))), [`${others.length} maps`], "too many: a batch");
});
