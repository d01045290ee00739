/** Rules and merges in a few directions of each matrix's gradients. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  compile,
  type Device,
  dispose,
  evaluate,
  InputError,
  matmul,
  read,
  sub,
  type Tensor,
  tensor,
  transpose,
} from "../../core/index.js";
import {
  adam,
  adamW,
  childTuningD,
  leading,
  lowRank,
  type Optimizer,
  type OptimizerState,
  onDare,
  onMagnitude,
  onTies,
  optimizer,
  scheduleFree,
  sgd,
} from "../../optim/index.js";
import { assertNear } from "../../testing/runs.js";
import { assertClose, run } from "../close.js";
import { check, law } from "../law.js";

type Weights = { w: Tensor };
const some = { effort: 0.12 };
const [ROWS, COLUMNS] = [3, 4];

const sized = (n: number) =>
  fc.array(
    fc.integer({ min: -8, max: 8 }).map((k) => k / 8),
    { minLength: n, maxLength: n },
  );
const matrix = (numbers: readonly number[], tall: boolean) => {
  const t = tensor([...numbers], [ROWS, COLUMNS]);
  return tall ? transpose(t) : t;
};
const numbers = async (t: Tensor, device: Device): Promise<number[]> => {
  const [out] = await run(() => [t], [], device);
  return Array.from(out);
};

const stepOf = (rule: Optimizer, device: Device) => compile(rule.update<Weights>, device);
/** Steps of rules that laws take case by case: tracing and planning one takes most of the time. */
const known = new WeakMap<Optimizer, Map<Device, ReturnType<typeof stepOf>>>();
const step = (rule: Optimizer, device: Device): ReturnType<typeof stepOf> => {
  const here = known.get(rule) ?? new Map<Device, ReturnType<typeof stepOf>>();
  known.set(rule, here);
  const taken = here.get(device) ?? stepOf(rule, device);
  here.set(device, taken);
  return taken;
};

/** The state after each step from w = 0, and what it keeps. */
const walked = async (
  rule: Optimizer,
  grads: readonly Tensor[],
  device: Device,
  tau: Tensor = grads[0],
): Promise<{ weights: number[][]; slots: Record<string, number[]> }> => {
  const shape = grads[0].shape;
  const size = shape.reduce((a, b) => a * b, 1);
  let state: OptimizerState<Weights> = evaluate(rule.init({ w: tensor(new Float32Array(size), shape) }), device);
  const fixed = rule.usesTau ? { tau: evaluate(rule.prepare({ w: tau }, state.key), device) } : {};
  const weights: number[][] = [];
  for (const grad of grads) {
    const given = evaluate({ w: grad }, device);
    const next = step(rule, device)(state, given, { lr: 0.125, ...fixed });
    dispose(state, given);
    state = next;
    weights.push(Array.from(await read(state.params.w)));
  }
  const slots: Record<string, number[]> = {};
  for (const [name, { w }] of Object.entries(state.slots)) slots[name] = Array.from(await read(w));
  dispose(state, fixed);
  return { weights, slots };
};

const descent = optimizer(sgd());
const descentHeld = optimizer(lowRank(sgd(), { rank: 1, every: 1 }));
const moves = optimizer(adam());
const movesWhole = optimizer(lowRank(adam(), { rank: ROWS }));

law(
  "low rank: plain descent on gradients of rank 1 loses nothing, whichever side is longer; r of a whole side is the rule, bit for bit",
  fc.tuple(sized(ROWS), sized(COLUMNS), fc.boolean()),
  async ([a, b, tall], device) => {
    const grad = matrix(
      a.flatMap((x) => b.map((y) => x * y)),
      tall,
    );
    const plain = await walked(descent, [grad, grad], device);
    const held = await walked(descentHeld, [grad, grad], device);
    assertClose(held.weights[1], plain.weights[1], { abs: 2e-5 });
    const moving = await walked(moves, [grad, grad], device);
    const whole = await walked(movesWhole, [grad, grad], device);
    assert.deepEqual(whole.weights, moving.weights);
  },
  some,
);

const twoOfThree = optimizer(lowRank(adam(), { rank: 2, every: 2 }));

law(
  "low rank: a change lies in the span of the basis, which stays until T steps are done; slots are r × n",
  fc.tuple(fc.array(sized(ROWS * COLUMNS), { minLength: 2, maxLength: 2 }), fc.boolean()),
  async ([grads, tall], device) => {
    const given = grads.map((g) =>
      matrix(
        g.map((x, i) => x || (i % 5) - 2.5),
        tall,
      ),
    );
    const [one, two] = [await walked(twoOfThree, given.slice(0, 1), device), await walked(twoOfThree, given, device)];
    assert.deepEqual(
      [one.slots.m.length, one.slots.v.length, one.slots.basis.length],
      [2 * COLUMNS, 2 * COLUMNS, 2 * ROWS],
    );
    assert.deepEqual(two.slots.basis, one.slots.basis);
    const P = tensor(one.slots.basis, [ROWS, 2]);
    const change = tensor(two.weights[1], tall ? [COLUMNS, ROWS] : [ROWS, COLUMNS]);
    const across = tall ? transpose(change) : change;
    const beside = sub(across, matmul(P, matmul(transpose(P), across)));
    assertClose(await numbers(beside, device), Array(ROWS * COLUMNS).fill(0), { abs: 1e-4 });
  },
  some,
);

