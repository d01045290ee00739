/** Schedules, clipping, decay groups: what surrounds a rule. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { InputError, tensor } from "../../core/index.js";
import {
  adamW,
  clipByGlobalNorm,
  exceptNormsAndBiases,
  globalNorm,
  SCHEDULES,
  type ScheduleName,
  type ScheduleOptions,
  schedule,
} from "../../optim/index.js";
import { numbers, vectors } from "../../testing/runs.js";
import { check, law } from "../law.js";

type ShapeOptions = NonNullable<ScheduleOptions["kwargs"]>;

test("schedules: Hugging Face's values for 10 steps, 4 of them warm-up", () => {
  const at = (name: ScheduleName, minRatio?: number) => {
    const factor = schedule({ name, warmupSteps: 4, totalSteps: 10, minRatio });
    return Array.from({ length: 11 }, (_, step) => Number(factor(step).toFixed(6)));
  };
  const warm = [0, 0.25, 0.5, 0.75];
  assert.deepEqual(at("constant"), new Array(11).fill(1));
  assert.deepEqual(at("constant_with_warmup"), [...warm, 1, 1, 1, 1, 1, 1, 1]);
  assert.deepEqual(at("linear"), [...warm, 1, 0.833333, 0.666667, 0.5, 0.333333, 0.166667, 0]);
  assert.deepEqual(at("cosine"), [...warm, 1, 0.933013, 0.75, 0.5, 0.25, 0.066987, 0]);
  assert.deepEqual(at("cosine", 0.1), [...warm, 1, 0.939711, 0.775, 0.55, 0.325, 0.160289, 0.1]);
});

/** Options that a shape cannot do without. */
const NEEDED: Partial<Readonly<Record<ScheduleName, ShapeOptions>>> = {
  cosine_with_min_lr: { min_lr_rate: 0.1 },
  cosine_warmup_with_min_lr: { min_lr: 1e-4 },
  warmup_stable_decay: { num_decay_steps: 5 },
};

const plans = fc.record({
  name: fc.constantFrom(...SCHEDULES),
  warmupSteps: fc.nat(20),
  totalSteps: fc.nat(50),
  minRatio: fc.nat(8).map((n) => n / 8),
});

test("schedules: in [0, 1], rising in warm-up, falling after, at minRatio from the end on", () => {
  fc.assert(
    fc.property(plans, (plan) => {
      const { name, warmupSteps, totalSteps, minRatio } = plan;
      const factor = schedule({ ...plan, kwargs: NEEDED[name], learningRate: 1e-3 });
      for (let step = 0; step < 80; step++) {
        assert.ok(factor(step) >= 0 && factor(step) <= 1);
        if (name !== "constant" && step < warmupSteps - 1) assert.ok(factor(step) < factor(step + 1));
        else if (step !== warmupSteps - 1) assert.ok(factor(step) >= factor(step + 1) - 1e-15);
      }
      if (name === "linear" || name === "cosine")
        assert.ok(Math.abs(factor(Math.max(totalSteps, warmupSteps + 1)) - minRatio) < 1e-12);
      const stays = name !== "constant" && name !== "cosine_warmup_with_min_lr" && name !== "warmup_stable_decay";
      if (stays) assert.equal(factor(warmupSteps), 1);
    }),
  );
});

/** Every step's factor after warm-up, of one hundred steps, ten of them warm-up; rounded. */
const after = (name: ScheduleName, kwargs: ShapeOptions = {}): number[] => {
  const factor = schedule({ name, kwargs, warmupSteps: 10, totalSteps: 100, learningRate: 1e-2 });
  return Array.from({ length: 91 }, (_, i) => Number(factor(10 + i).toFixed(12)));
};

test("schedules: what kwargs mean, by laws between shapes", () => {
  const [cosine, linear] = [after("cosine"), after("linear")];
  const near = (found: readonly number[], expected: readonly number[]) =>
    found.forEach((x, i) => {
      assert.ok(Math.abs(x - expected[i]) < 1e-9, `${i}: ${x} for ${expected[i]}`);
    });
  near(after("cosine_with_restarts"), cosine);
  const twice = after("cosine_with_restarts", { num_cycles: 3 });
  near(
    [0, 5, 15, 29].map((i) => twice[i]),
    [0, 15, 45, 87].map((i) => cosine[i]),
  );
  near([twice[30], twice[60], twice[90]], [1, 1, 0]);
  near(
    after("cosine_with_min_lr", { min_lr_rate: 0.2 }),
    cosine.map((x) => 0.2 + 0.8 * x),
  );
  near(after("cosine_with_min_lr", { min_lr: 2e-3 }), after("cosine_with_min_lr", { min_lr_rate: 0.2 }));
  near(
    after("cosine_warmup_with_min_lr", { min_lr_rate: 0.2 }).slice(0, 90),
    cosine.slice(1).map((x) => 0.2 + 0.8 * x),
  );
  near(
    after("polynomial"),
    linear.map((x) => (x * (1e-2 - 1e-7) + 1e-7) / 1e-2),
  );
  near(
    after("polynomial", { power: 2, lr_end: 0 }),
    linear.map((x) => x * x),
  );
  near(after("inverse_sqrt").slice(30, 31), [0.5]);
  near(after("inverse_sqrt", { timescale: 30 }).slice(90), [0.5]);
  const decay = after("warmup_stable_decay", { num_decay_steps: 45, min_lr_ratio: 0.5, decay_type: "linear" });
  near(decay.slice(0, 46), new Array(46).fill(1));
  near([decay[54], decay[90]], [0.9, 0.5]);
  near(after("warmup_stable_decay", { num_decay_steps: 90 }), cosine);
  near([after("warmup_stable_decay", { num_decay_steps: 40, num_stable_steps: 50, decay_type: "1-sqrt" })[60]], [0.5]);
});

