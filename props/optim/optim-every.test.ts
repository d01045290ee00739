/** Laws 14 and 15, and those of the lift, for every optimizer, in f32 and bf16: the table of optim-table.ts. */
import assert from "node:assert/strict";
import { join } from "node:path";
import fc from "fast-check";
import { loadTree, saveTree } from "../../align/training/state-file.js";
import {
  compile,
  type Device,
  dispose,
  evaluate,
  leaves,
  namedLeaves,
  read,
  type Tensor,
  tensor,
} from "../../core/index.js";
import type { Optimizer, OptimizerState, UpdateInputs } from "../../optim/index.js";
import { scratch } from "../cli/cli.js";
import { check, law } from "../law.js";
import { assertNear, runs } from "./optim-paths.js";
import { fixedFor, slope, TARGETS, table } from "./optim-table.js";

const folder = scratch();

type Weights = { [name: string]: Tensor };
type Numbers = { readonly [name: string]: readonly number[] };
const toTree = (numbers: Numbers): Weights =>
  Object.fromEntries(Object.entries(numbers).map(([name, x]) => [name, tensor([...x], [x.length])]));

/** Steps a tree of weights through its gradients; gives the leaves of the last state by name. */
const march = async (
  rule: Optimizer,
  start: Numbers,
  grads: readonly Numbers[],
  tau: Numbers,
  device: Device,
  seed = 0,
) => {
  let state = evaluate(rule.init(toTree(start), { seed }), device);
  const fixed = fixedFor(rule, state.key, { refDelta: toTree(tau), anchor: toTree(start) }, device);
  const step = compile(rule.update<Weights>, device, { donate: [0] });
  for (const grad of grads) state = step(state, toTree(grad), { lr: 0.125, ...fixed });
  const out = new Map<string, number[]>();
  for (const [name, leaf] of namedLeaves(state)) out.set(name, Array.from(await read(leaf)));
  dispose(state, fixed);
  for (const program of step.programs()) program.free();
  return out;
};

/** Runs of three leaves. */
const threeRuns = fc.tuple(runs(3, 4), runs(3, 4), runs(3, 4));
type Runs = typeof threeRuns extends fc.Arbitrary<infer T> ? T : never;

/** Steps three leaves together, in another order, and each alone: `same` compares what became of each. */
const mapped = async (
  make: () => Optimizer,
  parts: Runs,
  device: Device,
  same: (got: readonly number[], want: readonly number[]) => void,
) => {
  const names = ["a", "layers.0.w", "z"];
  const all = (of: readonly string[]) => {
    const pick = (f: (run: Runs[number]) => readonly number[]): Numbers =>
      Object.fromEntries(of.map((name) => [name, f(parts[names.indexOf(name)])]));
    const grads = [0, 1, 2].map((t) => pick((run) => run.grads[t]));
    return march(make(), pick((run) => run.start), grads, pick((run) => run.refDelta), device); // biome-ignore format: one line
  };
  const [together, reordered] = [await all(names), await all(["z", "a", "layers.0.w"])];
  for (const name of names)
    for (const [leaf, want] of await all([name])) {
      same(together.get(leaf) ?? [], want);
      same(reordered.get(leaf) ?? [], want);
    }
};

