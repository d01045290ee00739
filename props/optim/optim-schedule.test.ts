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
  schedule,
} from "../../optim/index.js";
import { check, law } from "../law.js";
import { numbers, vectors } from "./optim-paths.js";

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

const plans = fc.record({
  name: fc.constantFrom(...SCHEDULES),
  warmupSteps: fc.nat(20),
  totalSteps: fc.nat(50),
  minRatio: fc.nat(8).map((n) => n / 8),
});

test("schedules: in [0, 1], rising in warm-up, falling after, at minRatio from the end on", () => {
  fc.assert(
    fc.property(plans, (plan) => {
      const factor = schedule(plan);
      const { name, warmupSteps, totalSteps, minRatio } = plan;
      for (let step = 0; step < 80; step++) {
        assert.ok(factor(step) >= 0 && factor(step) <= 1);
        if (name !== "constant" && step < warmupSteps) assert.ok(factor(step) < factor(step + 1));
        else assert.ok(factor(step) >= factor(step + 1));
      }
      if (name === "linear" || name === "cosine")
        assert.ok(Math.abs(factor(Math.max(totalSteps, warmupSteps + 1)) - minRatio) < 1e-12);
      if (name !== "constant") assert.equal(factor(warmupSteps), 1);
    }),
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
