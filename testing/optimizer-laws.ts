import fc from "fast-check";
import { asks, expects } from "../core/expects.js";
import {
  compile,
  type Device,
  dispose,
  equal,
  evaluate,
  leaves,
  namedLeaves,
  read,
  type Tensor,
  type Tree,
  tensor,
  treeMap,
  unflatten,
} from "../core/index.js";
import type { Optimizer, OptimizerState, UpdateInputs } from "../optim/index.js";
import { ensure } from "./close.js";
import { runs, sameBits } from "./runs.js";

/** Parameters by their names. */
export type Weights = { [name: string]: Tensor };
type Numbers = { readonly [name: string]: readonly number[] };
const toTree = (numbers: Numbers): Weights =>
  Object.fromEntries(Object.entries(numbers).map(([name, x]) => [name, tensor([...x], [x.length])]));

const keepAll = <P extends Tree>(like: P): P => treeMap((w) => equal(w, w), like);

/** What an optimizer asks for in every step, from a reference delta, reference weights and a mask [*S] that keeps all. */
export const fixedFor = asks(
  "fixedFor",
  "any tensor record device",
  <P extends Tree>(
    rule: Optimizer,
    key: Tensor,
    { refDelta, anchor }: { readonly refDelta: P; readonly anchor: P },
    device: Device,
  ): Omit<UpdateInputs<P>, "lr"> =>
    evaluate(
      {
        ...(rule.usesTau ? { tau: rule.prepare(refDelta, key) } : {}),
        ...(rule.usesAnchor ? { anchor } : {}),
        ...(rule.usesMask ? { masks: { gradient: keepAll(anchor) } } : {}),
      },
      device,
    ) as Omit<UpdateInputs<P>, "lr">,
);

/** Writes a state somewhere, and reads it as another process would; `like` has its structure. */
export type Through = (
  state: OptimizerState<Weights>,
  like: OptimizerState<Weights>,
) => Promise<OptimizerState<Weights>>;

/** The numbers of the leaves, and nothing else. */
const throughNumbers: Through = async (state, like) => {
  const parts: Tensor[] = [];
  for (const t of leaves(state)) parts.push(tensor(await read(t), t.shape, t.dtype));
  return unflatten(like, parts);
};

/** A state that is saved and loaded in mid-run goes on to the bits of a run that was not interrupted. Throws where it does not. */
export const resumes = async (rule: Optimizer, device: Device, through: Through = throughNumbers): Promise<void> => {
  expects("resumes", "any device", rule, device);
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
    if (t === 2) resumed = await through(state, rule.init(start));
    state = step(state, { w: tensor(grad) }, given);
    resumed = t < 2 ? state : step(resumed, { w: tensor(grad) }, inputs(resumed));
  }
  const [straight, again] = [namedLeaves(state), leaves(resumed)];
  for (const [i, [name, t]] of straight.entries()) sameBits(await read(again[i]), await read(t), name);
};

/** The second step compiles nothing and leaks nothing, at any rate and step. Throws where it does. */
export const secondStepCompilesNothing = async (rule: Optimizer, device: Device): Promise<void> => {
  expects("secondStepCompilesNothing", "any device", rule, device);
  const refDelta = { a: tensor([0.5, -0.25]), b: { c: tensor([[1], [2]]) } };
  const start = { a: tensor([1, 2]), b: { c: tensor([[3], [4]]) } };
  let state = evaluate(rule.init(start), device);
  const fixed = fixedFor(rule, state.key, { refDelta, anchor: start }, device);
  const step = compile(rule.update<typeof start>, device, { donate: [0] });
  const seen: string[] = [];
  for (let t = 1; t <= 4; t++) {
    const grad = { a: tensor([t, -t]), b: { c: tensor([[t], [1]]) } };
    state = step(state, grad, { lr: 0.125 / t, ...fixed });
    sameBits(await read(state.step), [t], "step");
    const { programs, kernels, liveBuffers, liveBytes } = device.stats();
    seen.push(JSON.stringify({ programs, kernels, liveBuffers, liveBytes }));
  }
  for (const later of seen.slice(1)) ensure(later === seen[0], `after the first step ${seen[0]}, later ${later}`);
  ensure(step.programs().length === 1, `${step.programs().length} programs`);
  dispose(state, fixed);
};

/** Steps a tree of weights through its gradients; gives the leaves of the last state by name. */
const march = async (
  rule: Optimizer,
  start: Numbers,
  grads: readonly Numbers[],
  tau: Numbers,
  device: Device,
): Promise<Map<string, number[]>> => {
  let state = evaluate(rule.init(toTree(start), { seed: 0 }), device);
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
export const threeRuns = fc.tuple(runs(3, 4), runs(3, 4), runs(3, 4));
type Runs = typeof threeRuns extends fc.Arbitrary<infer T> ? T : never;

/**
 * What becomes of a parameter depends neither on the others nor on its place: three leaves together, in another order, and each
 * alone give the same numbers. `same` compares them; default: bit for bit. Throws where they do not.
 */
export const isMapped = async (
  make: () => Optimizer,
  parts: Runs,
  device: Device,
  same: (got: readonly number[], want: readonly number[]) => void = sameBits,
): Promise<void> => {
  expects("isMapped", "function any device function?", make, parts, device, same);
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

/** Empty, scalar and zero-size leaves are stepped as others are. Throws where one is not. */
export const bearsAnyShape = async (rule: Optimizer, device: Device): Promise<void> => {
  expects("bearsAnyShape", "any device", rule, device);
  const start = { none: tensor([], [0, 3]), one: tensor(2), some: tensor([1]), nothing: [] };
  let state = evaluate(rule.init(start), device);
  const fixed = fixedFor(rule, state.key, { refDelta: { ...start, one: tensor(0.5) }, anchor: start }, device);
  const step = compile(rule.update<typeof start>, device);
  for (let t = 0; t < 3; t++) state = step(state, { ...start, one: tensor(1) }, { lr: 0.125, ...fixed });
  ensure((await read(state.params.none)).length === 0, "an empty leaf has elements");
  const [one] = await read(state.params.one);
  ensure(Number.isFinite(one), `a scalar became ${one}`);
};

/** A function of one vector, where it starts, and where it is least. */
export interface Target {
  readonly slope: (w: Tensor) => Tensor;
  readonly start: readonly number[];
  readonly minimum: readonly number[];
  readonly steps: number;
}

/** It comes within 0.1 of a minimum, at a rate that falls from `rate` to 0. Throws where it stops elsewhere. */
export const converges = async (rule: Optimizer, target: Target, rate: number, device: Device): Promise<void> => {
  expects("converges", "any record number device", rule, target, rate, device);
  const { start, minimum, steps, slope } = target;
  const step = compile(
    (state: OptimizerState<Weights>, lr: Tensor, fixed: Omit<UpdateInputs<Weights>, "lr">) =>
      rule.update(state, { w: slope(state.params.w) }, { lr, ...fixed }),
    device,
    { donate: [0] },
  );
  let state = evaluate(rule.init<Weights>({ w: tensor([...start]) }), device);
  const aim = { refDelta: { w: tensor(start.map(() => 0)) }, anchor: { w: tensor([...minimum]) } };
  const fixed = fixedFor<Weights>(rule, state.key, aim, device);
  for (let t = 0; t < steps; t++) state = step(state, rate * (1 - t / steps), fixed);
  const { w } = rule.report === undefined ? state.params : evaluate(rule.report(state), device);
  for (const [i, x] of (await read(w)).entries())
    ensure(Math.abs(x - minimum[i]) < 0.1, `w[${i}] stopped at ${x}, not at ${minimum[i]}`);
};
