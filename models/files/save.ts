import { join, resolve } from "node:path";
import { asks } from "../../core/expects.js";
import { type Device, dispose, evaluate, type HostData, isConcrete, read, type Tensor } from "../../core/index.js";
import type { ModelConfig } from "../config.js";
import { familyOf } from "../families.js";
import { copyTokenizerFiles, saveConfig } from "./folder.js";
import type { Model } from "./load.js";
import { type SideFiles, sideFilesOf } from "./side-files.js";
import { planFiles } from "./weights.js";
import { streamWeights } from "./weights-stream.js";
import { writeTextAtomically } from "./writing/atomic.js";

/** How a model is saved. */
export interface SaveOptions {
  /** The folder that the tokenizer, chat template and generation settings are copied from, or those as they were read. */
  readonly from?: string | SideFiles;
  /** The chat template, if it is not that of `from`: a Jinja text. */
  readonly chatTemplate?: string;
  /** Where weights that are graphs still, such as base and adapter together, are computed: one at a time. */
  readonly device?: Device;
}

/** The numbers of a weight. Errors: OwnershipError for a graph without a device. */
const numbersOf = async (t: Tensor, device: Device | undefined): Promise<HostData> => {
  if (device === undefined || isConcrete(t)) return read(t);
  const here = evaluate(t, device);
  return read(here).finally(() => dispose(here));
};

/**
 * Writes a folder that transformers and `loadModel` load: weights in the model's layout and dtype, the tokenizer of `from`,
 * and config.json. One tensor at a time is on the host. Every file appears whole; config.json comes last, so that a folder
 * with one is complete.
 * An embedding multiplier that transformers would not apply is folded into the embedding; a tied head then becomes a
 * tensor of its own.
 * Errors: InputError for weights that hold a NaN or an infinity, or would as they are stored, or files that cannot be written.
 */
export const saveModel = asks(
  "saveModel",
  "text record record?",
  async (folder: string, model: Model, { from, chatTemplate, device }: SaveOptions = {}): Promise<void> => {
    const side = typeof from === "string" ? sideFilesOf(from) : from;
    const { config, weights } = plainWeights(model);
    const shapes = new Map([...weights].map(([name, { t }]) => [name, t.shape]));
    const valuesOf = async (name: string): Promise<Float32Array> => {
      const { t, factor } = weights.get(name) as StoredWeight;
      const data = await numbersOf(t, device);
      const values = data instanceof Float32Array ? data : Float32Array.from(data);
      return factor === 1 ? values : values.map((x) => x * factor);
    };
    const mend = "if they were trained, the run has diverged: lower learning_rate";
    await streamWeights(folder, planFiles(shapes, { dtype: model.dtype, layout: model.layout }), { valuesOf, mend });
    if (side !== undefined && resolve(side.folder) !== resolve(folder)) copyTokenizerFiles(side, folder);
    if (chatTemplate !== undefined) writeTextAtomically(join(folder, "chat_template.jinja"), chatTemplate);
    saveConfig(folder, config, { from: side });
  },
);

/** A weight, and what its numbers are multiplied by on their way into the file. */
interface StoredWeight {
  readonly t: Tensor;
  readonly factor: number;
}

/** The model without an embedding multiplier. */
const plainWeights = ({ config, params }: Model): { config: ModelConfig; weights: Map<string, StoredWeight> } => {
  const weights = new Map(Object.entries(params).map(([name, t]) => [name, { t, factor: 1 }]));
  const { embeddingMultiplier: factor, raw } = config;
  if (factor === 1 || !familyOf(config).foldsMultiplier) return { config, weights };
  const { t } = weights.get("model.embed_tokens.weight") as StoredWeight;
  if (config.tied) weights.set("lm_head.weight", { t, factor: 1 });
  weights.set("model.embed_tokens.weight", { t, factor });
  const { embedding_multiplier: _, ...rest } = raw;
  const plain = { ...config, embeddingMultiplier: 1, tied: false, raw: { ...rest, tie_word_embeddings: false } };
  return { config: plain, weights };
};