for (const { name: title, make, pace, everywhere } of table) {
  const on = everywhere ? undefined : (["cpu"] as const);

  check(
    `law 14: save and load mid-run ≡ uninterrupted, bit for bit: ${title}`,
    async (device) => {
      const rule = make();
      const grads = [1, -2, 3, -1, 2].map((g) => [g / 8, -g / 4, 0.5]);
      const refDelta: Weights = { w: tensor([0.5, -0.25, 1]) };
      const step = compile(rule.update<Weights>, device);
      const start: Weights = { w: tensor([1, 2, 3]) };
      const inputs = (state: { readonly key: Tensor }) => ({
        lr: 0.125,
        ...fixedFor(rule, state.key, { refDelta, anchor: start }, device),
      });
      let state = evaluate(rule.init(start, { seed: 11 }), device);
      let resumed = state;
      const given = inputs(state);
      for (const [t, grad] of grads.entries()) {
        if (t === 2) {
          // Through a file: what a checkpoint holds is the numbers of the leaves, and nothing else.
          const file = join(folder, `${title}-${device.name}.safetensors`.replaceAll(" ", "-"));
          await saveTree(file, state);
          resumed = loadTree(file, rule.init(start));
        }
        state = step(state, { w: tensor(grad) }, given);
        resumed = t < 2 ? state : step(resumed, { w: tensor(grad) }, inputs(resumed));
      }
      const [straight, again] = [
        await Promise.all(leaves(state).map(read)),
        await Promise.all(leaves(resumed).map(read)),
      ];
      assert.deepEqual(again, straight);
    },
    on,
  );

  check(
    `the second step compiles nothing and leaks nothing: ${title}`,
    async (device) => {
      const rule = make();
      const refDelta = { a: tensor([0.5, -0.25]), b: { c: tensor([[1], [2]]) } };
      const start = { a: tensor([1, 2]), b: { c: tensor([[3], [4]]) } };
      let state = evaluate(rule.init(start), device);
      const fixed = fixedFor(rule, state.key, { refDelta, anchor: start }, device);
      const step = compile(rule.update<typeof start>, device, { donate: [0] });
      const seen: unknown[] = [];
      for (let t = 1; t <= 4; t++) {
        const grad = { a: tensor([t, -t]), b: { c: tensor([[t], [1]]) } };
        state = step(state, grad, { lr: 0.125 / t, ...fixed });
        assert.deepEqual(Array.from(await read(state.step)), [t]);
        const { programs, kernels, liveBuffers, liveBytes } = device.stats();
        seen.push({ programs, kernels, liveBuffers, liveBytes });
      }
      for (const later of seen.slice(1)) assert.deepEqual(later, seen[0]);
      assert.equal(step.programs().length, 1);
      dispose(state, fixed);
    },
    on,
  );

  // Many programs: those that stand for all will do, and on WebGPU one case, to rounding: programs contract a·b+c as they like.
  if (everywhere) {
    law(
      `law 15: the tree rule is the leaf rule mapped: ${title}`,
      threeRuns,
      (parts, device) => mapped(make, parts, device, assert.deepEqual),
      {
        effort: 0.1,
        on: ["reference", "cpu"],
      },
    );
    const [parts] = fc.sample(threeRuns, { numRuns: 1, seed: 15 });
    if (!title.endsWith("bf16"))
      check(
        `law 15: a leaf among others is the leaf alone: ${title}`,
        (device) => mapped(make, parts, device, (got, want) => assertNear(got, want, device)),
        ["webgpu"],
      );
  }

  check(
    `empty, scalar and zero-size leaves: ${title}`,
    async (device) => {
      const rule = make();
      const start = { none: tensor([], [0, 3]), one: tensor(2), some: tensor([1]), nothing: [] };
      let state = evaluate(rule.init(start), device);
      const fixed = fixedFor(rule, state.key, { refDelta: { ...start, one: tensor(0.5) }, anchor: start }, device);
      const step = compile(rule.update<typeof start>, device);
      for (let t = 0; t < 3; t++) state = step(state, { ...start, one: tensor(1) }, { lr: 0.125, ...fixed });
      assert.equal((await read(state.params.none)).length, 0);
      assert.ok(Number.isFinite((await read(state.params.one))[0]));
    },
    on,
  );

  for (const target of ["quadratic", "rosenbrock"] as const)
    check(
      `converges on ${target}: ${title}`,
      async (device) => {
        const rule = make();
        const [T, rate] = target === "quadratic" ? [400, pace.quadratic] : [6000, pace.rosenbrock];
        const { start, minimum } = TARGETS[target];
        const step = compile(
          (state: OptimizerState<Weights>, lr: Tensor, fixed: Omit<UpdateInputs<Weights>, "lr">) =>
            rule.update(state, { w: slope(target, state.params.w) }, { lr, ...fixed }),
          device,
          { donate: [0] },
        );
        let state = evaluate(rule.init<Weights>({ w: tensor([...start]) }), device);
        const aim = { refDelta: { w: tensor([0, 0, 0, 0]) }, anchor: { w: tensor([...minimum]) } };
        const fixed = fixedFor<Weights>(rule, state.key, aim, device);
        for (let t = 0; t < T; t++) state = step(state, rate * (1 - t / T), fixed);
        const { w } = rule.report === undefined ? state.params : evaluate(rule.report(state), device);
        for (const [i, x] of (await read(w)).entries())
          assert.ok(Math.abs(x - minimum[i]) < 0.1, `w[${i}] stopped at ${x}, not at ${minimum[i]}`);
      },
      target === "quadratic" && everywhere ? ["reference", "cpu"] : ["cpu"],
    );
}
