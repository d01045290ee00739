/** Laws of Muon, Adafactor and Schedule-Free as rules of their own. That they merge, resume and train: the table's laws. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Device, dispose, evaluate, InputError, read, scalar, type Tensor, tensor } from "../../core/index.js";
import { adafactor, adam, muon, optimizer, type Rule, scheduleFree, shadow } from "../../optim/index.js";
import { assertNear, path, runs } from "../../testing/runs.js";
import { check, law } from "../law.js";

const some = { effort: 0.2 };

/** The weights of a matrix after each step. */
const matrixPath = async (
  rule: Rule,
  start: Tensor,
  grads: readonly Tensor[],
  lr: number,
  device: Device,
): Promise<number[][]> => {
  const lifted = optimizer(rule);
  let state = evaluate(lifted.init({ w: start }), device);
  const weights: number[][] = [];
  for (const grad of grads) {
    const next = evaluate(lifted.update<{ w: Tensor }>(state, { w: grad }, { lr: scalar(lr) }), device);
    dispose(state);
    state = next;
    weights.push(Array.from(await read(state.params.w)));
  }
  dispose(state);
  return weights;
};

/** Five steps of the quintic on one singular value. */
const quintic = (x: number): number => {
  for (let i = 0; i < 5; i++) x = 3.4445 * x - 4.775 * x ** 3 + 2.0315 * x ** 5;
  return x;
};

law(
  "muon: singular values go through the quintic and singular vectors stay, whichever side is longer",
  fc.tuple(
    fc.uniqueArray(fc.integer({ min: 1, max: 9 }), { minLength: 2, maxLength: 2 }),
    fc.integer({ min: 0, max: 7 }),
    fc.integer({ min: 0, max: 7 }),
    fc.boolean(),
  ),
  async ([values, a, b, tall], device) => {
    // U diag(s) Vᵀ with rotations U [2, 2], and V [3, 2] by the first two axes of a rotated space.
    const [ca, sa, cb, sb] = [Math.cos(a), Math.sin(a), Math.cos(b), Math.sin(b)];
    const of = ([s, t]: readonly number[]): number[] => [
      ...[ca * s * cb + sa * t * sb, ca * s * sb - sa * t * cb, 0],
      ...[sa * s * cb - ca * t * sb, sa * s * sb + ca * t * cb, 0],
    ];
    const turned = (x: readonly number[]) => (tall ? [0, 3, 1, 4, 2, 5].map((i) => x[i]) : x);
    const norm = Math.hypot(...values);
    const shape = tall ? [3, 2] : [2, 3];
    const grad = tensor([...turned(of(values))], shape);
    const [after] = await matrixPath(muon(), tensor([0, 0, 0, 0, 0, 0], shape), [grad], 0.5, device);
    const want = turned(of(values.map((s) => -0.5 * 0.2 * Math.sqrt(3) * quintic(s / norm))));
    // ε of the norm is 1e-7, and the first gradient is taken at a twentieth: 1 − 0.95².
    const slack = 1e-4;
    assert.ok(
      after.every((x, i) => Math.abs(x - want[i]) < slack),
      `${after} for ${want}`,
    );
  },
  some,
);

law(
  "muon: a vector moves by its direction, about 0.2 lr a weight; nothing pulled, nothing moves",
  runs(2),
  async ({ start, grads: [grad] }, device) => {
    const { end } = await path(optimizer(muon({ nesterov: false })), { start, grads: [grad], lr: 0.5 }, device);
    const norm = Math.hypot(...grad);
    const size = 0.5 * 0.2 * Math.sqrt(grad.length) * quintic(1);
    const off = end.map((x, i) => Math.abs(x - start[i] + (size * grad[i]) / norm));
    assert.ok(Math.max(...off) < 1e-4, String(off));
    const still = await path(optimizer(muon()), { start, grads: [grad.map(() => 0)], lr: 0.5 }, device);
    assert.deepEqual(still.end, start);
  },
  some,
);

