/** Laws of checkpoint: memory falls as stated, and not a bit of the gradients changes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as t from "../../../core/index.js";
import { placeholder } from "../../../core/ops/leaf.js";
import { memoryOf, plan } from "../../../kernels/plan/plan.js";
import type { ModelConfig } from "../../../models/config.js";
import { hiddenStates } from "../../../models/index.js";
import { initParams } from "../../../models/init.js";
import { integers } from "../../generators/generators.js";
import { tinyConfig } from "../../generators/tiny-models.js";
import { check } from "../../law.js";
import { fusedNames } from "./interpret-plan.js";

type Params = ReturnType<typeof initParams>;

/** Value and gradients of a loss over all layers. */
const slopes = (config: ModelConfig, params: Params, ids: t.Tensor, checkpoint: boolean): t.Tensor[] => {
  const [loss, grads] = t.valueAndGrad((p: Params) => t.sum(t.square(hiddenStates(p, config, ids, { checkpoint }))))(
    params,
  );
  return [loss, ...t.leaves(grads)];
};

const [B, T] = [4, 64];

for (const [kernels, fused] of [
  ["all fused kernels", new Set(fusedNames)],
  ["no fused kernel", new Set<string>()],
] as const)
  test(`a checkpointed model of 24 layers keeps at most a quarter of the intermediate values (${kernels})`, () => {
    const config = tinyConfig({ num_hidden_layers: 24, hidden_size: 64, head_dim: 16, intermediate_size: 176 });
    const params = t.treeMap((w) => placeholder(w.shape, w.dtype), initParams(config, t.key(0)));
    const ids = placeholder([B, T], "i32");
    const inputs = [...t.leaves(params), ids];
    const peak = (checkpoint: boolean) => {
      const graph = { inputs, outputs: slopes(config, params, ids, checkpoint) };
      return memoryOf(plan(graph, { fused, maxBuffers: 48, inPlace: true, batches: true })).temporaries;
    };
    const [kept, again] = [peak(false), peak(true)];
    assert.ok(kept >= 4 * again, `${kept} bytes without, ${again} with checkpoint`);
  });

check("a checkpointed model has the same gradients, bit for bit", async (device) => {
  const config = tinyConfig({ num_hidden_layers: 3, tie_word_embeddings: true });
  const params = t.evaluate(initParams(config, t.key(1)), device);
  const ids = integers([2, 7], 3, 0, config.vocabSize - 1);
  const bits: t.HostData[][] = [];
  for (const checkpoint of [false, true]) {
    const out = t.evaluate(slopes(config, params, ids, checkpoint), device);
    bits.push(await Promise.all(out.map(t.read)));
    t.dispose(out);
  }
  assert.deepEqual(bits[1], bits[0]);
  assert.ok(bits[0].slice(1).every((slope) => slope.some((x) => x !== 0)));
  t.dispose(params);
});
