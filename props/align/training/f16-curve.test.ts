/** Preference training with products of f16 operands follows that of f32 ones: each loss within 1 %, of 20 steps, of 200 with TAUGRAD_REACH=10. */
import assert from "node:assert/strict";
import { rowsOfKind } from "../../../align/data/data.js";
import { batchesFrom, pairSource } from "../../../align/data/source.js";
import { tokenizePairs } from "../../../align/data/tokenize.js";
import { preferenceObjective } from "../../../align/objectives/objective.js";
import { lastOf, train } from "../../../align/training/train.js";
import { type Device, dispose } from "../../../core/index.js";
import type { ModelConfig } from "../../../models/config.js";
import { loadModel } from "../../../models/files/load.js";
import { loadTokenizer } from "../../../models/text/tokenizer.js";
import { adamW } from "../../../optim/index.js";
import { goldenRows } from "../../golden/rows.js";
import { goldenFolder } from "../../golden/stored.js";
import { check } from "../../law.js";
import { tries } from "../../reach.js";

const sft = await loadModel(goldenFolder("preferences", "sft"));
const tokenizer = await loadTokenizer(goldenFolder("preferences", "sft"));
const padId = tokenizer.padId as number;
const STEPS = tries(20);

const lossesOf = async (config: ModelConfig, device: Device): Promise<number[]> => {
  const rows = rowsOfKind(await goldenRows("preferences", "plain.jsonl"), "paired");
  const { pairs } = tokenizePairs(rows, tokenizer, { maxLength: 64, vocabSize: config.vocabSize });
  const losses: number[] = [];
  const run = train(
    {
      objective: preferenceObjective(config, { lossType: "sigmoid", tokenMetrics: false }),
      params: sft.params,
      optimizer: adamW(),
      batches: batchesFrom(pairSource(pairs, { batchSize: 8, padId, shuffle: false })),
      steps: STEPS,
      learningRate: 1e-4,
      reference: { ...sft, config },
    },
    device,
  );
  dispose(await lastOf(run, ({ record }) => losses.push(record?.loss ?? Number.NaN)));
  return losses;
};

check(
  `${STEPS} steps of DPO with f16 operands: each loss within 1 % of f32's, and not f32's`,
  async (device) => {
    const f32 = await lossesOf(sft.config, device);
    const f16 = await lossesOf({ ...sft.config, precision: "f16" }, device);
    assert.equal(f16.length, STEPS);
    assert.ok(f32[STEPS - 1] < 0.9 * f32[0], `it learns: ${f32}`);
    const off = f16.map((loss, i) => Math.abs(loss / f32[i] - 1));
    console.log(`f16 operands [${device.name}]: losses off by ${Math.max(...off).toExponential(1)} relative at most`);
    assert.ok(Math.max(...off) <= 1e-2, String(off));
    assert.ok(f16.some((loss, i) => loss !== f32[i]));
  },
  ["cpu"],
);