const held = { rank: 2, every: 2 };
const drifting = [onDare, onMagnitude].map((merge) => merge({ alpha: 1, lowRank: held }));
const still = [onDare, onTies].map((merge) => merge({ alpha: 0, lowRank: held }));
const alone = optimizer(lowRank(adam({ form: "paper" }), held));
const largest = onMagnitude({ alpha: 1, reserveP: 0.25, lowRank: held });

law(
  "low rank: a merge goes inside. Dense, at α = 1, it is τ's part in the basis; at α = 0 the base rule there",
  fc.tuple(sized(ROWS * COLUMNS), sized(ROWS * COLUMNS)),
  async ([g, t], device) => {
    const [grad, tau] = [
      matrix(
        g.map((x, i) => x || (i % 5) - 2.5),
        false,
      ),
      matrix(t, false),
    ];
    for (const rule of drifting) {
      const all = await walked(rule, [grad], device, tau);
      const P = tensor(all.slots.basis, [ROWS, 2]);
      assertNear(all.weights[0], await numbers(matmul(P, matmul(transpose(P), tau)), device), device, "α = 1");
    }
    const base = await walked(alone, [grad, grad], device);
    for (const rule of still) {
      const none = await walked(rule, [grad, grad], device, tau);
      assertNear(none.weights[1], base.weights[1], device, "α = 0");
    }
    // Largest elements are counted inside: of 2 × 4, floor(8/4) = 2.
    const few = await walked(largest, [grad], device, tau);
    const P = tensor(few.slots.basis, [ROWS, 2]);
    const kept = await numbers(matmul(transpose(P), tensor(few.weights[0], [ROWS, COLUMNS])), device);
    assert.ok(kept.filter((x) => Math.abs(x) > 1e-4).length <= 2, String(kept));
  },
  some,
);

check(
  "low rank: the basis is orthonormal and keeps nearly all that r directions can; of nothing it is nothing",
  async (device) => {
    // U diag(s) Vᵀ by reflections, with singular values that halve.
    const n = 8;
    const house = (seed: number) => {
      const v = Array.from({ length: n }, (_, i) => Math.sin(seed * (i + 1)));
      const norm = v.reduce((sum, x) => sum + x * x, 0);
      return (i: number, j: number) => (i === j ? 1 : 0) - (2 * v[i] * v[j]) / norm;
    };
    const [U, V] = [house(1), house(2)];
    const at = (i: number, j: number) =>
      Array.from({ length: n }, (_, k) => U(i, k) * 2 ** -k * V(j, k)).reduce((a, b) => a + b);
    const g = tensor(
      Array.from({ length: n * n }, (_, i) => at(Math.floor(i / n), i % n)),
      [n, n],
    );
    for (const r of [1, 3]) {
      const P = leading(g, tensor(new Float32Array(n * r), [n, r]));
      assertClose(
        await numbers(matmul(transpose(P), P), device),
        Array.from({ length: r * r }, (_, i) => (i % (r + 1) === 0 ? 1 : 0)),
        { abs: 1e-3 },
      );
      const energy = (xs: readonly number[]) => xs.reduce((sum, x) => sum + x * x, 0);
      const most = Array.from({ length: r }, (_, k) => 4 ** -k).reduce((a, b) => a + b);
      assert.ok(energy(await numbers(matmul(transpose(P), g), device)) > 0.98 * most);
    }
    // A new basis after T steps, and not before.
    const [first, other] = [matrix([1, ...Array(11).fill(0)], false), matrix([...Array(11).fill(0), 1], false)];
    const rule = optimizer(lowRank(sgd(), { rank: 1, every: 2 }));
    const after = async (steps: number) =>
      (await walked(rule, [first, other, other].slice(0, steps), device)).slots.basis;
    assertClose((await after(2)).map(Math.abs), [1, 0, 0], { abs: 1e-5 });
    assertClose((await after(3)).map(Math.abs), [0, 0, 1], { abs: 1e-5 });
    const none = leading(tensor(new Float32Array(12), [3, 4]), tensor(new Float32Array(6), [3, 2]));
    assertClose(await numbers(none, device), Array(6).fill(0), { abs: 1e-6 });
  },
);

check("low rank: what outlives a basis, or is of whole matrices, is refused", async () => {
  const at = { rank: 2, every: 3 };
  assert.throws(() => onDare({ onlineStep: 2, lowRank: at }), /every is 3, and onDare merges every 2 steps/);
  assert.doesNotThrow(() => onDare({ onlineStep: 3, lowRank: at }));
  assert.throws(() => lowRank(scheduleFree(), at), /hands out an average/);
  assert.throws(() => lowRank(childTuningD(adam()), at), /masks.gradient/);
  assert.throws(() => lowRank(adam(), { rank: 0 }), InputError);
  assert.throws(() => lowRank(adam(), { rank: 1, every: 0 }), /every is 0/);
  assert.equal(adamW({}).usesTau, false);
}, ["reference"]);
