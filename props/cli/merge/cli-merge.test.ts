/** `taugrad merge`: what it writes, and from which layouts. Sharded and bf16 models take part. */
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { read, tensor } from "../../../core/index.js";
import { loadModel, openWeights, type WeightsLayout } from "../../../models/index.js";
import { type MergeOptions, mergeTensors } from "../../../optim/index.js";
import { assertClose, assertSame, reference, run } from "../../close.js";
import { besideCheckout } from "../../golden/files.js";
import { succeeds } from "../cli.js";
import { at, model, recipe } from "./merge-models.js";

const embedding = "model.embed_tokens.weight";
const head = "lm_head.weight";
const sharded: WeightsLayout = {
  kind: "sharded",
  files: new Map([
    ["model-00001-of-00002.safetensors", [embedding, "model.layers.0.input_layernorm.weight"]],
    ["model-00002-of-00002.safetensors", ["model.norm.weight"]],
  ]),
};
const base = await model("base", { seed: 1, layout: sharded });
const a = await model("a", { seed: 2 });
const b = await model("b", { seed: 3, dtype: "BF16" });

const parts = (x: object, y: object) => [
  { model: a, parameters: x },
  { model: b, parameters: y },
];
const merges = async (name: string, content: unknown, ...more: string[]): Promise<string> => {
  await succeeds(["merge", recipe(name, content), at(`out-${name}`), ...more]);
  return at(`out-${name}`);
};

/** The merge of one tensor, from the folders' own numbers. */
const merged = async (
  name: string,
  sources: readonly (readonly [folder: string, weight: number, density?: number])[],
  options: MergeOptions,
): Promise<ArrayLike<number>> => {
  const stored = (from: string) => {
    const { data, shape } = openWeights(from).read(name);
    return tensor(data, shape);
  };
  const given = sources.map(([from, weight, density]) => ({ tensor: stored(from), weight, density }));
  const [out] = await run(() => mergeTensors(given, stored(base), options), [], reference);
  return out;
};

test("merge: every tensor, in the files of the base model, from sharded and bf16 models", async () => {
  const content = {
    merge_method: "ties",
    base_model: base,
    models: parts({ weight: 0.5, density: 0.5 }, { weight: 0.25, density: 0.75 }),
    parameters: { lambda: 0.5, int8_mask: true },
    dtype: "float32",
  };
  const out = await merges("whole", content);
  const { layout, names, read: values } = openWeights(out);
  assert.deepEqual(layout, openWeights(base).layout);
  assert.deepEqual([...names].sort(), [...openWeights(base).names].sort());
  const options = { method: "ties", lambda: 0.5 } as const;
  for (const name of names)
    assertClose(
      values(name).data,
      await merged(
        name,
        [
          [a, 0.5, 0.5],
          [b, 0.25, 0.75],
        ],
        options,
      ),
      { abs: 1e-6 },
      name,
    );
  const { params } = loadModel(out);
  assert.equal(Object.keys(params).length, names.length);
  assert.equal(readFileSync(join(out, "mergekit_config.yml"), "utf8"), JSON.stringify(content));
});

test("merge: filters decide by name, the first that fits; lists go over the layers; models before the whole", async () => {
  const content = {
    merge_method: "task_arithmetic",
    base_model: base,
    models: parts(
      { weight: [{ filter: "self_attn", value: [0, 1] }, { filter: "norm", value: 0.25 }, { value: 0.5 }] },
      { weight: [{ filter: "mlp", value: 2 }] },
    ),
    parameters: { weight: 0.125, normalize: [{ filter: "o_proj", value: true }, { value: false }] },
  };
  const out = openWeights(await merges("filters", content));
  const expected: [string, number, number, boolean?][] = [
    [embedding, 0.5, 0.125],
    ["model.layers.0.self_attn.q_proj.weight", 0, 0.125],
    ["model.layers.1.self_attn.q_proj.weight", 0.5, 0.125],
    ["model.layers.2.self_attn.q_proj.weight", 1, 0.125],
    ["model.layers.2.self_attn.o_proj.weight", 1, 0.125, true],
    ["model.layers.1.input_layernorm.weight", 0.25, 0.125],
    ["model.layers.1.mlp.up_proj.weight", 0.5, 2],
    ["model.norm.weight", 0.25, 0.125],
    [head, 0.5, 0.125],
  ];
  for (const [name, v, w, normalize] of expected) {
    const options = { method: "task_arithmetic", normalize } as const;
    assertClose(
      out.read(name).data,
      await merged(
        name,
        [
          [a, v],
          [b, w],
        ],
        options,
      ),
      { abs: 1e-6 },
      name,
    );
  }
});

