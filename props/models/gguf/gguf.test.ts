/** GGUF files as another reader sees them: names, sizes and numbers of every family, and the tokenizer. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gguf } from "@huggingface/gguf";
import fc from "fast-check";
import { halfToFloat, InputError, read } from "../../../core/index.js";
import { exportGguf, type GgufType, type Model, parseConfig, saveModel } from "../../../models/index.js";
import { scratch, succeeds } from "../../cli/cli.js";
import { inside } from "../../cli/inside.js";
import { device as deviceOf } from "../../devices.js";
import { tinyModel } from "../../generators/tiny-models.js";
import { goldenPath } from "../../golden/files.js";

const folder = scratch();
const device = await deviceOf("cpu");
let count = 0;

const COMMON = {
  ...{ hidden_size: 64, num_hidden_layers: 2, num_attention_heads: 4, num_key_value_heads: 2, head_dim: 16 },
  ...{ intermediate_size: 96, vocab_size: 37, max_position_embeddings: 64, rope_theta: 100, rms_norm_eps: 1e-5 },
};
const LLAMA3 = { rope_type: "llama3", factor: 4, low_freq_factor: 1, high_freq_factor: 4 };

/** What llama.cpp computes, one row a family; and its name there. */
const FAMILIES: readonly (readonly [string, Readonly<Record<string, unknown>>])[] = [
  ["llama", { model_type: "llama", attention_bias: true, mlp_bias: true }],
  ["llama", { model_type: "llama", rope_scaling: { ...LLAMA3, original_max_position_embeddings: 16 } }],
  ["llama", { model_type: "mistral", sliding_window: 20 }],
  ["qwen2", { model_type: "qwen2", tie_word_embeddings: true, rope_scaling: { type: "linear", factor: 2 } }],
  ["qwen3", { model_type: "qwen3" }],
  ["smollm3", { model_type: "smollm3", num_hidden_layers: 4 }],
  ["gemma2", { model_type: "gemma2", query_pre_attn_scalar: 16, sliding_window: 8 }],
  ["gemma3", { model_type: "gemma3_text", query_pre_attn_scalar: 16, sliding_window: 8, rope_local_base_freq: 1e4 }],
  ["olmo2", { model_type: "olmo2", tie_word_embeddings: true }],
  ["granite", { model_type: "granite", embedding_multiplier: 3, attention_multiplier: 0.2, logits_scaling: 2 }],
  ["phi3", { model_type: "phi3", partial_rotary_factor: 0.5, sliding_window: 30 }],
];

const configOf = (change: Readonly<Record<string, unknown>>) => parseConfig({ ...COMMON, ...change });

/** A folder with such a model, and the model. */
const written = async (change: Readonly<Record<string, unknown>>): Promise<{ place: string; model: Model }> => {
  const place = join(folder, `model-${count++}`);
  const model = tinyModel(configOf(change), device, count);
  await saveModel(place, model);
  return { place, model };
};

/** A file's values, and its tensors with their numbers. */
const opened = async (file: string) => {
  const { metadata, tensorInfos, tensorDataOffset } = await gguf(file, { allowLocalFile: true });
  const bytes = readFileSync(file);
  const tensors = new Map(
    tensorInfos.map(({ name, shape, dtype, offset }) => {
      const count = shape.map(Number).reduce((a, b) => a * b, 1);
      const at = Number(tensorDataOffset + offset);
      assert.equal(at % 32, 0, `${name} begins at a multiple of 32`);
      const view = new DataView(bytes.buffer, bytes.byteOffset + at);
      const half = (i: number, kind: "f16" | "bf16") => halfToFloat(view.getUint16(i, true), kind);
      const value = (i: number): number => {
        if (dtype === 0) return view.getFloat32(4 * i, true);
        if (dtype === 1) return half(2 * i, "f16");
        if (dtype === 30) return half(2 * i, "bf16");
        const block = Math.floor(i / 32) * 34;
        return half(block, "f16") * view.getInt8(block + 2 + (i % 32));
      };
      return [
        name,
        { dtype, shape: shape.map(Number).reverse(), numbers: Array.from({ length: count }, (_, i) => value(i)) },
      ];
    }),
  );
  return { values: metadata as unknown as Readonly<Record<string, unknown>>, tensors };
};

