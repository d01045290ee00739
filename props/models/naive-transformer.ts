import type { ModelConfig } from "../../models/config.js";
import { familyOf } from "../../models/families.js";
import type { RopeConfig } from "../../models/rope.js";

type Vector = number[];
type Weights = Readonly<Record<string, ArrayLike<number>>>;

const add = (a: Vector, b: ArrayLike<number>, factor = 1): Vector => a.map((x, i) => x + factor * b[i]);
const dot = (a: Vector, b: ArrayLike<number>, from = 0): number =>
  a.reduce((total, x, i) => total + x * b[from + i], 0);
const capped = (x: number, cap: number | undefined): number => (cap === undefined ? x : cap * Math.tanh(x / cap));

/** Φ(x) by its tanh formula. */
const nearlyNormal = (x: number): number => (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))) / 2;
/** Φ(x): the density added up by Simpson's rule. */
const normal = (x: number): number => {
  const steps = 400;
  const density = (i: number): number => Math.exp(-(((x * i) / steps) ** 2) / 2);
  let total = density(0) + density(steps);
  for (let i = 1; i < steps; i++) total += (i % 2 === 1 ? 4 : 2) * density(i);
  return 0.5 + (x * total) / (3 * steps * Math.sqrt(2 * Math.PI));
};
const pass = {
  silu: (x: number) => x / (1 + Math.exp(-x)),
  gelu: (x: number) => x * normal(x),
  geluTanh: (x: number) => x * nearlyNormal(x),
};

/** A pair (a, b) as the complex number a + ib, times magnitude · e^(i·angle). */
const turn = (x: Vector, position: number, rope: RopeConfig | undefined, length: number): Vector => {
  if (rope === undefined) return x;
  const { long, magnitude } = rope;
  const frequencies = long !== undefined && length > long.over ? long.frequencies : rope.frequencies;
  const half = frequencies.length;
  const out = [...x];
  for (const [i, frequency] of frequencies.entries()) {
    const [c, s] = [Math.cos(position * frequency), Math.sin(position * frequency)].map((y) => y * magnitude);
    out[i] = x[i] * c - x[i + half] * s;
    out[i + half] = x[i] * s + x[i + half] * c;
  }
  return out;
};

/**
 * Logits of each token of one text, in plain loops over one token at a time: it shares no op and no layout with the model
 * that it judges. Source: the equations of the papers that `families` names.
 */
export const naiveLogits = (config: ModelConfig, weights: Weights, ids: readonly number[]): Vector[] => {
  const { hiddenSize: D, heads, kvHeads, headDim: K, intermediateSize: F } = config;
  const { norms, onePlus, qkNorm, fused } = familyOf(config);
  const norm = (x: Vector, name: string | undefined): Vector => {
    const w = weights[`${name}.weight`];
    if (name === undefined || w === undefined) return x;
    const rms = Math.sqrt(x.reduce((total, v) => total + v * v, 0) / x.length + config.rmsNormEps);
    return x.map((v, i) => (v / rms) * (w[i] + (onePlus ? 1 : 0)));
  };
  const linear = (x: Vector, name: string): Vector => {
    const w = weights[`${name}.weight`];
    const y = Array.from({ length: w.length / x.length }, (_, row) => dot(x, w, row * x.length));
    const bias = weights[`${name}.bias`];
    return bias === undefined ? y : add(y, bias);
  };
  const headsOf = (x: Vector): Vector[] => Array.from({ length: x.length / K }, (_, h) => x.slice(h * K, (h + 1) * K));
  const qkv = (x: Vector, at: string): Vector[] => {
    if (fused === undefined) return ["q", "k", "v"].map((part) => linear(x, `${at}.${part}_proj`));
    const all = linear(x, `${at}.qkv_proj`);
    const [q, k] = [heads * K, kvHeads * K];
    return [all.slice(0, q), all.slice(q, q + k), all.slice(q + k)];
  };
  const gateAndUp = (x: Vector, at: string): Vector[] => {
    if (fused === undefined) return [linear(x, `${at}.gate_proj`), linear(x, `${at}.up_proj`)];
    const both = linear(x, `${at}.gate_up_proj`);
    return [both.slice(0, F), both.slice(F)];
  };
  const normedHeads = (x: Vector, name: string): Vector[] =>
    qkNorm === "projection" ? headsOf(norm(x, name)) : headsOf(x).map((head) => norm(head, name));

  const embedding = weights["model.embed_tokens.weight"];
  let xs = ids.map((id) => Array.from({ length: D }, (_, i) => embedding[id * D + i] * config.embeddingMultiplier));
  for (const [layer, { window, rope }] of config.kinds.entries()) {
    const at = (name: string | undefined) => name && `model.layers.${layer}.${name}`;
    const keys: Vector[][] = [];
    const values: Vector[][] = [];
    xs = xs.map((x, t) => {
      const [q, k, v] = qkv(norm(x, at(norms.beforeAttention)), `model.layers.${layer}.self_attn`);
      keys.push(normedHeads(k, at("self_attn.k_norm") as string).map((one) => turn(one, t, rope, ids.length)));
      values.push(headsOf(v));
      const first = window === undefined ? 0 : Math.max(0, t - window + 1);
      const mixed = normedHeads(q, at("self_attn.q_norm") as string).flatMap((one, head) => {
        const group = Math.floor(head / (heads / kvHeads));
        const turned = turn(one, t, rope, ids.length);
        const e = keys
          .slice(first)
          .map((own) => Math.exp(capped(dot(turned, own[group]) * config.attentionScale, config.attentionCap)));
        const total = e.reduce((a, b) => a + b);
        return one.map((_, i) => e.reduce((sum, weight, s) => sum + (weight / total) * values[first + s][group][i], 0));
      });
      const attended = norm(linear(mixed, at("self_attn.o_proj") as string), at(norms.afterAttention));
      const y = add(x, attended, config.residualMultiplier);
      const [gate, up] = gateAndUp(norm(y, at(norms.beforeMlp)), `model.layers.${layer}.mlp`);
      const fed = linear(
        gate.map((g, i) => pass[config.activation](g) * up[i]),
        at("mlp.down_proj") as string,
      );
      return add(y, norm(fed, at(norms.afterMlp)), config.residualMultiplier);
    });
  }
  const head = config.tied ? embedding : weights["lm_head.weight"];
  return xs.map((x) => {
    const h = norm(x, "model.norm");
    const logit = (id: number) => capped(dot(h, head, id * D) * config.headMultiplier, config.logitCap);
    return Array.from({ length: config.vocabSize }, (_, id) => logit(id));
  });
};
