import assert from "node:assert/strict";
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { dispose, evaluate, mul, read, tensor } from "../../core/index.js";
import { loadModel, type Model } from "../../models/files/load.js";
import type { HostTensor } from "../../models/files/safetensors.js";
import { saveModel } from "../../models/files/save.js";
import { openWeights } from "../../models/files/weights.js";
import { writeWeights } from "../../models/files/weights-write.js";
import { logits } from "../../models/head.js";
import { hiddenStates } from "../../models/transformer.js";
import { device as deviceNamed } from "../devices.js";
import { tinyConfig, tinyModel } from "../generators/tiny-models.js";
import { goldenPath } from "../golden/files.js";
import { refused } from "../golden/refused.js";

const folder = mkdtempSync(join(tmpdir(), "taugrad-load-"));
after(() => rmSync(folder, { recursive: true, force: true }));
let serial = 0;
const fresh = (): string => join(folder, `${serial++}`);

const names = ["qwen1.5-tiny", "qwen2-gqa-tied-tiny", "llama3-tiny"];

for (const name of names)
  test(`${name}: saved, it is the folder that was loaded, to the byte`, async () => {
    const device = await deviceNamed("reference");
    const target = fresh();
    const model = loadModel(goldenPath(name), device);
    await saveModel(target, model, { from: goldenPath(name) });
    dispose(model.params);
    const files = readdirSync(goldenPath(name)).filter(
      (file) => file.endsWith(".safetensors") && file.startsWith("model"),
    );
    assert.deepEqual(
      readdirSync(target)
        .filter((file) => file.endsWith(".safetensors"))
        .sort(),
      files.sort(),
    );
    const [before, now] = [openWeights(goldenPath(name)), openWeights(target)];
    assert.deepEqual(now.names, before.names);
    for (const weight of before.names) {
      assert.deepEqual(now.info(weight), before.info(weight));
      assert.deepEqual(now.read(weight), before.read(weight));
    }
    const json = (path: string) => JSON.parse(readFileSync(path, "utf8"));
    assert.deepEqual(json(join(target, "config.json")), json(join(goldenPath(name), "config.json")));
    assert.ok(existsSync(join(target, "generation_config.json")));
  });

/** A copy of a reference model whose weights `change` may edit. */
const variant = (name: string, change: (weights: Map<string, HostTensor>) => void): string => {
  const target = fresh();
  const source = openWeights(goldenPath(name));
  const weights = new Map(source.names.map((weight) => [weight, source.read(weight)]));
  change(weights);
  cpSync(join(goldenPath(name), "config.json"), join(target, "config.json"), { recursive: true });
  writeWeights(target, weights);
  return target;
};

test("a missing, a misshapen, an unknown tensor: one line that names it", () => {
  const q = "model.layers.1.self_attn.q_proj.weight";
  refused(
    () => loadModel(variant("llama3-tiny", (w) => w.delete(q))),
    /"model\.layers\.1\.self_attn\.q_proj\.weight" is missing.*\[64, 64\]/,
  );
  refused(() => loadModel(variant("llama3-tiny", (w) => w.delete("lm_head.weight"))), /"lm_head\.weight" is missing/);
  refused(
    () => loadModel(variant("llama3-tiny", (w) => w.set(q, { shape: [32, 128], data: new Float32Array(4096) }))),
    /q_proj\.weight" is \[32, 128\].*\[64, 64\]/,
  );
  const extra = variant("llama3-tiny", (w) =>
    w.set("model.layers.2.mlp.up_proj.weight", { shape: [1], data: new Float32Array(1) }),
  );
  refused(() => loadModel(extra), /"model\.layers\.2\.mlp\.up_proj\.weight" \[1\]: not part of a llama model/);
  refused(
    () => loadModel(variant("qwen1.5-tiny", (w) => w.delete("model.layers.0.self_attn.v_proj.bias"))),
    /v_proj\.bias" is missing/,
  );
});

test("rotary buffers of old checkpoints are passed over; a stored tied head must be the embedding", async () => {
  const old = variant("llama3-tiny", (w) =>
    w.set("model.layers.0.self_attn.rotary_emb.inv_freq", { shape: [8], data: new Float32Array(8) }),
  );
  assert.ok(!Object.keys(loadModel(old).params).some((name) => name.includes("rotary")));
  const tied = "qwen2-gqa-tied-tiny";
  const embedding = "model.embed_tokens.weight";
  const withHead = loadModel(variant(tied, (w) => w.set("lm_head.weight", w.get(embedding) as HostTensor)));
  assert.deepEqual(Object.keys(withHead.params).sort(), Object.keys(loadModel(goldenPath(tied)).params).sort());
  const target = fresh();
  await saveModel(target, withHead);
  assert.ok(!openWeights(target).has("lm_head.weight"));
  const other = variant(tied, (w) => {
    const { shape, data } = w.get(embedding) as HostTensor;
    w.set("lm_head.weight", { shape, data: data.map((x) => x + 1) });
  });
  refused(() => loadModel(other), /"lm_head\.weight" differs from the embedding/);
});

