/**
 * Resident memory over 10 000 training steps of a small transformer: how much more it is after the last thousand than after
 * the first, in percent (medians, so that the garbage collector's turn does not decide). Nothing is collected by force.
 * On cpu: a software adapter would take minutes.
 */
import assert from "node:assert/strict";
import { completionObjective } from "../../align/index.js";
import { compileApply, compileGradients, type TrainState } from "../../align/training/step.js";
import { evaluate, iota, key, read, scalar, tensor, zeros } from "../../core/index.js";
import { initParams, parseConfig } from "../../models/index.js";
import { adamW } from "../../optim/index.js";
import { benchDevice } from "../device.js";
import { median, report } from "../report.js";

const [B, T, V] = [2, 8, 32];
const [STEPS, WARM, WINDOW] = [10_000, 1000, 200];

const config = parseConfig({
  model_type: "qwen2",
  hidden_size: 16,
  num_hidden_layers: 4,
  num_attention_heads: 2,
  intermediate_size: 32,
  vocab_size: V,
  tie_word_embeddings: true,
  max_position_embeddings: T,
});

const objective = completionObjective(config, { tokenMetrics: false });
const device = await benchDevice();
const optimizer = adamW();
const gradients = compileGradients(objective, device);
const apply = compileApply(objective, { optimizer }, 1, device);
let state: TrainState = evaluate(
  { optimizer: optimizer.init(initParams(config, key(0))), log: zeros([objective.width + 2]) },
  device,
);
const targets = evaluate(iota([B * T]), device); // the last of all predicts nothing, and counts as if it predicted 0
const resident: number[] = [];
const live: number[] = [];
for (let i = 0; i < STEPS; i++) {
  // Another batch at every step: what is uploaded must be freed again.
  const ids = tensor(
    Int32Array.from({ length: B * T }, (_, at) => (i + at * 7) % V),
    [B, T],
  );
  const summed = gradients(state.optimizer.params, { ids, targets }, { scale: scalar(1 / (B * T)) }, {});
  state = await apply(state, summed, 1e-3, {});
  if (i % 10 === 9) await read(state.log);
  resident.push(process.memoryUsage.rss());
  live.push(device.stats().liveBytes);
}
assert.equal(live[STEPS - 1], live[WARM - 1], "the device holds as many bytes as after the first thousand steps");
const [early, late] = [WARM, STEPS].map((end) => median(resident.slice(end - WINDOW, end)));
const growth = 100 * (late / early - 1);
console.log(`${device.description}: ${(early / 2 ** 20).toFixed(1)} MiB, then ${(late / 2 ** 20).toFixed(1)} MiB`);
assert.ok(growth < 5, `resident memory grows by ${growth.toFixed(1)} % between step ${WARM} and ${STEPS}`);
report(device.name, "memory_growth_percent", growth);
await device.close();