/** Half a step of each type at a number, in a block whose largest is `most`. */
const halfStep = (dtype: number, x: number, most: number): number => {
  if (dtype === 0) return 0;
  if (dtype === 1) return Math.max(2 ** -25, Math.abs(x) * 2 ** -11);
  if (dtype === 30) return Math.abs(x) * 2 ** -8;
  return (most / 127) * (0.5 + 127 * 2 ** -11) * (1 + 1e-6); // the scale is rounded to f16, too
};

/** Turns row r of an interleaved head back to where transformers has it: a law of its own, not the writer's formula. */
const rowInHead = (r: number, headDim: number): number => (r % 2 === 0 ? r / 2 : headDim / 2 + (r - 1) / 2);

const NAMES: readonly (readonly [RegExp, string])[] = [
  [/^model\.embed_tokens/, "token_embd"],
  [/^model\.norm/, "output_norm"],
  [/^lm_head/, "output"],
  [/^model\.layers\.(\d+)\.self_attn\.([qkv])_proj/, "blk.$1.attn_$2"],
  [/^model\.layers\.(\d+)\.self_attn\.([qk])_norm/, "blk.$1.attn_$2_norm"],
  [/^model\.layers\.(\d+)\.self_attn\.o_proj/, "blk.$1.attn_output"],
  [/^model\.layers\.(\d+)\.self_attn\.qkv_proj/, "blk.$1.attn_qkv"],
  [/^model\.layers\.(\d+)\.mlp\.gate_up_proj/, "blk.$1.ffn_up"],
  [/^model\.layers\.(\d+)\.mlp\.(gate|up|down)_proj/, "blk.$1.ffn_$2"],
  [/^model\.layers\.(\d+)\.input_layernorm/, "blk.$1.attn_norm"],
  [/^model\.layers\.(\d+)\.pre_feedforward_layernorm/, "blk.$1.ffn_norm"],
  [/^model\.layers\.(\d+)\.post_feedforward_layernorm/, "blk.$1.post_ffw_norm"],
];

/** After attention stands what is added to the stream, or what comes before the next part. */
const expectedName = (weight: string, { config }: Model): string => {
  const after = ["gemma2", "gemma3_text", "olmo2"].includes(config.modelType) ? "post_attention_norm" : "ffn_norm";
  const rows = [...NAMES, [/^model\.layers\.(\d+)\.post_attention_layernorm/, `blk.$1.${after}`] as const];
  const [pattern, name] = rows.find(([pattern]) => pattern.test(weight)) as (typeof NAMES)[number];
  return weight.replace(pattern, name);
};

