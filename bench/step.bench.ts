/** The tiny transformer step: Qwen2 block, d=128, 4 layers, 4 heads, ffn 352, T=128, B=8 (2 on software adapters), V=256, AdamW; milliseconds. */
import assert from "node:assert/strict";
import { completionObjective } from "../align/index.js";
import { train } from "../align/training/train.js";
import { evaluate, key } from "../core/index.js";
import { initParams, parseConfig } from "../models/index.js";
import { adamW } from "../optim/index.js";
import { benchDevice, isSoftware } from "./device.js";
import { median, report } from "./report.js";

const device = await benchDevice();
const [B, T, V] = [isSoftware(device) ? 2 : 8, 128, 256];
const NAME = B === 8 ? "tiny_qwen2" : `tiny_qwen2_b${B}`;
const STEPS = 12;

const config = parseConfig({
  model_type: "qwen2",
  hidden_size: 128,
  num_hidden_layers: 4,
  num_attention_heads: 4,
  intermediate_size: 352,
  vocab_size: V,
  tie_word_embeddings: true,
  rope_theta: 10000,
  max_position_embeddings: T,
});

/** The same rows at every step, so that a right step must lower the loss. */
const batches = function* () {
  const ids = Int32Array.from({ length: B * T }, (_, i) => (i * 7 + (i % 13) * 5) % V);
  for (;;) yield { ids, mask: new Float32Array(B * T).fill(1), rows: B, length: T };
};

const params = evaluate(initParams(config, key(0)), device);
const run = train(
  {
    objective: completionObjective(config, { tokenMetrics: false }),
    params,
    optimizer: adamW(),
    batches: batches(),
    steps: STEPS,
    learningRate: 1e-3,
  },
  device,
);
const losses: number[] = [];
const times: number[] = [];
for (let before = performance.now(); ; before = performance.now()) {
  const { value, done } = await run.next();
  if (done) break;
  times.push(performance.now() - before);
  losses.push(value.record?.loss ?? Number.NaN);
}
assert.ok(Math.abs(losses[0] - Math.log(V)) < 1, `an untrained model has loss ln V, not ${losses[0]}`);
assert.ok(losses[STEPS - 1] < losses[0] - 1, `the loss falls: ${losses}`);
console.log(device.description);
report(device.name, `${NAME}_step_ms`, median(times.slice(2)));
report(device.name, `${NAME}_first_call_ms`, times[0]);
await device.close();