test("schedules: warm-up that does not begin at 0", () => {
  const rise = (name: ScheduleName, kwargs: ShapeOptions) => {
    const factor = schedule({ name, kwargs, warmupSteps: 5, totalSteps: 50 });
    return Array.from({ length: 5 }, (_, step) => Number(factor(step).toFixed(6)));
  };
  const cosine = { min_lr_rate: 0.1 };
  assert.deepEqual(rise("cosine_warmup_with_min_lr", cosine), [0.2, 0.4, 0.6, 0.8, 1]);
  assert.deepEqual(rise("cosine_warmup_with_min_lr", { ...cosine, warmup_lr_rate: 0.5 }), [0.5, 0.625, 0.75, 0.875, 1]);
  assert.deepEqual(rise("warmup_stable_decay", { num_decay_steps: 9, min_lr_ratio: 0.5 }), [0.5, 0.6, 0.7, 0.8, 0.9]);
  const root = rise("warmup_stable_decay", { num_decay_steps: 9, warmup_type: "1-sqrt" });
  assert.deepEqual(root, [0, 0.105573, 0.225403, 0.367544, 0.552786]);
});

test("schedules: kwargs that a shape has not, needs, or cannot go by are input errors", () => {
  const refuses = (
    name: ScheduleName,
    kwargs: ShapeOptions,
    message: RegExp,
    learningRate: number | undefined = 1e-3,
  ) => assert.throws(() => schedule({ name, kwargs, totalSteps: 9, learningRate }), { name: "InputError", message });
  refuses("linear", { num_cycles: 1 }, /linear has no num_cycles; it has none/);
  refuses("cosine", { cycles: 1 }, /cosine has no cycles; it has num_cycles/);
  refuses("cosine", { num_cycles: "a" }, /num_cycles is "a"; it must be a number/);
  refuses("cosine_with_min_lr", {}, /needs min_lr or min_lr_rate/);
  refuses("cosine_with_min_lr", { min_lr: 1, min_lr_rate: 1 }, /and not both/);
  refuses("cosine_with_min_lr", { min_lr: 1 }, /needs a learning rate above 0/, 0);
  refuses("polynomial", { lr_end: 1 }, /lr_end 1 must be below learning_rate 0.001/);
  refuses("warmup_stable_decay", {}, /needs num_decay_steps/);
  refuses(
    "warmup_stable_decay",
    { num_decay_steps: 2, decay_type: "x" },
    /decay_type is "x"; it must be one of linear/,
  );
});

test("schedules: wrong plans are input errors", () => {
  const plan = { name: "cosine", totalSteps: 10 } as const;
  assert.throws(() => schedule({ ...plan, name: "cosin" as "cosine" }), InputError);
  assert.throws(() => schedule({ ...plan, warmupSteps: -1 }), InputError);
  assert.throws(() => schedule({ ...plan, totalSteps: 1.5 }), InputError);
  assert.throws(() => schedule({ ...plan, minRatio: 1.1 }), InputError);
});

law(
  "clipping: g · min(1, max/(norm+1e-6)) over the whole tree, as torch",
  fc.tuple(vectors(5), vectors(3), fc.constantFrom(0.5, 1, 100)),
  async ([a, b, max], device) => {
    const grads = { a: tensor(a), b: [tensor(b, [3, 1])] };
    const { grads: clipped, norm } = clipByGlobalNorm(grads, max);
    const expected = Math.sqrt([...a, ...b].reduce((total, x) => total + x * x, 0));
    const close = (x: number, y: number) => assert.ok(Math.abs(x - y) <= 1e-6 * (1 + Math.abs(y)), `${x} for ${y}`);
    close((await numbers(norm, device))[0], expected);
    const coefficient = Math.min(1, max / (expected + 1e-6));
    for (const [i, x] of (await numbers(clipped.a, device)).entries()) close(x, a[i] * coefficient);
    for (const [i, x] of (await numbers(clipped.b[0], device)).entries()) close(x, b[i] * coefficient);
    if (max === 100) assert.deepEqual(await numbers(clipped.a, device), a, "within the bound nothing changes");
  },
  { effort: 0.4 },
);

check("clipping: the norm of an empty tree is 0, and max 0 stops everything", async (device) => {
  assert.deepEqual(await numbers(globalNorm({}), device), [0]);
  assert.deepEqual(await numbers(clipByGlobalNorm([tensor([3, 4])], 0).grads[0], device), [0, 0]);
});

test("decay groups: none for norms and biases, as Hugging Face's Trainer", () => {
  const decaying = ["model.embed_tokens.weight", "model.layers.0.self_attn.q_proj.weight", "lm_head.weight"];
  const spared = ["model.norm.weight", "model.layers.0.input_layernorm.weight", "model.layers.3.self_attn.q_proj.bias"];
  for (const name of [...spared, "layers.1.q_norm.weight", "norm"]) assert.ok(!exceptNormsAndBiases(name), name);
  for (const name of [...decaying, "enormous.weight"]) assert.ok(exceptNormsAndBiases(name), name);
});

check("decay: by name, lr·λ of the weights before the update", async (device) => {
  const rule = adamW({ weightDecay: 0.5, decays: exceptNormsAndBiases });
  const params = { "model.norm.weight": tensor([1]), "q_proj.weight": tensor([1]) };
  const still = { "model.norm.weight": tensor([0]), "q_proj.weight": tensor([0]) };
  const { params: after } = rule.update(rule.init(params), still, { lr: 0.25 });
  assert.deepEqual(await numbers(after["model.norm.weight"], device), [1]);
  assert.deepEqual(await numbers(after["q_proj.weight"], device), [0.875]);
});