test("every weight of every family lies in the file, under llama.cpp's name, to half a step of its type", async () => {
  const types = ["f32", "f16", "bf16", "q8_0"] as const satisfies readonly GgufType[];
  for (const [i, [arch, change]] of FAMILIES.entries()) {
    const { place, model } = await written(change);
    const file = join(folder, `${count}.gguf`);
    const { notes } = await exportGguf(place, file, types[i % types.length]);
    const { values, tensors } = await opened(file);
    const { config, params } = model;
    assert.equal(values["general.architecture"], arch);
    const window = config.kinds.find((kind) => kind.window !== undefined)?.window;
    const windowed = arch.startsWith("gemma");
    assert.equal(values[`${arch}.context_length`], windowed ? 64 : Math.min(64, window ?? 64));
    assert.equal(
      notes.some((note) => note.startsWith("context_length")),
      !windowed && window !== undefined,
    );
    assert.equal(values[`${arch}.attention.sliding_window`], windowed ? window : undefined);
    assert.equal(values[`${arch}.attention.head_count_kv`], 2);
    const turns = ["llama", "smollm3", "granite"].includes(arch);
    const seen = new Set<string>();
    for (const [name, t] of Object.entries(params)) {
      const found = tensors.get(expectedName(name, model));
      assert.ok(found !== undefined, `${arch}: ${name} as ${expectedName(name, model)}`);
      seen.add(expectedName(name, model));
      const { shape, numbers, dtype } = found;
      assert.deepEqual(shape, [...t.shape], name);
      assert.equal(dtype === 0, shape.length === 1 || types[i % types.length] === "f32", name);
      const want = await read(t);
      const [rows, width] = shape.length === 2 ? shape : [shape[0], 1];
      const plus = windowed && name.endsWith("norm.weight") ? 1 : 0;
      const turned = turns && /\.[qk]_proj\./.test(name);
      let most = 0;
      for (let r = 0; r < rows; r++) {
        const from = turned ? r - (r % 16) + rowInHead(r % 16, 16) : r;
        for (let c = 0; c < width; c++) {
          const x = Math.fround(Math.fround(want[from * width + c]) + plus);
          if (c % 32 === 0)
            most = Math.max(...Array.from({ length: 32 }, (_, k) => Math.abs(want[from * width + c + k] ?? 0)));
          const off = Math.abs(numbers[r * width + c] - x);
          assert.ok(
            off <= halfStep(dtype, x, most),
            `${arch} ${name} [${r}, ${c}]: ${numbers[r * width + c]}, not ${x}`,
          );
        }
      }
    }
    const others = [...tensors.keys()].filter((name) => !seen.has(name));
    const extra =
      arch === "olmo2" ? ["output.weight"] : "rope_scaling" in change && arch === "llama" ? ["rope_freqs.weight"] : [];
    assert.deepEqual(others, extra);
  }
});

test("interleaved rows rotated as neighbours give the products that rows half a head apart give", async () => {
  const { place, model } = await written({ model_type: "llama" });
  const file = join(folder, "turned.gguf");
  await exportGguf(place, file, "f32");
  const { tensors } = await opened(file);
  const [n, width] = [16, 64];
  const x = Array.from({ length: width }, (_, i) => Math.sin(i + 1));
  const times = (W: ArrayLike<number>, head: number): number[] =>
    Array.from({ length: n }, (_, r) => x.reduce((sum, v, c) => sum + v * W[(head * n + r) * width + c], 0));
  const rotated = (v: readonly number[], at: number, pairs: (i: number) => readonly [number, number]): number[] => {
    const out = [...v];
    for (let i = 0; i < n / 2; i++) {
      const [a, b] = pairs(i);
      const angle = at * 100 ** ((-2 * i) / n);
      out[a] = v[a] * Math.cos(angle) - v[b] * Math.sin(angle);
      out[b] = v[b] * Math.cos(angle) + v[a] * Math.sin(angle);
    }
    return out;
  };
  const score = (
    q: ArrayLike<number>,
    k: ArrayLike<number>,
    pairs: (i: number) => readonly [number, number],
  ): number => {
    const turnedK = rotated(times(k, 0), 3, pairs);
    return rotated(times(q, 1), 7, pairs).reduce((sum, v, i) => sum + v * turnedK[i], 0);
  };
  const [q, k] = await Promise.all(
    ["q", "k"].map((part) => read(model.params[`model.layers.0.self_attn.${part}_proj.weight`])),
  );
  const want = score(q, k, (i) => [i, i + n / 2]);
  const [fileQ, fileK] = ["q", "k"].map((part) => tensors.get(`blk.0.attn_${part}.weight`)?.numbers as number[]);
  const got = score(fileQ, fileK, (i) => [2 * i, 2 * i + 1]);
  assert.ok(Math.abs(got - want) < 1e-6 * Math.max(1, Math.abs(want)), `${got}, not ${want}`);
});