check("adafactor: matrices and vectors step as transformers' Adafactor", async (device) => {
  // transformers 5.18, float64: Adafactor([w, b], lr=0.01, scale_parameter=False, relative_step=False, warmup_init=False)
  const grads = [
    [1, 2, -3, 0.5, -0.25, 4],
    [-1, 0.5, 0.25, 2, 1, -0.5],
    [100, 0, 1, 0, -1, 2],
  ];
  const want = [
    [0.4870872273492726, -1.0143254350463404, 2.008662151227508, 1.494018731966715, 0.2516589052758694, -0.7606996175312571],
    [0.4956290564675763, -1.0193624568676105, 2.0074644603829137, 1.4799927030027649, 0.24338791167734442, -0.7587329607129719],
    [0.4939906175717141, -1.0193624568676105, 2.007100168129117, 1.4799927030027649, 0.2612165154258715, -0.7754459406242971],
  ]; // biome-ignore format: a step a line
  const start = tensor([0.5, -1, 2, 1.5, 0.25, -0.75], [2, 3]);
  const got = await matrixPath(adafactor(), start, grads.map((g) => tensor(g, [2, 3])), 0.01, device); // biome-ignore format: one line
  for (const [t, w] of want.entries()) assertNear(got[t], w, device, `step ${t}`);
  const vector = { start: [1, -2, 0.5], grads: [[0.1, -3, 0], [1, 1, -2], [0, 5, 0.5]], lr: 0.01 }; // biome-ignore format: one line
  const { end } = await path(optimizer(adafactor()), vector, device);
  assertNear(end, [0.9781565040043531, -2.008182743341396, 0.5077310527691358], device);
});

test("adafactor keeps the means of rows and columns alone", () => {
  const { slots } = optimizer(adafactor()).init({ w: tensor(new Array(24).fill(0), [2, 3, 4]) });
  assert.deepEqual([slots.rows.w.shape, slots.columns.w.shape], [[2, 3], [2, 4]]); // biome-ignore format: one line
});

law(
  "schedule-free: y, z and x of the equations; the average is handed out",
  fc.tuple(runs(), fc.constantFrom(0.5, 0.75, 0.9)),
  async ([run, beta1], device) => {
    const [beta2, lr, eps] = [0.5, 0.125, 1e-3];
    const { weights, reported } = await path(
      optimizer(scheduleFree({ betas: [beta1, beta2], eps })),
      { ...run, lr },
      device,
    );
    let [z, x, v] = [[...run.start], [...run.start], run.start.map(() => 0)];
    for (const [t, g] of run.grads.entries()) {
      v = v.map((s, i) => beta2 * s + (1 - beta2) * g[i] ** 2);
      z = z.map((s, i) => s - (lr * g[i]) / (Math.sqrt(v[i] / (1 - beta2 ** (t + 1))) + eps));
      x = x.map((s, i) => s + (z[i] - s) / (t + 1));
      assertNear(weights[t], x.map((s, i) => (1 - beta1) * z[i] + beta1 * s), device, `step ${t}`); // biome-ignore format: one line
    }
    assertNear(reported as number[], x, device);
  },
  some,
);

check(
  "schedule-free: steps of a warm-up weigh by the square of the largest rate so far; a rate of 0 moves nothing",
  async (device) => {
    const rule = optimizer(scheduleFree({ betas: [0.5, 0.5], eps: 0 }));
    let state = evaluate(rule.init({ w: tensor([0], [1]) }), device);
    for (const lr of [0, 1, 2]) {
      const next = evaluate(rule.update<{ w: Tensor }>(state, { w: tensor([1], [1]) }, { lr }), device);
      dispose(state);
      state = next;
    }
    // z: 0, −1, −3; x: 0, −1, then −1 + 4/5·(−2).
    const x = evaluate((rule.report as NonNullable<typeof rule.report>)(state), device);
    assertNear(Array.from(await read(x.w)), [-2.6], device);
    dispose(state, x);
  },
);

test("what these rules cannot do is refused by name", () => {
  for (const [pattern, make] of [
    [/muon: momentum is 1; it must lie in \[0, 1\)/, () => muon({ momentum: 1 })],
    [/muon: steps is 0; it must be an integer ≥ 1/, () => muon({ steps: 0 })],
    [/adafactor: decay is 2; it must lie in \[0, 1\]/, () => adafactor({ decay: 2 })],
    [/adafactor: clip is -1/, () => adafactor({ clip: -1 })],
    [/scheduleFree: β1 is 0; it must lie in \(0, 1\)/, () => scheduleFree({ betas: [0, 0.9] })],
    [/shadow: schedule-free adamW hands out an average of its own/, () => shadow(scheduleFree(), 0.1)],
  ] as const)
    assert.throws(make, (error) => error instanceof InputError && pattern.test(error.message));
  assert.doesNotThrow(() => shadow(adam(), 0.1));
});
