/** Laws of checkpoint: memory falls as stated, and not a bit of the gradients changes. */
import assert from "node:assert/strict";
import { test } from "node:test";

import * as t from "../../../core/index.js";
import { placeholder } from "../../../core/ops/leaf.js";
import { memoryOf, plan } from "../../../kernels/plan/plan.js";
import type { Abilities } from "../../../kernels/plan/steps.js";
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

/** Narrow kernels, and wide ones that finish a product before it is written; with every fused kernel, and with none. */
const abilities = [[...fusedNames], []].flatMap((names) =>
  [false, true].map((epilogue): Abilities => {
    const fused = new Set(names);
    return { fused, maxBuffers: 16, inPlace: true, batches: !epilogue, epilogue };
  }),
);
const named = ({ fused, epilogue }: Abilities) =>
  `${fused.size > 0 ? "all fused kernels" : "no fused kernel"}, ${epilogue ? "wide" : "narrow"}`;

for (const able of abilities)
  test(`the gates of GELU keep no more for the backward pass than silu's (${named(able)})`, () => {
    const peak = (hidden_act: string): number => {
      const config = tinyConfig({ hidden_act, num_hidden_layers: 6, intermediate_size: 400 });
      const params = t.treeMap((w) => placeholder(w.shape, w.dtype), initParams(config, t.key(0)));
      const ids = placeholder([B, T], "i32");
      const graph = { inputs: [...t.leaves(params), ids], outputs: slopes(config, params, ids, false), donated: [] };
      return memoryOf(plan(graph, able)).temporaries;
    };
    const [silu, ...others] = ["silu", "gelu", "gelu_pytorch_tanh"].map(peak);
    for (const other of others) assert.ok(other <= 1.05 * silu, `${other} bytes, ${silu} of silu`);
  });

for (const able of abilities)
  for (const accumulated of [false, true])
    test(`a checkpointed model of 24 layers keeps at most a quarter of the intermediate values (${named(able)}${
      accumulated ? ", accumulated" : ""
    })`, () => {
      const config = tinyConfig({ num_hidden_layers: 24, hidden_size: 64, head_dim: 16, intermediate_size: 176 });
      const like = (w: t.Tensor) => placeholder(w.shape, w.dtype);
      const params = t.treeMap(like, initParams(config, t.key(0)));
      const ids = placeholder([B, T], "i32");
      const given = [...t.leaves(params), ids];
      const peak = (checkpoint: boolean) => {
        const outputs = slopes(config, params, ids, checkpoint);
        const carry = accumulated ? outputs.map(like) : [];
        const graph = {
          inputs: [...given, ...carry],
          outputs: outputs.map((x, i) => (accumulated ? t.add(carry[i], x) : x)),
          donated: carry.map((_, i) => given.length + i),
        };
        return memoryOf(plan(graph, able)).temporaries;
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