test("q8_0 blocks are off by half a step at most, whatever numbers they hold", async () => {
  const { quantizeQ8 } = await import("../../../models/gguf/encode.js");
  const numbers = fc.array(fc.float({ noNaN: true, min: -1000, max: 1000 }), { minLength: 32, maxLength: 32 });
  fc.assert(
    fc.property(numbers, (drawn) => {
      const data = Float32Array.from(drawn);
      const bytes = quantizeQ8(data);
      const view = new DataView(bytes.buffer);
      const scale = halfToFloat(view.getUint16(0, true), "f16");
      const most = Math.max(...data.map(Math.abs));
      for (const [i, x] of data.entries())
        assert.ok(
          Math.abs(x - scale * view.getInt8(2 + i)) <= halfStep(8, x, most) + 127 * 2 ** -25,
          `${x} of ${most}`,
        );
    }),
  );
});

test("the tokenizer: tokens, kinds, merges or scores, marks, what is added, and the chat template", async () => {
  const file = join(folder, "sft.gguf");
  const sft = goldenPath("preferences", "sft");
  const { stdout } = await succeeds(["export", "--model", sft, "--out", file, "--type", "q8_0", "--json"]);
  assert.equal((JSON.parse(stdout) as { type: string }).type, "q8_0");
  const { values } = await opened(file);
  const value = (key: string) => values[`tokenizer.ggml.${key}`];
  const tokens = value("tokens") as string[];
  assert.deepEqual([value("model"), value("pre"), tokens[421], tokens.length], ["gpt2", "gpt-2", "<|im_start|>", 423]);
  assert.deepEqual((value("token_type") as number[]).slice(419), [1, 3, 3, 3]);
  assert.equal((value("merges") as string[])[0], "h e");
  assert.deepEqual([value("eos_token_id"), value("padding_token_id"), value("add_bos_token")], [422, 420, false]);
  assert.equal(values["tokenizer.chat_template"], readFileSync(join(sft, "chat_template.jinja"), "utf8"));
});

/** A tokenizer of SentencePiece's kind in a folder of its own, with a change. */
const sentencePiece = async (
  change: (definition: { model: Record<string, unknown>; [key: string]: unknown }) => void,
): Promise<string> => {
  const { place } = await written({ model_type: "llama" });
  const bytes = Array.from({ length: 16 }, (_, i) => `<0x${i.toString(16).padStart(2, "0").toUpperCase()}>`);
  const tokens = ["<unk>", "<s>", "</s>", ...bytes, "▁", "a", "b", "c", "▁a", "ab", "▁ab"];
  const mark = (id: number) => ({ id, content: tokens[id], special: true, normalized: false });
  const definition = {
    ...{ added_tokens: [0, 1, 2].map(mark), pre_tokenizer: null, post_processor: null, decoder: null },
    normalizer: { type: "Prepend", prepend: "▁" } as unknown,
    model: {
      ...{ type: "BPE", unk_token: "<unk>", byte_fallback: true, fuse_unk: true },
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges: [["▁", "a"], ["a", "b"], ["▁a", "b"], ["▁", "ab"]], // biome-ignore format: one line
    } as Record<string, unknown>,
  };
  change(definition);
  writeFileSync(join(place, "tokenizer.json"), JSON.stringify(definition));
  writeFileSync(join(place, "tokenizer_config.json"), JSON.stringify({ bos_token: "<s>", eos_token: "</s>" }));
  return place;
};

test("SentencePiece's kind: bytes, scores in the order of merges, a space before the text", async () => {
  const file = join(folder, "piece.gguf");
  await exportGguf(await sentencePiece(() => {}), file, "f16");
  const { values } = await opened(file);
  const value = (key: string) => values[`tokenizer.ggml.${key}`];
  assert.deepEqual([value("model"), value("add_space_prefix"), value("unknown_token_id")], ["llama", true, 0]);
  assert.deepEqual((value("token_type") as number[]).slice(0, 5), [2, 3, 3, 6, 6]);
  const scores = value("scores") as number[];
  assert.deepEqual(
    [23, 24, 25].map((id) => Math.abs(scores[id])),
    [0, 1, 2],
  );
});

