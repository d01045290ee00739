import { resolve } from "node:path";
import { asks } from "../../core/expects.js";
import { type Device, dispose, evaluate, type HostData, isConcrete, read, type Tensor } from "../../core/index.js";
import type { ModelConfig } from "../config.js";
import { familyOf } from "../families.js";
import { textFile, together } from "../folders/files.js";
import type { Folder } from "../folders/folder.js";
import { inTurn } from "../folders/work.js";
import { folderFrom } from "../folders/work-in.js";
import { configSaved, tokenizerCopied } from "./folder.js";
import type { Model } from "./load.js";
import { type SideFiles, sideFilesIn } from "./side-files.js";
import { streamWeights } from "./weights-stream.js";
import { planFiles } from "./weights-write.js";

/** How a model is saved. */
export interface SaveOptions {
  /** The folder that the tokenizer, chat template and generation settings are copied from, or those as they were read. */
  readonly from?: string | Folder | SideFiles;
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
 * with one is complete. `folder` is a path, or a `Folder` that can be written.
 * An embedding multiplier that transformers would not apply is folded into the embedding; a tied head then becomes a
 * tensor of its own.
 * Errors: InputError for weights that hold a NaN or an infinity, or would as they are stored, or files that cannot be written.
 */
export const saveModel = asks(
  "saveModel",
  "folder record record?",
  async (folder: string | Folder, model: Model, { from, chatTemplate, device }: SaveOptions = {}): Promise<void> => {
    const to = folderFrom(folder);
    const isFolder = typeof from === "string" || (from !== undefined && "file" in from);
    const side = isFolder ? await inTurn(sideFilesIn(folderFrom(from))) : from;
    const isInPlace =
      from === folder || (typeof folder === "string" && side && resolve(side.folder) === resolve(folder));
    const { config, weights } = plainWeights(model);
    const shapes = new Map([...weights].map(([name, { t }]) => [name, t.shape]));
    const valuesOf = async (name: string): Promise<Float32Array> => {
      const { t, factor } = weights.get(name) as StoredWeight;
      const data = await numbersOf(t, device);
      const values = data instanceof Float32Array ? data : Float32Array.from(data);
      return factor === 1 ? values : values.map((x) => x * factor);
    };
    const mend = "if they were trained, the run has diverged: lower learning_rate";
    const files = planFiles(shapes, { dtype: model.dtype, layout: model.layout });
    await inTurn(streamWeights(to, files, { valuesOf, mend }));
    if (side !== undefined && !isInPlace) await inTurn(tokenizerCopied(side, to));
    if (chatTemplate !== undefined) await inTurn(together([textFile(to, "chat_template.jinja", chatTemplate)]));
    await inTurn(configSaved(to, config, { from: side }));
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
