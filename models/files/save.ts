import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { InputError, read } from "../../core/index.js";
import type { ModelConfig } from "../config.js";
import { writeTextAtomically } from "./atomic.js";
import { firstNotFinite } from "./dtypes.js";
import { copyTokenizerFiles, saveConfig } from "./folder.js";
import type { Model } from "./load.js";
import type { HostTensor } from "./safetensors.js";
import { writeWeights } from "./weights.js";

export interface SaveOptions {
  /** The folder that the tokenizer, chat template and generation settings are copied from. */
  readonly from?: string;
  /** The chat template, if it is not that of `from`: a Jinja text. */
  readonly chatTemplate?: string;
}

/**
 * Writes a folder that transformers and `loadModel` load: weights in the model's layout and dtype, config.json, and the
 * tokenizer of `from`. Every file appears whole; config.json comes last, so that a folder with one is complete.
 * An embedding multiplier, which transformers would not apply, is folded into the embedding; a tied head then becomes a
 * tensor of its own.
 * Errors: InputError for weights that hold a NaN or an infinity, or files that cannot be written.
 */
export const saveModel = async (
  folder: string,
  model: Model,
  { from, chatTemplate }: SaveOptions = {},
): Promise<void> => {
  const weights = new Map<string, HostTensor>();
  for (const [name, t] of Object.entries(model.params)) {
    const data = await read(t);
    const found = firstNotFinite(data);
    if (found !== undefined)
      throw new InputError(
        `${folder}: not saved, tensor "${name}" holds ${data[found]} at element ${found}: the run has diverged; lower learning_rate`,
      );
    weights.set(name, { shape: t.shape, data: data instanceof Float32Array ? data : Float32Array.from(data) });
  }
  const config = foldMultiplier(model.config, weights);
  mkdirSync(folder, { recursive: true });
  if (from !== undefined && resolve(from) !== resolve(folder)) copyTokenizerFiles(from, folder);
  if (chatTemplate !== undefined) writeTextAtomically(join(folder, "chat_template.jinja"), chatTemplate);
  writeWeights(folder, weights, { dtype: model.dtype, layout: model.layout });
  saveConfig(folder, config, { from });
};

const foldMultiplier = (config: ModelConfig, weights: Map<string, HostTensor>): ModelConfig => {
  const { embeddingMultiplier, raw } = config;
  if (embeddingMultiplier === 1) return config;
  const embedding = weights.get("model.embed_tokens.weight") as HostTensor;
  if (config.tied) weights.set("lm_head.weight", embedding);
  weights.set("model.embed_tokens.weight", { ...embedding, data: embedding.data.map((x) => x * embeddingMultiplier) });
  const { embedding_multiplier: _, ...rest } = raw;
  return { ...config, embeddingMultiplier: 1, tied: false, raw: { ...rest, tie_word_embeddings: false } };
};
