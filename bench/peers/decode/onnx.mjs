/**
 * A Llama folder in Hugging Face layout as the ONNX file that transformers.js loads: the graph and the fused operators that
 * onnxruntime's own model builder writes (GroupQueryAttention, SkipSimplifiedLayerNormalization, RotaryEmbedding).
 */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

// Protobuf: a field is (number << 3 | kind), then a varint (kind 0), four bytes (kind 5), or length and bytes (kind 2).
const varint = (value) => {
  const out = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest > 127n; rest >>= 7n) out.push(Number(rest & 127n) | 128);
  return Buffer.from([...out, Number(rest)]);
};
const int = (field, value) => Buffer.concat([varint(field << 3), varint(value)]);
const float = (field, value) => {
  const four = Buffer.alloc(4);
  four.writeFloatLE(value);
  return Buffer.concat([varint((field << 3) | 5), four]);
};
const bytes = (field, value) => {
  const content = Buffer.from(value);
  return Buffer.concat([varint((field << 3) | 2), varint(content.length), content]);
};
const message = (field, parts) => bytes(field, Buffer.concat(parts));

// Field numbers are those of onnx.proto3.
const [FLOAT, INT32, INT64] = [1, 6, 7];
const attribute = (name, value) =>
  message(5, [
    bytes(1, name),
    ...(Number.isInteger(value) ? [int(3, value), int(20, 2)] : [float(2, value), int(20, 1)]),
  ]);
const dimension = (size) => message(1, [typeof size === "number" ? int(1, size) : bytes(2, size)]);
const declared = (field, [name, type, shape]) =>
  message(field, [bytes(1, name), message(2, [message(1, [int(1, type), message(2, shape.map(dimension))])])]);
const opset = (domain, version) => message(8, [bytes(1, domain), int(2, version)]);

/** Nodes and initializers as they are made; functions give the name of their (first) output. */
const graphBuilder = () => {
  const parts = [];
  const constant = (name, type, shape, data) => {
    const raw = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    parts.push(message(5, [...shape.map((size) => int(1, size)), int(2, type), bytes(8, name), bytes(9, raw)]));
    return name;
  };
  const node = (op, inputs, outputs, attributes = {}, domain = "") => {
    const names = [...inputs.map((name) => bytes(1, name)), ...outputs.map((name) => bytes(2, name))];
    const own = Object.entries(attributes).map(([name, value]) => attribute(name, value));
    parts.push(
      message(1, [...names, bytes(3, outputs[0]), bytes(4, op), ...own, ...(domain ? [bytes(7, domain)] : [])]),
    );
    return outputs[0];
  };
  const fused = (op, inputs, outputs, attributes) => node(op, inputs, outputs, attributes, "com.microsoft");
  return { parts, constant, node, fused };
};

/** F32 tensors of a safetensors file by name. */
const openWeights = (path) => {
  const file = readFileSync(path);
  const begin = 8 + Number(file.readBigUInt64LE(0));
  const entries = JSON.parse(file.subarray(8, begin).toString());
  return (name) => {
    const { data_offsets: ends, shape, dtype } = entries[name];
    if (dtype !== "F32") throw new Error(`${path}: ${name} is ${dtype}; only F32 is written`);
    const [from, to] = ends.map((end) => file.byteOffset + begin + end);
    return { shape, data: new Float32Array(file.buffer.slice(from, to)) };
  };
};

