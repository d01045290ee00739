import type { Builder } from "../../wgsl/module.js";
import { declareInFours } from "./lines.js";

/** What becomes of a product of a query with a key: attributes of the call. */
export interface Scoring {
  readonly scale: number;
  readonly softCap?: number;
}

/** Text about four products, or four scores, at once. */
export interface Scores {
  readonly score: (product: string) => string;
  /** Begins with " * ": by how much a score changes with scale · product; empty where that is 1. */
  readonly slope: (score: string) => string;
  /** The scale. */
  readonly factor: string;
}

/** `unit`: what scores are multiplied by, so that weights are powers of e^(1 / unit). */
export const scoresOf = (k: Builder, { scale, softCap }: Scoring, unit = 1): Scores => {
  const [factor, scaled] = [scale, scale * unit].map((x) => k.floatParam(x));
  if (softCap === undefined) return { factor, score: (product) => `${product} * ${scaled}`, slope: () => "" };
  const [cap, inverse, ratio] = [softCap * unit, 1 / softCap / unit, scale / softCap].map((x) => k.floatParam(x));
  const tanh = declareInFours(k, "tanh");
  k.func("fn capped(product: vec4<f32>) -> vec4<f32>", [`return ${tanh}(product * ${ratio}) * ${cap};`]);
  k.func("fn bend(score: vec4<f32>) -> vec4<f32>", [
    `let bent = score * ${inverse};`,
    "return vec4<f32>(1.0) - bent * bent;",
  ]);
  return { factor, score: (product) => `capped(${product})`, slope: (score) => ` * bend(${score})` };
};
