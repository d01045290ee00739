import { tokenScores } from "../../align/objectives/log-probs.js";
import { reshape, type Tensor, tensor } from "../../core/index.js";
import type { ModelConfig } from "../../models/config.js";
import type { ForwardOptions, Params } from "../../models/index.js";

/** Log-probability of every token but the first, given those before it: ids i32 [B, T] → [B, T−1]. */
export const tokenLogps = (params: Params, config: ModelConfig, ids: Tensor, options: ForwardOptions = {}): Tensor => {
  const [B, T] = ids.shape;
  const all = Int32Array.from({ length: B * (T - 1) }, (_, i) => Math.floor(i / (T - 1)) * T + (i % (T - 1)));
  return reshape(tokenScores(params, config, ids, tensor(all), options), [B, T - 1]);
};