/** Writes `out` as transformers.js wants it: configuration and tokenizer copied, onnx/model.onnx beside. */
export const writeOnnx = (folder, out) => {
  const config = JSON.parse(readFileSync(join(folder, "config.json"), "utf8"));
  const { hidden_size: D, num_hidden_layers: L, num_attention_heads: H, vocab_size: V, rms_norm_eps: epsilon } = config;
  const { num_key_value_heads: G = H, max_position_embeddings: M, rope_theta: theta = 10000, model_type } = config;
  if (model_type !== "llama" || config.rope_scaling != null || config.attention_bias === true)
    throw new Error(`${folder}: only plain Llama models are written, not ${model_type}`);
  const K = config.head_dim ?? D / H;
  const weights = openWeights(join(folder, "model.safetensors"));
  const { parts, constant, node, fused } = graphBuilder();
  const vector = (name) => constant(name, FLOAT, weights(name).shape, weights(name).data);
  const matrix = (name, as = name) => {
    const { shape, data } = weights(name);
    const [rows, columns] = shape;
    const turned = new Float32Array(rows * columns);
    for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) turned[j * rows + i] = data[i * columns + j];
    return constant(`${as}.T`, FLOAT, [columns, rows], turned);
  };
  const linear = (x, name) => node("MatMul", [x, matrix(`${name}.weight`)], [`${name}.out`]);
  const angles = (f) =>
    Float32Array.from({ length: (M * K) / 2 }, (_, i) =>
      f(Math.floor((2 * i) / K) * theta ** (-2 * ((i % (K / 2)) / K))),
    );
  const [cosine, sine] = [Math.cos, Math.sin].map((f) => constant(f.name, FLOAT, [M, K / 2], angles(f)));
  const ones = constant("ones", INT64, [1], BigInt64Array.of(1n));
  const one = constant("one", INT64, [], BigInt64Array.of(1n));
  node("ReduceSum", ["attention_mask", ones], ["seen"], { keepdims: 0 });
  node("Cast", [node("Sub", ["seen", one], ["last"])], ["seqlens_k"], { to: INT32 });
  const total = node("Gather", [node("Shape", ["attention_mask"], ["mask_shape"]), one], ["total_long"], { axis: 0 });
  node("Cast", [total], ["total"], { to: INT32 });

  const skipNorm = (x, added, gamma, name) => {
    fused("SkipSimplifiedLayerNormalization", [x, added, gamma], [`${name}.normed`, "", "", `${name}.sum`], {
      epsilon,
    });
    return [`${name}.normed`, `${name}.sum`];
  };
  const turn = (x, heads, name) =>
    fused("RotaryEmbedding", [x, "position_ids", cosine, sine], [name], {
      num_heads: heads,
      rotary_embedding_dim: K,
      interleaved: 0,
    });
  let x = node("Gather", [vector("model.embed_tokens.weight"), "input_ids"], ["embedded"]);
  const first = vector("model.layers.0.input_layernorm.weight");
  let normed = node("SimplifiedLayerNormalization", [x, first], ["first"], { axis: -1, epsilon, stash_type: 1 });
  for (let i = 0; i < L; i++) {
    const own = `model.layers.${i}`;
    const [q, k, v] = ["q", "k", "v"].map((part) => linear(normed, `${own}.self_attn.${part}_proj`));
    const seen = ["key", "value"].map((part) => `past_key_values.${i}.${part}`);
    const next = ["key", "value"].map((part) => `present.${i}.${part}`);
    const heads = [turn(q, H, `${own}.q`), turn(k, G, `${own}.k`), v];
    const options = { num_heads: H, kv_num_heads: G, scale: Math.fround(1 / Math.sqrt(K)) };
    const mixed = fused(
      "GroupQueryAttention",
      [...heads, ...seen, "seqlens_k", "total"],
      [`${own}.mixed`, ...next],
      options,
    );
    const out = linear(mixed, `${own}.self_attn.o_proj`);
    [normed, x] = skipNorm(x, out, vector(`${own}.post_attention_layernorm.weight`), `${own}.middle`);
    const [gate, up] = ["gate", "up"].map((part) => linear(normed, `${own}.mlp.${part}_proj`));
    const silu = node("Mul", [gate, node("Sigmoid", [gate], [`${own}.sigmoid`])], [`${own}.silu`]);
    node("Mul", [silu, up], [`${own}.inner`]);
    const down = linear(`${own}.inner`, `${own}.mlp.down_proj`);
    const norm = i + 1 < L ? `model.layers.${i + 1}.input_layernorm` : "model.norm";
    [normed, x] = skipNorm(x, down, vector(`${norm}.weight`), `${own}.end`);
  }
  const head = config.tie_word_embeddings ? "model.embed_tokens.weight" : "lm_head.weight";
  node("MatMul", [normed, matrix(head, "lm_head.weight")], ["logits"]);

  const cache = (prefix, length) =>
    Array.from({ length: L }, (_, i) =>
      ["key", "value"].map((part) => [`${prefix}.${i}.${part}`, FLOAT, ["batch_size", G, length, K]]),
    ).flat();
  const ids = ["input_ids", "position_ids"].map((name) => [name, INT64, ["batch_size", "sequence_length"]]);
  const inputs = [
    ...ids,
    ["attention_mask", INT64, ["batch_size", "total_sequence_length"]],
    ...cache("past_key_values", "past_sequence_length"),
  ];
  const outputs = [
    ["logits", FLOAT, ["batch_size", "sequence_length", V]],
    ...cache("present", "total_sequence_length"),
  ];
  const ends = [...inputs.map((entry) => declared(11, entry)), ...outputs.map((entry) => declared(12, entry))];
  const graph = message(7, [...parts, bytes(2, "llama"), ...ends]);
  mkdirSync(join(out, "onnx"), { recursive: true });
  writeFileSync(
    join(out, "onnx", "model.onnx"),
    Buffer.concat([int(1, 9), graph, opset("", 18), opset("com.microsoft", 1)]),
  );
  for (const name of ["config.json", "tokenizer.json", "tokenizer_config.json"])
    copyFileSync(join(folder, name), join(out, name));
};
