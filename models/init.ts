import { expects } from "../core/expects.js";
import { foldInName, mul, normal, ones, type Tensor, zeros } from "../core/index.js";
import type { ModelConfig } from "./config.js";
import { familyOf } from "./families.js";
import { type Params, parameterShapes } from "./parameters.js";

/** Standard deviation of a fresh embedding. */
const embeddingStd = 0.05;

/**
 * Fresh weights for a configuration, as a graph of random numbers (evaluate it on a device): matrices normal with std
 * 1/√in, those that write to the residual stream (output, down) also /√(2·layers), embedding 0.05, biases 0, norms those that change nothing.
 * A weight depends on (key, name) alone.  Residual scaling: Radford et al. 2019 (GPT-2). Matrices are [out, in].
 */
export const initParams = (config: ModelConfig, key: Tensor): Params => {
  expects("initParams", "record tensor", config, key);
  const { onePlus } = familyOf(config);
  return Object.fromEntries(
    [...parameterShapes(config)].map(([name, shape]) => {
      if (name.endsWith("norm.weight")) return [name, onePlus ? zeros(shape) : ones(shape)];
      if (name.endsWith(".bias")) return [name, zeros(shape)];
      const writesToResidual = name.endsWith("o_proj.weight") || name.endsWith("down_proj.weight");
      const std = 1 / Math.sqrt(shape[1] * (writesToResidual ? 2 * config.layers : 1));
      const scale = name === "model.embed_tokens.weight" ? embeddingStd : std;
      return [name, mul(normal(foldInName(key, name), shape), scale)];
    }),
  );
};
