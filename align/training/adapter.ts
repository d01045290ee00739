import { asks } from "../../core/expects.js";
import { type Device, evaluateEach, InputError, key } from "../../core/index.js";
import type { ModelConfig } from "../../models/config.js";
import { initLora, mergeLora, withLora } from "../../models/lora/lora.js";
import { type LoraOptions, loraTargets } from "../../models/lora/targets.js";
import type { Params } from "../../models/parameters.js";
import type { BatchTensors } from "../objectives/log-probs.js";
import type { Objective } from "../objectives/objective.js";
import { dropoutMasks } from "./dropout.js";

/** Training of a low-rank adapter over weights that stay as they are. */
export interface AdapterTraining {
  /** Where training starts: the factors, and nothing else. The caller owns them. */
  readonly factors: Params;
  /** The objective as a function of the factors. */
  readonly objective: Objective;
  /** Plain weights: base and factors as one, as a graph; the base's own tensors where the adapter changes nothing. */
  readonly plain: (factors: Params) => Params;
  /** The same on the device: fresh buffers for what the adapter changes. */
  readonly merged: (factors: Params) => { readonly params: Params; readonly fresh: Params };
}

/**
 * Turns an objective over weights into one over the factors of an adapter. `base` lies on the device and stays the caller's.
 * `from` are factors to start at, which stay the caller's; default: fresh ones, decided by `seed`. `dropout` is the share of
 * what the adapter reads that is dropped in training steps (`lora_dropout`), and nowhere else; the objective must then
 * recompute no layers.
 * Errors: as `loraTargets`.
 */
export const adapterTraining = asks(
  "adapterTraining",
  "record record",
  (
    objective: Objective,
    { config, params: base }: { readonly config: ModelConfig; readonly params: Params },
    {
      dropout: p = 0,
      ...options
    }: LoraOptions & { readonly seed?: number; readonly from?: Params; readonly dropout?: number },
    device: Device,
  ): AdapterTraining => {
    if (!(p >= 0 && p < 1)) throw new InputError(`lora: dropout is ${p}; it must lie in [0, 1)`);
    if (p > 0 && (options.dora || loraTargets(config, options).some(([name]) => name === "lm_head.weight")))
      throw new InputError("lora: dropout does not go with DoRA, nor with an adapter of lm_head; set it to 0");
    const masks = ({ ids, dropoutKey: key }: BatchTensors): Params =>
      key === undefined ? {} : dropoutMasks(config, options, { p, key, rows: ids.shape });
    const plain = (factors: Params): Params => mergeLora(base, factors, config, options);
    return {
      factors: evaluateEach(options.from ?? initLora(config, key(options.seed ?? 0), options, base), device),
      objective: {
        ...objective,
        drops: p > 0,
        sums: (factors, batch) =>
          objective.sums({ ...withLora(base, factors, config, options), ...masks(batch) }, batch),
      },
      plain,
      merged: (factors) => {
        const changed = Object.entries(plain(factors)).filter(([name, t]) => t !== base[name]);
        const fresh = evaluateEach(Object.fromEntries(changed), device);
        return { params: { ...base, ...fresh }, fresh };
      },
    };
  },
);
