/** Laws 14, 15, 27 and those of the lift: state is a plain tree, leaves do not see one another, nothing compiles twice. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { loadTree, saveTree } from "../align/state-file.js";
import {
  bernoulli,
  compile,
  type Device,
  dispose,
  evaluate,
  foldIn,
  foldInName,
  InputError,
  key,
  leaves,
  namedLeaves,
  read,
  ShapeError,
  type Tensor,
  tensor,
} from "../core/index.js";
import { openReference } from "../kernels/reference/index.js";
import {
  adam,
  childTuningF,
  type MergingOptions,
  type Optimizer,
  type OptimizerState,
  onDare,
  online,
  onTies,
  optimizer,
  sgd,
  type UpdateInputs,
} from "../optim/index.js";
import { scratch } from "./cli.js";
import { check, law } from "./law.js";
import { path, runs, vectors } from "./optim-paths.js";
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

for (const { name: title, make, pace } of table) {
  check(`law 14: save and load mid-run ≡ uninterrupted, bit for bit: ${title}`, async (device) => {
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
  });

  check(`the second step compiles nothing and leaks nothing: ${title}`, async (device) => {
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
  });

  law(
    `law 15: the tree rule is the leaf rule mapped: ${title}`,
    fc.tuple(runs(3, 4), runs(3, 4), runs(3, 4)),
    async (parts, device) => {
      const names = ["a", "layers.0.w", "z"];
      const pick = (f: (run: (typeof parts)[number]) => readonly number[], of = names): Numbers =>
        Object.fromEntries(of.map((name) => [name, f(parts[names.indexOf(name)])]));
      const all = (of: string[]) =>
        march(
          make(),
          pick((r) => r.start, of),
          [0, 1, 2].map((t) => pick((r) => r.grads[t], of)),
          pick((r) => r.refDelta, of),
          device,
        );
      const together = await all(names);
      const reordered = await all(["z", "a", "layers.0.w"]);
      for (const name of names) {
        const alone = await all([name]);
        for (const [leaf, numbers] of alone) {
          assert.deepEqual(together.get(leaf), numbers, leaf);
          assert.deepEqual(reordered.get(leaf), numbers, leaf);
        }
      }
    },
    { effort: 0.1, on: ["reference", "cpu"] },
  );

  check(`empty, scalar and zero-size leaves: ${title}`, async (device) => {
    const rule = make();
    const start = { none: tensor([], [0, 3]), one: tensor(2), some: tensor([1]), nothing: [] };
    let state = evaluate(rule.init(start), device);
    const fixed = fixedFor(rule, state.key, { refDelta: { ...start, one: tensor(0.5) }, anchor: start }, device);
    const step = compile(rule.update<typeof start>, device);
    for (let t = 0; t < 3; t++) state = step(state, { ...start, one: tensor(1) }, { lr: 0.125, ...fixed });
    assert.equal((await read(state.params.none)).length, 0);
    assert.ok(Number.isFinite((await read(state.params.one))[0]));
  });

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
      target === "quadratic" ? ["reference", "cpu"] : ["cpu"],
    );
}

law(
  "law 27: masks are a function of (seed, name, step, stream, index): the same bits on every device",
  fc.record({ seed: fc.nat(2 ** 40), name: fc.stringMatching(/^[a-z.]{1,12}$/), n: fc.constantFrom(1, 5, 64) }),
  async ({ seed, name, n }, device) => {
    const rule = onDare({ reserveP: 0.5, alpha: 0.5, base: sgd() });
    const ones = new Array(n).fill(1);
    const zero = ones.map(() => 0);
    const run = { start: zero, refDelta: ones.map(() => 4), grads: [ones, ones], lr: 2, seed, name };
    const { weights } = await path(rule, run, device);
    // w moves by −1 where Δ is kept and by +2 where τ is.
    const reference = await openReference();
    let w = zero;
    for (const t of [1, 2]) {
      const mask = (stream: number) =>
        read(evaluate(bernoulli(foldInName(foldIn(foldIn(key(seed), t), stream), name), 0.5, [n]), reference));
      const [delta, tau] = [await mask(0), await mask(1)];
      w = w.map((x, i) => x - delta[i] + 2 * tau[i]);
      assert.deepEqual(weights[t - 1], w);
    }
  },
  { effort: 0.4 },
);

law(
  "law 27: childTuningF's gradient masks are such functions too, of a stream of their own",
  fc.record({ seed: fc.nat(2 ** 40), name: fc.stringMatching(/^[a-z.]{1,12}$/), n: fc.constantFrom(1, 5, 64) }),
  async ({ seed, name, n }, device) => {
    const ones = new Array(n).fill(1);
    const run = { start: ones.map(() => 0), grads: [ones, ones], lr: 0.5, seed, name };
    const { weights } = await path(optimizer(childTuningF(sgd(), 0.5)), run, device);
    const reference = await openReference();
    let w = run.start;
    for (const t of [1, 2]) {
      const bits = evaluate(bernoulli(foldInName(foldIn(foldIn(key(seed), t), 2), name), 0.5, [n]), reference);
      const mask = await read(bits);
      w = w.map((x, i) => x - mask[i]);
      assert.deepEqual(weights[t - 1], w);
    }
  },
  { effort: 0.2 },
);

check("law 27: another seed, name, step or stream draws another mask", async (device) => {
  const n = 64;
  const ones = new Array(n).fill(1);
  const run = { start: ones.map(() => 0), refDelta: ones.map(() => 4), grads: [ones, ones], lr: 2, seed: 1 };
  const rule = onDare({ reserveP: 0.5, alpha: 0.5, base: sgd() });
  const moves = async (changed: object) => (await path(rule, { ...run, ...changed }, device)).weights;
  const [first, second] = await moves({});
  for (const [other] of [await moves({ seed: 2 }), await moves({ name: "v" })]) assert.notDeepEqual(other, first);
  assert.notDeepEqual(
    second.map((x, i) => x - first[i]),
    first,
    "steps",
  );
  assert.ok(
    first.includes(-1) && first.includes(2) && first.includes(1) && first.includes(0),
    "streams are independent",
  );
});

law(
  "law 27, official: τ's mask is drawn once; steps and Δ do not share it",
  fc.tuple(vectors(64, true), fc.nat(1000)),
  async ([refDelta, seed], device) => {
    const rule = onDare({ reserveP: 0.5, alpha: 1, preset: "official" });
    const still = refDelta.map(() => 0);
    const { weights, tau } = await path(rule, { start: still, grads: [still, still, still], refDelta, seed }, device);
    for (const [i, x] of tau.entries()) assert.ok(x === 0 || x === Math.max(-1, Math.min(1, 2 * refDelta[i])));
    for (const [t, w] of weights.entries())
      assert.deepEqual(
        w,
        tau.map((x) => (t + 1) * x),
      );
  },
  { effort: 0.2 },
);

check("a parameter without a gradient stays untouched: no decay, no drift, no moments", async (device) => {
  for (const { make } of table) {
    const rule = make();
    const params = { a: tensor([1]), b: tensor([2]) };
    const state = rule.init(params);
    const refDelta = { a: tensor([1]), b: tensor([1]) };
    const fixed = fixedFor(rule, state.key, { refDelta, anchor: refDelta }, device);
    const next = evaluate(rule.update(state, { a: tensor([1]) }, { lr: 0.125, ...fixed }), device);
    assert.deepEqual(Array.from(await read(next.params.b)), [2]);
    for (const slot of Object.values(next.slots)) assert.deepEqual(Array.from(await read(slot.b)), [0]);
    dispose(next);
  }
});

test("wrong options are input errors, each naming its option", () => {
  const wrong: readonly (readonly [option: RegExp, options: MergingOptions])[] = [
    [/alpha is -0.1/, { alpha: -0.1 }],
    [/alpha is 1.5/, { alpha: 1.5 }],
    [/alpha is NaN/, { alpha: Number.NaN }],
    [/reserveP is 2/, { reserveP: 2 }],
    [/reserveP is -1/, { reserveP: -1 }],
    [/K is 0/, { onlineStep: 0 }],
    [/K is 1.5/, { onlineStep: 1.5 }],
    [/β1 is 1/, { betas: [1, 0.9] }],
    [/β2 is -1/, { betas: [0.9, -1] }],
    [/ε is -1/, { eps: -1 }],
    [/weight decay is -1/, { weightDecay: -1 }],
    [/preset is "papr"/, { preset: "papr" as "paper" }],
    [/rescaleL1 belongs/, { rescaleL1: true }],
    [/correctBias belongs/, { correctBias: false, preset: "paper" }],
  ];
  for (const rule of [onDare, onTies])
    for (const [message, options] of wrong)
      assert.throws(
        () => rule(options),
        (error) => error instanceof InputError && message.test(error.message),
      );
});

test("trees that do not fit are shape errors that name the parameter", () => {
  const rule = onDare({ alpha: 0.5 });
  const state = rule.init<Weights>({ w: tensor([1, 2]) });
  const [w, tau] = [{ w: tensor([1, 2]) }, { w: tensor([1, 1]) }];
  const refused = (
    grads: Weights,
    inputs: object,
    message: RegExp,
    kind: typeof ShapeError | typeof InputError = ShapeError,
  ) =>
    assert.throws(
      () => rule.update(state, grads, { lr: 1, ...inputs }),
      (error) => error instanceof kind && message.test(error.message),
    );
  refused({ w: tensor([1]) }, { tau }, /onDare: "w": w f32\[2\], gradient f32\[1\], refDelta f32\[2\]/);
  refused(w, { tau: { w: tensor([[1, 1]]) } }, /refDelta f32\[1,2\]/);
  refused({ v: tensor([1, 2]) }, { tau }, /gradient has "v"/);
  refused(w, { tau: { v: tensor([1, 1]) } }, /tau has "v"/);
  refused(w, { tau: {} }, /no tensor of this name/);
  refused(w, {}, /needs tau/, InputError);
  refused(w, { tau, masks: { delta: { w: tensor([true]) } } }, /the delta mask is bool\[1\]/);
});

test("online merging refuses α outside [0, 1] over any base rule", () =>
  assert.throws(
    () => online(adam(), { alpha: 2, delta: (x) => x, tau: (x) => x, tauOnce: true, consensus: (x) => x }),
    InputError,
  ));
