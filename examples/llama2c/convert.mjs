/**
 * Makes a Hugging Face folder of a model of llama2.c: node convert.mjs stories260K.bin tok512.bin stories260K
 * The files are Karpathy's: seven sizes and f32 weights; and a score and a text for each token. There pairs (2i, 2i+1) of a head
 * are rotated, here (i, i + half), so rows of q and k change places. Merges of tokens are all ways to make a token of two.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { permute, reshape, tensor } from "taugrad";
import { open } from "taugrad/devices";
import { parseConfig, saveModel } from "taugrad/models";

const [weightsFile, tokensFile, folder] = process.argv.slice(2);
if (folder === undefined) throw new Error("convert.mjs WEIGHTS.bin TOKENS.bin FOLDER");

const bytes = readFileSync(weightsFile);
const [D, F, L, H, G, signedV, T] = Array.from({ length: 7 }, (_, i) => bytes.readInt32LE(4 * i));
const [V, K] = [Math.abs(signedV), D / H];
const config = parseConfig(
  {
    architectures: ["LlamaForCausalLM"],
    model_type: "llama",
    hidden_size: D,
    intermediate_size: F,
    num_hidden_layers: L,
    num_attention_heads: H,
    num_key_value_heads: G,
    vocab_size: V,
    max_position_embeddings: T,
    rms_norm_eps: 1e-5,
    rope_theta: 10000,
    hidden_act: "silu",
    tie_word_embeddings: signedV > 0,
    bos_token_id: 1,
    eos_token_id: 2,
    torch_dtype: "float32",
  },
  weightsFile,
);

let at = 28;
const next = (...shape) => {
  const size = shape.reduce((a, b) => a * b, 1);
  const numbers = new Float32Array(bytes.buffer.slice(bytes.byteOffset + at, bytes.byteOffset + at + 4 * size));
  at += 4 * size;
  return tensor(numbers, shape);
};
const halves = (w, heads) => reshape(permute(reshape(w, [heads, K / 2, 2, D]), [0, 2, 1, 3]), [heads * K, D]);
const params = { "model.embed_tokens.weight": next(V, D) };
const each = (name, read) => {
  for (let i = 0; i < L; i++) params[`model.layers.${i}.${name}.weight`] = read();
};
each("input_layernorm", () => next(D));
each("self_attn.q_proj", () => halves(next(H * K, D), H));
each("self_attn.k_proj", () => halves(next(G * K, D), G));
each("self_attn.v_proj", () => next(G * K, D));
each("self_attn.o_proj", () => next(D, H * K));
each("post_attention_layernorm", () => next(D));
each("mlp.gate_proj", () => next(F, D));
each("mlp.down_proj", () => next(D, F));
each("mlp.up_proj", () => next(F, D));
params["model.norm.weight"] = next(D);
at += 4 * T * K; // tables of angles
if (signedV < 0) params["lm_head.weight"] = next(V, D);
const device = await open("cpu");
const layout = { kind: "single", names: Object.keys(params) };
await saveModel(folder, { config, params, layout, dtype: "F32" }, { device });
await device.close();

const tokens = readFileSync(tokensFile);
const texts = ["<unk>", "<s>", "</s>"];
for (let id = 0, from = 4; id < V; id++) {
  const length = tokens.readInt32LE(from + 4);
  if (id > 2) texts.push(tokens.toString("utf8", from + 8, from + 8 + length).replaceAll(" ", "▁"));
  from += 8 + length;
}
const vocab = Object.fromEntries(texts.map((text, id) => [text, id]));
/** All pairs of tokens that make one, the likeliest token's first: ids from 259 on are in that order. */
const merges = texts.slice(259).flatMap((text) => {
  const characters = [...text];
  const cuts = characters
    .slice(1)
    .map((_, i) => [characters.slice(0, i + 1).join(""), characters.slice(i + 1).join("")]);
  const pairs = cuts.filter((pair) => pair.every((part) => part in vocab));
  return pairs.sort(([a], [b]) => vocab[a] - vocab[b]);
});
const special = texts.slice(0, 3).map((content, id) => {
  const exactly = { single_word: false, lstrip: false, rstrip: false, normalized: false };
  return { id, content, ...exactly, special: true };
});
const bos = { SpecialToken: { id: "<s>", type_id: 0 } };
const json = {
  version: "1.0",
  truncation: null,
  padding: null,
  added_tokens: special,
  normalizer: {
    type: "Sequence",
    normalizers: [
      { type: "Prepend", prepend: "▁" },
      { type: "Replace", pattern: { String: " " }, content: "▁" },
    ],
  },
  pre_tokenizer: null,
  post_processor: {
    type: "TemplateProcessing",
    single: [bos, { Sequence: { id: "A", type_id: 0 } }],
    pair: [bos, { Sequence: { id: "A", type_id: 0 } }, { Sequence: { id: "B", type_id: 1 } }],
    special_tokens: { "<s>": { id: "<s>", ids: [1], tokens: ["<s>"] } },
  },
  decoder: {
    type: "Sequence",
    decoders: [
      { type: "Replace", pattern: { String: "▁" }, content: " " },
      { type: "ByteFallback" },
      { type: "Fuse" },
      { type: "Strip", content: " ", start: 1, stop: 0 },
    ],
  },
  model: { type: "BPE", dropout: null, unk_token: "<unk>", fuse_unk: true, byte_fallback: true, vocab, merges },
};
writeFileSync(join(folder, "tokenizer.json"), JSON.stringify(json));
const names = { bos_token: "<s>", eos_token: "</s>", unk_token: "<unk>", tokenizer_class: "LlamaTokenizer" };
writeFileSync(join(folder, "tokenizer_config.json"), JSON.stringify({ ...names, model_max_length: T }));
