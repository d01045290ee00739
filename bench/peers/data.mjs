/** The numbers that every engine starts from, and the sizes of the works. */

/** Uniform in [-size, size), the same on every engine: xorshift32. */
export const noise = (length, seed, size = 1) => {
  let x = seed * 2654435761 + 1;
  return Float32Array.from({ length }, () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (size * x) / 2 ** 31;
  });
};

export const N = 1024;

/** A line through points: a step of it is what launches cost. */
export const LINE = { rows: 64, inputs: 2, lr: 0.05 };
export const lineWeights = () => [
  ["w", [LINE.inputs, 1], new Float32Array(LINE.inputs)],
  ["b", [1], new Float32Array(1)],
];
export const lineInput = () => noise(LINE.rows * LINE.inputs, 5);
export const lineTargets = () =>
  Float32Array.from(
    { length: LINE.rows },
    (_, row) => 2 * lineInput()[LINE.inputs * row] - lineInput()[LINE.inputs * row + 1] + 0.5,
  );

export const MLP = { sizes: [784, 512, 256, 10], batch: 128, lr: 1e-3 };

/** [name, shape, data] of the MLP's weights, [in, out]. */
export const mlpWeights = () =>
  MLP.sizes.slice(1).flatMap((to, i) => {
    const from = MLP.sizes[i];
    return [
      [`w${i}`, [from, to], noise(from * to, i + 1, Math.sqrt(6 / from))],
      [`b${i}`, [to], new Float32Array(to)],
    ];
  });

export const mlpInput = () => noise(MLP.batch * MLP.sizes[0], 9);
export const mlpLabels = () => Int32Array.from({ length: MLP.batch }, (_, i) => i % 10);

export const TINY = { B: 8, T: 128, V: 256, D: 128, H: 4, layers: 4, F: 352, eps: 1e-6, theta: 10000, lr: 1e-3 };

/** [name, shape, data] of the transformer's weights: Hugging Face's names, [out, in]. */
export const tinyWeights = () => {
  const { V, D, F, layers } = TINY;
  const shapes = [["model.embed_tokens.weight", [V, D]]];
  for (let i = 0; i < layers; i++) {
    const at = `model.layers.${i}`;
    shapes.push([`${at}.input_layernorm.weight`, [D]]);
    for (const part of ["q", "k", "v"]) {
      shapes.push([`${at}.self_attn.${part}_proj.weight`, [D, D]], [`${at}.self_attn.${part}_proj.bias`, [D]]);
    }
    shapes.push([`${at}.self_attn.o_proj.weight`, [D, D]], [`${at}.post_attention_layernorm.weight`, [D]]);
    shapes.push([`${at}.mlp.gate_proj.weight`, [F, D]], [`${at}.mlp.up_proj.weight`, [F, D]]);
    shapes.push([`${at}.mlp.down_proj.weight`, [D, F]]);
  }
  shapes.push(["model.norm.weight", [D]]);
  return shapes.map(([name, shape], i) => {
    const length = shape.reduce((n, x) => n * x, 1);
    if (name.endsWith("norm.weight")) return [name, shape, new Float32Array(length).fill(1)];
    return [name, shape, noise(length, i + 1, name.endsWith("bias") ? 0.1 : 1.5 / Math.sqrt(shape[1]))];
  });
};

export const tinyIds = () => Int32Array.from({ length: TINY.B * TINY.T }, (_, i) => (i * 7 + (i % 13) * 5) % TINY.V);
/** What stands after each token of a row: B · (T − 1). */
export const tinyTargets = (ids) => ids.filter((_, i) => i % TINY.T > 0);

/** Rows of the unit matrix. */
export const oneHot = (labels, width) => {
  const out = new Float32Array(labels.length * width);
  labels.forEach((label, row) => {
    out[row * width + label] = 1;
  });
  return out;
};

/** Cosine and sine of the rotary angles, [T, headDim / 2]. */
export const ropeTables = () => {
  const { T, D, H, theta } = TINY;
  const half = D / H / 2;
  const table = (f) =>
    Float32Array.from({ length: T * half }, (_, i) => f(Math.floor(i / half) * theta ** (-(i % half) / half)));
  return [table(Math.cos), table(Math.sin)];
};
