import assert from "node:assert/strict";
import { targetPositions } from "../../../align/data/batch.js";
import type { Objective } from "../../../align/objectives/objective.js";
import { type Device, disposable, evaluate, type Tree, tensor } from "../../../core/index.js";
import { logits } from "../../../models/head.js";
import { hiddenStates } from "../../../models/transformer.js";
import { numbersOf } from "../../close.js";
import { hash } from "../../generators/generators.js";
import { tinyParams, trainedConfig } from "../../generators/tiny-training.js";

const V = trainedConfig.vocabSize;
export const [N, T] = [6, 5];

/** N sequences and their targets; token 0 is marked too, which must not count. */
export const block = (seed: number) => ({
  ids: Array.from({ length: N * T }, (_, i) => hash(seed, i) % V),
  mask: Array.from({ length: N * T }, (_, i) => (i % T === 0 ? 1 : hash(seed + 1, i) % 2)),
  reference: Array.from({ length: N }, (_, i) => -(hash(seed + 2, i) % 160) / 8),
});
export type Block = ReturnType<typeof block>;

export const tensors = ({ ids, mask, reference }: Block, examples: number) => ({
  ids: tensor(Int32Array.from(ids), [N, T]),
  targets: tensor(targetPositions({ mask: Float32Array.from(mask), rows: N, length: T })),
  reference: tensor(reference, [N]),
  examples: tensor(examples),
});

export const withParams = async <R>(
  device: Device,
  body: (params: ReturnType<typeof tinyParams>) => Promise<R>,
): Promise<R> => {
  const owned = disposable(tinyParams(3, device));
  try {
    return await body(owned);
  } finally {
    owned[Symbol.dispose]();
  }
};

export const valuesOf = async (tree: Tree, device: Device) =>
  (await numbersOf(evaluate(tree, device))).map((data) => Array.from(data));

/** Sums over each row's targets, by their definitions. */
export const rowsOf = async ({ ids, mask }: Block, params: ReturnType<typeof tinyParams>, device: Device) => {
  const input = tensor(Int32Array.from(ids), [N, T]);
  const [scores] = await valuesOf(logits(params, trainedConfig, hiddenStates(params, trainedConfig, input)), device);
  return Array.from({ length: N }, (_, row) => {
    const sums = { logp: 0, targets: 0, entropy: 0, correct: 0, logit: 0 };
    for (let t = 1; t < T; t++) {
      if (mask[row * T + t] === 0) continue;
      const at = (row * T + t - 1) * V;
      const s = scores.slice(at, at + V);
      const total = s.reduce((sum, x) => sum + Math.exp(x), 0);
      const target = s[ids[row * T + t]];
      sums.targets += 1;
      sums.logp += target - Math.log(total);
      sums.entropy -= s.reduce((sum, x) => sum + (Math.exp(x) / total) * Math.log(Math.exp(x) / total), 0);
      sums.correct += Number(target === Math.max(...s));
      sums.logit += s.reduce((sum, x) => sum + x, 0) / V;
    }
    return sums;
  });
};

export const total = (values: readonly number[]) => values.reduce((sum, x) => sum + x, 0);
export const over = (sum: number, count: number) => (count === 0 ? 0 : sum / count);

export const near = (got: number, want: number, device: Device, what: string) => {
  const limit = device.name === "reference" ? 1e-11 : 1e-5;
  assert.ok(Math.abs(got - want) <= limit * Math.max(1, Math.abs(want)), `${what}: ${got} for ${want}`);
};
export const nearAll = (
  got: Readonly<Record<string, number>>,
  want: Readonly<Record<string, number>>,
  device: Device,
) => {
  assert.deepEqual(Object.keys(got).sort(), Object.keys(want).sort());
  for (const [name, value] of Object.entries(want)) near(got[name], value, device, name);
};

export const reportOf = async (
  objective: Objective,
  params: ReturnType<typeof tinyParams>,
  batch: Block,
  examples: number,
  device: Device,
) => {
  const [[loss], totals] = await valuesOf(objective.sums(params, tensors(batch, examples)) as Tree, device);
  assert.equal(totals.length, objective.width);
  return { sum: loss, totals, ...objective.report(totals) };
};
