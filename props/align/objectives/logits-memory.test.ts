/** What plans hold of logits: never more than a block of them, whatever trains, is evaluated, is scored or is generated. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ktoSource } from "../../../align/data/kto-source.js";
import type { BatchSource } from "../../../align/data/rows.js";
import { oneEpoch, pairSource, sequenceSource } from "../../../align/data/source.js";
import { ktoObjective } from "../../../align/objectives/kto.js";
import { PAIR_LOSS_TYPES } from "../../../align/objectives/losses.js";
import { completionObjective, type Objective, preferenceObjective } from "../../../align/objectives/objective.js";
import { evaluateOn } from "../../../align/training/evaluate.js";
import { trainingOptimizer } from "../../../align/training/optimizer.js";
import { askReference } from "../../../align/training/reference.js";
import { lastOf, train } from "../../../align/training/train.js";
import {
  byteLength,
  type Device,
  mul,
  type Planner,
  sizeOf,
  sum,
  type Tensor,
  tensor,
  valueAndGrad,
} from "../../../core/index.js";
import { placeholder } from "../../../core/ops/leaf.js";
import { largestOf, memoryOf, plan } from "../../../kernels/plan/plan.js";
import type { Abilities, Plan } from "../../../kernels/plan/steps.js";
import { generator } from "../../../models/generation/generate.js";
import { rowsTogether, targetScores } from "../../../models/head.js";
import { type Params, parameterShapes } from "../../../models/parameters.js";
import { planningDevice } from "../../../run/dry-run/planning-device.js";
import { tinyConfig } from "../../generators/tiny-models.js";
import { fusedNames } from "../../kernels/plan/interpret-plan.js";

const V = 60_013;
const config = tinyConfig({ vocab_size: V, hidden_size: 8, head_dim: 2 });
const R = rowsTogether(V);
const params: Params = Object.fromEntries(
  [...parameterShapes(config)].map(([name, shape]) => [name, tensor(new Float32Array(sizeOf(shape)), shape)]),
);
const model = { config, params };

const narrow: Abilities = { fused: new Set(fusedNames), maxBuffers: 16, inPlace: true, batches: true };
const wide: Abilities = { ...narrow, batches: false, epilogue: true };

/** A device that plans and never runs, with all that it planned. */
const rehearsing = (abilities: Abilities): { readonly device: Device; readonly plans: Plan[] } => {
  const plans: Plan[] = [];
  const planner: Planner = {
    name: "webgpu",
    description: "plans",
    plan: (graph) => {
      const made = plan(graph, abilities);
      plans.push(made);
      return { memory: memoryOf(made), launches: made.steps.length, largest: largestOf(made) };
    },
  };
  return { device: planningDevice(planner), plans };
};

const rows = (count: number, length: number) =>
  Array.from({ length: count }, (_, i) => ({
    ids: Array.from({ length }, (_, t) => (7 * t + i) % V),
    completionStart: 3,
    label: i % 2 === 0,
  }));
const [B, T] = [4, 128];
const sequences = rows(2 * B, T);
const pairs = rows(B, T).map((chosen) => ({ chosen, rejected: chosen }));
const cut = { batchSize: B, padId: 0, shuffle: false };

/** More rows meet the output matrix than a block has, and no buffer holds logits for more than a block. */
const assertBlocks = (plans: readonly Plan[], scored = true) => {
  assert.ok(plans.length > 0);
  let most = 0;
  for (const { buffers } of plans)
    for (const { bytes, of } of buffers) {
      assert.ok(bytes <= 4 * R * V, `${of} is larger than a block of ${R} × ${V}`);
      if (of.includes(`${R},${V}`)) most = Math.max(most, bytes);
    }
  assert.equal(most, scored ? 4 * R * V : 0);
};

const trained = async (objective: Objective, source: BatchSource, abilities: Abilities) => {
  const { device, plans } = rehearsing(abilities);
  const batches = oneEpoch(source);
  const options = { objective, params, reference: model, optimizer: trainingOptimizer({}), batches };
  await lastOf(train({ ...options, steps: 1, learningRate: 1e-3 }, device));
  assertBlocks(plans);
  const evaluated = rehearsing(abilities);
  await evaluateOn({ objective, params, batches, reference: model }, evaluated.device);
  assertBlocks(evaluated.plans);
};

for (const [kind, abilities] of Object.entries({ narrow, wide })) {
  test(`training and evaluation hold no more than a block of logits: sft (${kind})`, () =>
    trained(completionObjective(config), sequenceSource(sequences, { ...cut, batchSize: 2 * B }), abilities));
  test(`training and evaluation hold no more than a block of logits: kto (${kind})`, () =>
    trained(ktoObjective(config), ktoSource(sequences, cut), abilities));
  test(`training and evaluation hold no more than a block of logits: every paired loss (${kind})`, async () => {
    for (const lossType of PAIR_LOSS_TYPES)
      await trained(
        preferenceObjective(config, { lossType, labelSmoothing: lossType === "exo_pair" ? 0.1 : 0 }),
        pairSource(pairs, cut),
        abilities,
      );
  });
}

test("reference passes hold no more than a block of logits, generation those of the last token", async () => {
  const asked = rehearsing(wide);
  await askReference(model, pairSource(pairs, cut), asked.device);
  assertBlocks(asked.plans);
  const generating = rehearsing(wide);
  await generator(config, generating.device)(
    params,
    sequences.slice(0, B).map(({ ids }) => ids),
    { maxNewTokens: 3, greedy: true, eosIds: [] },
  );
  assert.equal(generating.plans.length, 4); // of a prompt: the embedding, a layer, the head; of a step: one
  assertBlocks(generating.plans, false);
  for (const { buffers } of generating.plans)
    for (const { bytes, dtype, of } of buffers) if (of.includes(`,${V}`)) assert.equal(bytes, byteLength(dtype, B * V));
});

/** Bytes of temporaries of the gradient of M rows' log-probabilities. */
const temporaries = (M: number, D: number, V: number, abilities: Abilities): number => {
  const [hidden, W, target] = [placeholder([M, D], "f32"), placeholder([V, D], "f32"), placeholder([M], "i32")];
  const ct = placeholder([M, 1], "f32");
  const loss = (x: { hidden: Tensor; W: Tensor }) => sum(mul(ct, targetScores(x.hidden, x.W, target)));
  const [, grads] = valueAndGrad(loss)({ hidden, W });
  const graph = { inputs: [hidden, W, target, ct], outputs: [grads.hidden, grads.W] };
  return memoryOf(plan(graph, abilities)).temporaries;
};

for (const [kind, abilities] of Object.entries({ narrow, wide }))
  test(`memory is two blocks of logits and two gradients of the output matrix, however many rows (${kind})`, () => {
    const [D, V] = [64, 151_936];
    const M = 20 * rowsTogether(V);
    const most = 2 * 4 * (rowsTogether(V) * V + V * D + M * (D + 2));
    const found = temporaries(M, D, V, abilities);
    assert.ok(found <= most, `${found} bytes for twenty blocks, which should take ${most}`);
  });