test("merge: YAML as people write it; without a base the first model gives configuration and files", async () => {
  const text = `
merge_method: linear
models:
  - model: ${a}
    parameters:
      weight: 1
  - model: ./b      # seen from the recipe's folder
    parameters: {weight: 3}
out_dtype: bfloat16
dtype: float32
`;
  const out = await merges("linear", text);
  const { layout, info, read: values } = openWeights(out);
  assert.equal(layout.kind, "single");
  assert.equal(info(head).dtype, "BF16");
  assert.equal(
    (JSON.parse(readFileSync(join(out, "config.json"), "utf8")) as { torch_dtype: string }).torch_dtype,
    "bfloat16",
  );
  const exact = await merged(
    head,
    [
      [a, 1],
      [b, 3],
    ],
    { method: "linear" },
  );
  assertClose(values(head).data, exact, { rel: 2 ** -8 });
});

test("merge: families as their configurations mean them: a Gemma says nothing of its tied head, an OLMo has norms of its own", async () => {
  for (const change of [{ model_type: "gemma2" }, { model_type: "olmo2", tie_word_embeddings: false }]) {
    const silent = { tie_word_embeddings: undefined, ...change };
    const folders = await Promise.all(
      [1, 2].map((seed) => model(`${change.model_type}-${seed}`, { seed, change: silent })),
    );
    const content = {
      merge_method: "linear",
      models: folders.map((one) => ({ model: one, parameters: { weight: 1 } })),
    };
    const out = openWeights(await merges(change.model_type, content));
    const [first, second] = folders.map((one) => openWeights(one));
    assert.deepEqual([...out.names].sort(), [...first.names].sort());
    for (const name of out.names) {
      const [x, y] = [first.read(name).data, second.read(name).data];
      assertClose(
        out.read(name).data,
        Array.from(x, (one, i) => (one + y[i]) / 2),
        { rel: 1e-6, abs: 1e-7 },
        name,
      );
    }
  }
});

test("merge: DARE by seed: the same numbers again and on another device, others with another seed", async () => {
  const content = {
    merge_method: "dare_ties",
    base_model: base,
    models: parts({ weight: 0.5, density: 0.5 }, { weight: 0.5, density: 0.5 }),
  };
  const values = async (label: string, ...more: string[]) => {
    const { data } = openWeights(await merges(`dare-${label}`, content, ...more)).read(embedding);
    return data;
  };
  const once = await values("1", "--seed", "5");
  assertSame(await values("2", "--seed", "5"), once);
  assertClose(await values("3", "--seed", "5", "--device", "reference"), once, { abs: 1e-6 });
  assert.notDeepEqual(await values("4", "--seed", "6"), once);
  assert.ok(once.every(Number.isFinite));
});

test("merge: one file, or as many as --out-shard-size asks for; a former model's files go", async () => {
  const content = { merge_method: "linear", models: parts({ weight: 1 }, { weight: 1 }) };
  const path = recipe("shards", content);
  const out = at("out-shards");
  const call = async (...more: string[]) => {
    await succeeds(["merge", path, out, ...more]);
    const files = readdirSync(out).filter((name) => name.includes("safetensors"));
    const params = loadModel(out).params;
    const numbers: ArrayLike<number>[] = [];
    for (const name of Object.keys(params).sort()) numbers.push(await read(params[name]));
    return { files, numbers };
  };
  const single = await call();
  assert.deepEqual(single.files, ["model.safetensors"]);
  const many = await call("--out-shard-size", "0.5K", "--overwrite-output-dir");
  assert.ok(many.files.length > 3 && many.files.includes("model.safetensors.index.json"), many.files.join());
  assert.ok(!many.files.includes("model.safetensors"));
  many.numbers.forEach((numbers, i) => {
    assertSame(numbers, single.numbers[i]);
  });
  assert.deepEqual((await call("--out-shard-size", "5B", "--overwrite-output-dir")).files, ["model.safetensors"]);
});

