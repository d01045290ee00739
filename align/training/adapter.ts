import { type Device, evaluate, key } from "../../core/index.js";
import type { ModelConfig } from "../../models/config.js";
import type { Adapter } from "../../models/files/adapter-folder.js";
import { initLora, type LoraOptions, withLora } from "../../models/lora.js";
import type { Params } from "../../models/parameters.js";
import type { Objective } from "../objectives/objective.js";
import type { Weights } from "./reference.js";

/** Training of a low-rank adapter over weights that stay as they are. */
export interface AdapterTraining {
  /** Where training starts: the factors, and nothing else. The caller owns them. */
  readonly factors: Params;
  /** The objective as a function of the factors. */
  readonly objective: Objective;
  /** Plain weights: base and factors as one; fresh buffers for what the adapter changes, the base's own elsewhere. */
  readonly merged: (factors: Params) => { readonly params: Params; readonly fresh: Params };
}

/**
 * The weights that a base on the device and an adapter stand for; `fresh` are those that the adapter changes, new buffers.
 * Errors: as `withLora`.
 */
export const mergedWeights = (
  { config, params: base }: Weights,
  { options, factors }: Adapter,
  device: Device,
): { readonly params: Params; readonly fresh: Params } => {
  const changed = Object.entries(withLora(base, factors, config, options)).filter(([name, t]) => t !== base[name]);
  const fresh = evaluate(Object.fromEntries(changed), device);
  return { params: { ...base, ...fresh }, fresh };
};

/**
 * Turns an objective over weights into one over the factors of an adapter. `base` lies on the device and stays the caller's.
 * `from` are factors to start at, which stay the caller's; default: fresh ones, decided by `seed`.
 * Errors: as `loraTargets`.
 */
export const adapterTraining = (
  objective: Objective,
  { config, params: base }: { readonly config: ModelConfig; readonly params: Params },
  options: LoraOptions & { readonly seed?: number; readonly from?: Params },
  device: Device,
): AdapterTraining => ({
  factors: evaluate(options.from ?? initLora(config, key(options.seed ?? 0), options), device),
  objective: {
    ...objective,
    sums: (factors, batch) => objective.sums(withLora(base, factors, config, options), batch),
  },
  merged: (factors) => mergedWeights({ config, params: base }, { options, factors }, device),
});
