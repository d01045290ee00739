import { bernoulli, cast, foldInName, mul, type Tensor } from "../../core/index.js";
import type { ModelConfig } from "../../models/config.js";
import { type LoraOptions, loraTargets } from "../../models/lora/targets.js";
import { factorNames, type Params } from "../../models/parameters.js";

/**
 * What each element that an adapter's modules read is multiplied by: 0 with probability p, else 1/(1−p); f32 [B, T, in] by
 * `factorNames(…).d`, beside the factors. Each module has its own.  Source: lora.Linear of huggingface/peft.
 */
export const dropoutMasks = (
  config: ModelConfig,
  options: LoraOptions,
  { p, key, rows: [B, T] }: { readonly p: number; readonly key: Tensor; readonly rows: readonly number[] },
): Params =>
  Object.fromEntries(
    loraTargets(config, options).map(([name, [, inner]]) => [
      factorNames(name).d,
      mul(1 / (1 - p), cast(bernoulli(foldInName(key, name), 1 - p, [B, T, inner]), "f32")),
    ]),
  );