test("merge: tied stays tied; one untied model gives the merged model a head of its own", async () => {
  const ties = { tied: true };
  const [tiedBase, x, y] = [
    await model("tied-base", { seed: 4, ...ties }),
    await model("tied-x", { seed: 5, ...ties }),
    a,
  ];
  const recipeOf = (second: string) => ({
    merge_method: "task_arithmetic",
    base_model: tiedBase,
    models: [
      { model: x, parameters: { weight: 0.5 } },
      { model: second, parameters: { weight: 0.25 } },
    ],
  });
  const same = await merges("tied", recipeOf(x));
  assert.ok(!openWeights(same).has(head) && loadModel(same).config.tied);
  const apart = await merges("untied", recipeOf(y));
  assert.ok(!loadModel(apart).config.tied);
  const [t, u, v] = [tiedBase, x, y].map((from) => openWeights(from));
  const want = (of: string) =>
    t.read(embedding).data.map((z, i) => z + 0.5 * (u.read(embedding).data[i] - z) + 0.25 * (v.read(of).data[i] - z));
  assertClose(openWeights(apart).read(head).data, want(head), { abs: 1e-6 });
  assertClose(openWeights(apart).read(embedding).data, want(embedding), { abs: 1e-6 });
  const turned = await merges("head", { ...recipeOf(x), base_model: a });
  assert.ok(openWeights(turned).has(head), "an untied base keeps its head");
});

test("merge: padded vocabularies: rows that the base lacks are cut, rows that a model lacks stay the base's", async () => {
  const [wide, narrow] = [await model("wide", { seed: 6, vocab: 24 }), await model("narrow", { seed: 7, vocab: 16 })];
  const models = [wide, narrow].map((from) => ({ model: from, parameters: { weight: 1 } }));
  const call = [
    "merge",
    recipe("padded", { merge_method: "task_arithmetic", base_model: base, models }),
    at("out-padded"),
  ];
  const { stderr } = await succeeds(call);
  assert.match(stderr, /wide has a vocabulary of 24, the merged model of 19/);
  assert.match(stderr, /narrow has a vocabulary of 16.*rows from 16 on stay/);
  const { config, params } = loadModel(at("out-padded"));
  assert.equal(config.vocabSize, 19);
  const [z, w, n] = [base, wide, narrow].map((from) => openWeights(from).read(head).data);
  const want = z.map((x, i) => x + (w[i] - x) + (i < n.length ? n[i] - x : 0));
  assertClose(await read(params[head]), want, { abs: 1e-6 });
  const average = await merges("padded-linear", { merge_method: "linear", models });
  assert.equal(loadModel(average).config.vocabSize, 16);
});

test("merge equals mergekit's results, whole models through the command line", async (t) => {
  const shared = besideCheckout("golden", "preferences");
  if (shared === undefined)
    return t.skip("whole golden models lie beside the checkout only; merge-tensors holds their numbers here");
  const cases = JSON.parse(readFileSync(join(shared, "merges.json"), "utf8")) as {
    name: string;
    file: string;
    config: { base_model?: string; models: { model: string }[] };
  }[];
  for (const { name, file, config } of cases) {
    const here = (from: string): string => join(shared, from);
    const content = {
      ...config,
      ...(config.base_model && { base_model: here(config.base_model) }),
      models: config.models.map((entry) => ({ ...entry, model: here(entry.model) })),
    };
    const out = openWeights(await merges(`golden-${name}`, content));
    mkdirSync(at(`golden-${name}`));
    writeFileSync(join(at(`golden-${name}`), "model.safetensors"), readFileSync(join(shared, file)));
    const want = openWeights(at(`golden-${name}`));
    assert.equal(want.names.length, 13);
    for (const tensorName of want.names)
      assertClose(out.read(tensorName).data, want.read(tensorName).data, { abs: 1e-6 }, `${name}: ${tensorName}`);
  }
});

test("merge: slerp by its t over the layers, nuslerp on a base by its weights", async () => {
  const t = [0.25, 0.75];
  const slerp = { merge_method: "slerp", base_model: a, models: [{ model: b }], parameters: { t }, dtype: "float32" };
  const out = await merges("slerp", slerp);
  const name = "model.norm.weight";
  const { read: values } = openWeights(out);
  const two = (w: number) =>
    [
      [a, 1 - w],
      [b, w],
    ] as const;
  const stored = (from: string) => {
    const { data, shape } = openWeights(from).read(name);
    return tensor(data, shape);
  };
  const sources = two(0.75).map(([from, weight]) => ({ tensor: stored(from), weight }));
  const [want] = await run(() => mergeTensors(sources, undefined, { method: "slerp" }), [], reference);
  assertClose(Array.from(values(name).data), Array.from(want), { abs: 1e-6 }, "what follows the layers has the last t");
  const onBase = { merge_method: "nuslerp", base_model: base, models: parts({ weight: 0.5 }, { weight: 0.25 }) };
  const merge = openWeights(await merges("nuslerp", { ...onBase, dtype: "float32" }));
  const expected = await merged(name, [[a, 0.5], [b, 0.25]], { method: "nuslerp" }); // biome-ignore format: one line
  assertClose(Array.from(merge.read(name).data), Array.from(expected), { abs: 1e-6 });
});
