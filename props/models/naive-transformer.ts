import { type ModelConfig, ropeInverseFrequencies } from "../../models/config.js";

type Vector = number[];
type Weights = Readonly<Record<string, ArrayLike<number>>>;

const add = (a: Vector, b: ArrayLike<number>): Vector => a.map((x, i) => x + b[i]);
const dot = (a: Vector, b: ArrayLike<number>, from = 0): number =>
  a.reduce((total, x, i) => total + x * b[from + i], 0);

/**
 * Logits of each token of one text, in plain loops over one token at a time: it shares no op and no layout with the model
 * that it judges. Source: the equations of Touvron et al. 2023 with grouped heads (Ainslie et al. 2023).
 */
export const naiveLogits = (config: ModelConfig, weights: Weights, ids: readonly number[]): Vector[] => {
  const { hiddenSize: D, heads, kvHeads, headDim: K, rmsNormEps } = config;
  const frequencies = ropeInverseFrequencies(config);
  const norm = (x: Vector, name: string): Vector => {
    const rms = Math.sqrt(x.reduce((total, v) => total + v * v, 0) / D + rmsNormEps);
    return x.map((v, i) => (v / rms) * weights[`${name}.weight`][i]);
  };
  const linear = (x: Vector, name: string): Vector => {
    const w = weights[`${name}.weight`];
    const y = Array.from({ length: w.length / x.length }, (_, row) => dot(x, w, row * x.length));
    const bias = weights[`${name}.bias`];
    return bias === undefined ? y : add(y, bias);
  };
  const headsOf = (x: Vector): Vector[] => Array.from({ length: x.length / K }, (_, h) => x.slice(h * K, (h + 1) * K));
  // A pair (a, b) as the complex number a + ib, times e^(i·angle).
  const turn = (x: Vector, position: number): Vector => {
    const out = [...x];
    for (let i = 0; i < K / 2; i++) {
      const [c, s] = [Math.cos(position * frequencies[i]), Math.sin(position * frequencies[i])];
      out[i] = x[i] * c - x[i + K / 2] * s;
      out[i + K / 2] = x[i] * s + x[i + K / 2] * c;
    }
    return out;
  };

  const embedding = weights["model.embed_tokens.weight"];
  let xs = ids.map((id) => Array.from({ length: D }, (_, i) => embedding[id * D + i] * config.embeddingMultiplier));
  for (let layer = 0; layer < config.layers; layer++) {
    const at = (name: string) => `model.layers.${layer}.${name}`;
    const keys: Vector[][] = [];
    const values: Vector[][] = [];
    xs = xs.map((x, t) => {
      const h = norm(x, at("input_layernorm"));
      keys.push(headsOf(linear(h, at("self_attn.k_proj"))).map((k) => turn(k, t)));
      values.push(headsOf(linear(h, at("self_attn.v_proj"))));
      const mixed = headsOf(linear(h, at("self_attn.q_proj"))).flatMap((q, head) => {
        const group = Math.floor(head / (heads / kvHeads));
        const turned = turn(q, t);
        const e = keys.map((k) => Math.exp(dot(turned, k[group]) / Math.sqrt(K)));
        const total = e.reduce((a, b) => a + b);
        return q.map((_, i) => e.reduce((sum, weight, s) => sum + (weight / total) * values[s][group][i], 0));
      });
      const y = add(x, linear(mixed, at("self_attn.o_proj")));
      const z = norm(y, at("post_attention_layernorm"));
      const [gate, up] = [linear(z, at("mlp.gate_proj")), linear(z, at("mlp.up_proj"))];
      const gated = gate.map((g, i) => (g / (1 + Math.exp(-g))) * up[i]);
      return add(y, linear(gated, at("mlp.down_proj")));
    });
  }
  const head = config.tied ? embedding : weights["lm_head.weight"];
  return xs.map((x) => {
    const h = norm(x, "model.norm");
    return Array.from({ length: config.vocabSize }, (_, id) => dot(h, head, id * D));
  });
};
