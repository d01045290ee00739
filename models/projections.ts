import { add, matmul, mul, reshape, rmsnorm, sliceAxis, type Tensor, transpose } from "../core/index.js";
import type { ModelConfig } from "./config.js";
import { familyOf } from "./families.js";
import { factorNames, type Params, partSizes, weightOf } from "./parameters.js";

/**
 * x · Wᵀ (+ b), and with an adapter's factors beside W (`withLora`) m · (x Wᵀ + (x Aᵀ) Bᵀ), or with dropout m · (x Wᵀ + (x·d Aᵀ) Bᵀ).
 * x: [..., in], W: [out, in].
 */
export const linear = (
  x: Tensor,
  params: Params,
  name: string,
  hasBias: boolean,
  { precision, observe }: ModelConfig,
): Tensor => {
  observe?.(weightOf(params, `${name}.weight`), x);
  const by = (z: Tensor, W: Tensor) => matmul(z, transpose(W), { operands: precision });
  const plain = by(x, weightOf(params, `${name}.weight`));
  const { a, b, m, d } = factorNames(`${name}.weight`);
  const read = d in params ? mul(x, reshape(params[d], x.shape)) : x;
  const adapted = a in params ? add(plain, by(by(read, params[a]), weightOf(params, b))) : plain;
  const y = m in params ? mul(params[m], adapted) : adapted;
  return hasBias ? add(y, weightOf(params, `${name}.bias`)) : y;
};

/** RMS norm by the weight of a name, over the last axis; x itself where the family has no such norm. */
export const norm = (x: Tensor, params: Params, name: string | undefined, config: ModelConfig): Tensor => {
  if (name === undefined) return x;
  const w = weightOf(params, `${name}.weight`);
  return rmsnorm(x, familyOf(config).onePlus ? add(w, 1) : w, config.rmsNormEps);
};

/** What a module makes of x, part by part: each by its matrix, or all by one and cut apart.  x: [..., D] → [..., n] each. */
export const parts = (x: Tensor, params: Params, config: ModelConfig, module: "self_attn" | "mlp"): Tensor[] => {
  const sizes = Object.entries(partSizes(config)[module]);
  const hasBias = module === "mlp" ? config.bias.mlp : config.bias.qkv;
  const by = (matrix: string) => linear(x, params, `${module}.${matrix}`, hasBias, config);
  const { fused } = familyOf(config);
  if (fused === undefined) return sizes.map(([part]) => by(`${part}_proj`));
  const all = by(fused[module]);
  let end = 0;
  return sizes.map(([, n]) => {
    end += n;
    return sliceAxis(all, all.shape.length - 1, end - n, end);
  });
};