test("a word that is found before merging has no score: its merges may stand anywhere", async () => {
  const place = await sentencePiece((all) => {
    (all.added_tokens as unknown[]).push({ id: 25, content: "▁ab", special: false, normalized: false });
    all.model.merges = [["▁", "a"], ["▁a", "b"], ["a", "b"], ["▁", "ab"]]; // biome-ignore format: one line
  });
  const file = join(folder, "word.gguf");
  await exportGguf(place, file, "f16");
  const { values } = await opened(file);
  const [tokens, kinds] = ["tokens", "token_type"].map((key) => (values[`tokenizer.ggml.${key}`] as unknown[])[25]);
  assert.deepEqual([tokens, kinds], [" ab", 4]);
});

test("what llama.cpp would compute otherwise is refused by name, and no file is left", async () => {
  const file = join(folder, "never.gguf");
  const refuses = async (place: string, pattern: RegExp, type: GgufType = "f16"): Promise<void> => {
    await assert.rejects(exportGguf(place, file, type), (e) => e instanceof InputError && pattern.test(e.message));
    assert.ok(!existsSync(file));
  };
  const models: readonly (readonly [Readonly<Record<string, unknown>>, RegExp])[] = [
    [{ model_type: "qwen3", attention_bias: true }, /qkv projections have a bias, which llama.cpp's qwen3/],
    [{ model_type: "gemma2", query_pre_attn_scalar: 20, sliding_window: 8 }, /attention is scaled by/],
    [{ model_type: "smollm3", no_rope_layers: [1, 0] }, /layer 1 has no rotary position/],
    [
      { model_type: "qwen2", rope_scaling: { ...LLAMA3, original_max_position_embeddings: 16 } },
      /rope_type is "llama3"/,
    ],
  ];
  for (const [change, pattern] of models) await refuses((await written(change)).place, pattern);
  const changed = (edit: Parameters<typeof sentencePiece>[0]) => sentencePiece(edit);
  await refuses(await changed(({ model }) => Object.assign(model, { type: "WordLevel" })), /model.type is "WordLevel"/);
  const lettered = { byte_fallback: false };
  await refuses(
    await changed(({ model }) => Object.assign(model, lettered)),
    /normalizer .* is none that llama.cpp applies/,
  );
  await refuses(
    await changed((all) => Object.assign(all, { normalizer: null, model: { ...all.model, ...lettered } })),
    /pre_tokenizer is null, which llama.cpp has no name for/,
  );
  await refuses(
    await changed(({ model }) => Object.assign(model, { merges: [["▁a", "b"], ["a", "b"], ["▁", "ab"]] })), // biome-ignore format: one line
    /makes "▁ab" at two places/,
  );
  const { place, model } = await written({ model_type: "llama" });
  const [name, t] = Object.entries(model.params)[0];
  const { tensor } = await import("../../../core/index.js");
  const huge = Float32Array.from(await read(t)).fill(7e4, 0, 1);
  await saveModel(place, { ...model, params: { ...model.params, [name]: tensor(huge, t.shape) } });
  await refuses(place, /numbers beyond 65504, which f16 cannot/);
  mkdirSync(join(folder, "taken.gguf"));
  writeFileSync(join(folder, "other.gguf"), "of somebody else");
  const sft = goldenPath("preferences", "sft");
  for (const [out, pattern] of [
    ["x.bin", /must end in .gguf/],
    ["taken.gguf", /is a folder/],
    ["other.gguf", /is there already, and would be overwritten; choose another name, or add --overwrite/],
  ] as const) {
    // biome-ignore format: one line
    const { code, stderr } = await inside(["export", "--model", sft, "--out", join(folder, out)]);
    assert.equal(code, 2);
    assert.match(stderr, pattern);
  }
  assert.equal(readFileSync(join(folder, "other.gguf"), "utf8"), "of somebody else");
  await succeeds(["export", "--model", sft, "--out", join(folder, "other.gguf"), "--overwrite"]);
});
