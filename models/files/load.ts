import { expects } from "../../core/expects.js";
import { type Device, halfToFloat, InputError, sameShape, type Tensor, tensor, upload } from "../../core/index.js";
import { type ModelConfig, readConfig } from "../config.js";
import { type Params, parameterShapes } from "../parameters.js";
import { firstNotFinite, firstNotFiniteHalf } from "./dtypes.js";
import { weightDtypeOf } from "./folder.js";
import type { StoredNumbers } from "./safetensors.js";
import { openWeights, type Weights, type WeightsLayout, type WriteWeightsOptions } from "./weights.js";

/** A model: what it is, its numbers, and how they are stored, so that it can be saved as it was found. */
export interface Model {
  readonly config: ModelConfig;
  readonly params: Params;
  readonly layout: WeightsLayout;
  /** The stored format of each weight, or of all of them. */
  readonly dtype: NonNullable<WriteWeightsOptions["dtype"]>;
}

const shown = (shape: readonly number[]): string => `[${shape.join(", ")}]`;

/** Buffers that old checkpoints carry along and that follow from the configuration. */
const isDerived = (name: string): boolean => name.endsWith(".rotary_emb.inv_freq");

/**
 * Loads a Hugging Face model folder (of the `families`; safetensors, single or sharded; F32, F16 or BF16). Weights keep the
 * dtype of their file. With a device they are uploaded one by one, else they are constants on the host.
 * Errors: InputError, one line, for a folder, file or header that is wrong, and for a tensor that is missing, unknown to
 * the configuration, of another shape, or holds a NaN or an infinity.
 */
export const loadModel = (folder: string, device?: Device): Model => {
  expects("loadModel", "text device?", folder, device);
  const config = readConfig(folder);
  const weights = openModelWeights(folder, config);
  const shapes = parameterShapes(config);
  const load = (name: string) => placed(folder, name, weights.readStored(name), device);
  const params = Object.fromEntries([...shapes.keys()].map((name) => [name, load(name)]));
  return { config, params, layout: weights.layout, dtype: storedDtype(weights, config) };
};

/** A weight as a tensor: on the device, or a constant on the host. Errors: InputError for a NaN or an infinity. */
export const placed = (where: string, name: string, stored: StoredNumbers, device: Device | undefined): Tensor => {
  const broken = brokenIn(stored);
  if (broken !== undefined)
    throw new InputError(
      `${where}: tensor "${name}" holds ${broken.value} at element ${broken.at}; the weights are broken or have diverged`,
    );
  const t = tensor(stored.data, stored.shape, stored.dtype);
  return device === undefined ? t : upload(t, device);
};

/** Each weight's dtype in its file, where weights are saved in it. */
export const storedDtype = ({ info }: Pick<Weights, "info">, config: ModelConfig): Model["dtype"] => {
  const stored = new Map([...parameterShapes(config).keys()].map((name) => [name, info(name).dtype]));
  return (name) => {
    const found = stored.get(name);
    return found === "F16" || found === "BF16" || found === "F32" ? found : weightDtypeOf(config.dtype);
  };
};

/** A folder's weights, which are those that the configuration calls for. Errors: InputError, as `loadModel`, but for the numbers. */
export const openModelWeights = (folder: string, config: ModelConfig): Weights => {
  const weights = openWeights(folder);
  checkNames(weights, parameterShapes(config), config);
  if (config.tied && weights.has("lm_head.weight")) checkTiedHead(weights);
  return weights;
};

/** The first NaN or infinity, and where it is. */
const brokenIn = (stored: StoredNumbers): { readonly value: number; readonly at: number } | undefined => {
  if (stored.dtype === "f32") {
    const at = firstNotFinite(stored.data);
    return at === undefined ? undefined : { value: stored.data[at], at };
  }
  const at = firstNotFiniteHalf(stored.data, stored.dtype);
  return at === undefined ? undefined : { value: halfToFloat(stored.data[at], stored.dtype), at };
};

/** Headers only: every expected tensor is there, in its shape, and nothing else is. */
export const checkNames = (
  weights: Pick<Weights, "folder" | "names" | "has" | "info">,
  shapes: ReadonlyMap<string, readonly number[]>,
  config: ModelConfig,
): void => {
  for (const [name, expected] of shapes) {
    if (!weights.has(name))
      throw new InputError(
        `${weights.folder}: tensor "${name}" is missing; config.json calls for it as ${shown(expected)}`,
      );
    const { shape } = weights.info(name);
    if (!sameShape(shape, expected))
      throw new InputError(
        `${weights.folder}: tensor "${name}" is ${shown(shape)}; config.json calls for ${shown(expected)}`,
      );
  }
  const expected = (name: string) => shapes.has(name) || isDerived(name) || (config.tied && name === "lm_head.weight");
  const unknown = weights.names.filter((name) => !expected(name));
  if (unknown.length > 0) {
    const more = unknown.length > 1 ? ` and ${unknown.length - 1} more` : "";
    throw new InputError(
      `${weights.folder}: tensor "${unknown[0]}" ${shown(weights.info(unknown[0]).shape)}${more}: not part of a ${config.modelType} model with this config.json`,
    );
  }
};

/** A stored copy of the embedding is fine; a head of its own contradicts the configuration. */
const checkTiedHead = (weights: Weights): void =>
  checkSameHead(weights.folder, weights.readStored(HEAD), weights.readStored(EMBEDDING));

export const HEAD = "lm_head.weight";
export const EMBEDDING = "model.embed_tokens.weight";

/** Errors: InputError for a head that is not the embedding. */
export const checkSameHead = (where: string, head: StoredNumbers, embedding: StoredNumbers): void => {
  if (!sameShape(head.shape, embedding.shape) || head.data.some((x, i) => !Object.is(x, embedding.data[i])))
    throw new InputError(
      `${where}: tensor "${HEAD}" differs from the embedding, though config.json ties them; set tie_word_embeddings to false`,
    );
};