test("a folder that is half there loads not at all, with one line", () => {
  refused(() => loadModel(join(folder, "absent")), /no such folder/);
  const bare = variant("llama3-tiny", () => {});
  rmSync(join(bare, "model.safetensors"));
  refused(() => loadModel(bare), /no model\.safetensors/);
  const truncated = variant("llama3-tiny", () => {});
  const path = join(truncated, "model.safetensors");
  writeFileSync(path, readFileSync(path).subarray(0, -8));
  refused(() => loadModel(truncated), /model\.safetensors/);
});

test("weights on the host and on a device are the same numbers", async () => {
  const device = await deviceNamed("reference");
  const before = device.stats().liveBuffers;
  const [host, there] = [loadModel(goldenPath("qwen1.5-tiny")), loadModel(goldenPath("qwen1.5-tiny"), device)];
  for (const [name, t] of Object.entries(host.params))
    assert.deepEqual(Array.from(await read(there.params[name])), Array.from(await read(t)));
  dispose(there.params);
  assert.equal(device.stats().liveBuffers, before);
});

test("an embedding multiplier is folded on saving: the saved model computes the same", async () => {
  const device = await deviceNamed("reference");
  const ids = tensor(Int32Array.of(1, 5, 3, 18), [1, 4]);
  const scoresOf = async ({ config, params }: Model) =>
    read(evaluate(logits(params, config, hiddenStates(params, config, ids)), device));
  for (const tie_word_embeddings of [true, false]) {
    const raw = tinyModel(tinyConfig({ embedding_multiplier: 8, tie_word_embeddings }), device);
    // Rounded to f32, as a file holds them.
    const params = Object.fromEntries(
      await Promise.all(
        Object.entries(raw.params).map(
          async ([name, t]) => [name, tensor(Float32Array.from(await read(t)), t.shape)] as const,
        ),
      ),
    );
    const model = { ...raw, params: evaluate(params, device) };
    const target = fresh();
    await saveModel(target, model);
    const again = loadModel(target, device);
    assert.equal(again.config.embeddingMultiplier, 1);
    assert.ok(!again.config.tied);
    const [expected, got] = [await scoresOf(model), await scoresOf(again)];
    got.forEach((x, i) => {
      assert.ok(Math.abs(x - expected[i]) < 1e-12);
    });
  }
});

test("half-precision storage rounds weights and nothing else", async () => {
  const device = await deviceNamed("reference");
  const model = loadModel(goldenPath("llama3-tiny"), device);
  const third = {
    ...model,
    params: evaluate(
      Object.fromEntries(Object.entries(model.params).map(([name, t]) => [name, mul(t, 1 / 3)])),
      device,
    ),
  };
  const target = fresh();
  await saveModel(target, third);
  const again = loadModel(target);
  for (const [name, t] of Object.entries(third.params)) {
    const [exact, stored] = [await read(t), await read(again.params[name])];
    stored.forEach((x, i) => {
      assert.ok(Math.abs(x - exact[i]) <= 2 ** -8 * Math.abs(exact[i]) + 1e-40, name);
    });
  }
  dispose(model.params, third.params);
});

test("weights that are no numbers are neither loaded nor saved", async () => {
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    const broken = variant("qwen1.5-tiny", (weights) => {
      const { data } = weights.get("model.norm.weight") as HostTensor;
      data[3] = value;
    });
    refused(() => loadModel(broken), new RegExp(`tensor "model.norm.weight" holds ${value} at element 3`));
    const model = loadModel(goldenPath("qwen1.5-tiny"));
    const norm = model.params["model.norm.weight"];
    const params = { ...model.params, "model.norm.weight": mul(norm, value) };
    const device = await deviceNamed("reference");
    const target = fresh();
    const found = evaluate(params, device);
    await assert.rejects(saveModel(target, { ...model, params: found }), /model\.norm\.weight.*the run has diverged/);
    dispose(found);
    assert.ok(!existsSync(target), "nothing is written");
  }
});
