/** What a model is made of before it has learned: rotary tables and fresh weights. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { dispose, evaluate, key, read } from "../../core/index.js";
import { initParams } from "../../models/init.js";
import { parameterShapes } from "../../models/parameters.js";
import type { RopeConfig } from "../../models/rope.js";
import { ropeTable } from "../../models/rope-table.js";
import { device as deviceNamed } from "../devices.js";
import { tinyConfig } from "../generators/tiny-models.js";

test("rotary tables hold cos and sin of position · frequency", () => {
  const config = tinyConfig({ head_dim: 6 });
  const { cosine, sine } = ropeTable(config.kinds[0].rope as RopeConfig, 7, 7);
  assert.deepEqual(cosine.shape, [7, 3]);
  const [c, s] = [cosine, sine].map((t) => t.attrs.data as Float64Array);
  for (let p = 0; p < 7; p++)
    for (let i = 0; i < 3; i++) {
      const angle = p * 100 ** ((-2 * i) / 6);
      assert.ok(Math.abs(c[p * 3 + i] - Math.cos(angle)) < 1e-14 && Math.abs(s[p * 3 + i] - Math.sin(angle)) < 1e-14);
    }
});

test("fresh weights: every expected name and shape, spread as the rule says, each by its own name", async () => {
  const device = await deviceNamed("reference");
  const config = tinyConfig({
    hidden_size: 48,
    intermediate_size: 96,
    head_dim: 12,
    vocab_size: 300,
    mlp_bias: true,
    num_hidden_layers: 3,
  });
  const params = evaluate(initParams(config, key(7)), device);
  assert.deepEqual(
    Object.fromEntries(Object.entries(params).map(([name, t]) => [name, t.shape])),
    Object.fromEntries(parameterShapes(config)),
  );
  const std = async (name: string) => {
    const data = await read(params[name]);
    return Math.sqrt((data as Float64Array).reduce((total, x) => total + x * x, 0) / data.length);
  };
  const expected: [string, number][] = [
    ["model.embed_tokens.weight", 0.05],
    ["lm_head.weight", 1 / Math.sqrt(48)],
    ["model.layers.1.self_attn.q_proj.weight", 1 / Math.sqrt(48)],
    ["model.layers.1.self_attn.o_proj.weight", 1 / Math.sqrt(48 * 6)],
    ["model.layers.2.mlp.down_proj.weight", 1 / Math.sqrt(96 * 6)],
    ["model.layers.2.mlp.up_proj.bias", 0],
    ["model.layers.0.input_layernorm.weight", 1],
    ["model.norm.weight", 1],
  ];
  for (const [name, value] of expected)
    assert.ok(Math.abs((await std(name)) - value) <= 0.06 * value, `${name}: ${await std(name)}`);
  const shallow = evaluate(initParams({ ...config, layers: 1 }, key(7)), device);
  const same = "model.layers.0.self_attn.k_proj.weight";
  assert.deepEqual(await read(shallow[same]), await read(params[same]));
  assert.notDeepEqual(await read(params[same]), await read(params[same.replace("0", "1")]));
  dispose(params, shallow);
});
