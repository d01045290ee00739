import { expects } from "../../core/expects.js";
import {
  type Device,
  dispose,
  halfToFloat,
  InputError,
  OutOfMemoryError,
  sameShape,
  type Tensor,
  tensor,
  upload,
} from "../../core/index.js";
import { configIn, type ModelConfig } from "../config.js";
import type { Folder } from "../folders/folder.js";
import { atOnce, type Soon, type Work } from "../folders/work.js";
import { workIn } from "../folders/work-in.js";
import { type Params, parameterShapes } from "../parameters.js";
import { diskFolder } from "../platform/node/disk.js";
import { firstNotFinite, firstNotFiniteHalf } from "./dtypes.js";
import { weightDtypeOf } from "./folder.js";
import type { StoredNumbers } from "./safetensors.js";
import { type StoredWeights, type Weights, type WeightsLayout, weightsAtOnce, weightsIn } from "./weights.js";
import type { WriteWeightsOptions } from "./weights-write.js";

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

/** How a model is loaded from where its files have to be waited for. */
export interface LoadOptions {
  /** Ends the loading; it rejects with the signal's reason, and what was loaded is freed. */
  readonly signal?: AbortSignal;
  /** Bytes of weights on the device, and of all that there are; after each tensor. */
  readonly onProgress?: (loaded: number, total: number) => void;
}

/** The weights that a configuration calls for, placed one at a time in the order of their file. Errors: as `loadModel`. */
export function* modelOf(
  config: ModelConfig,
  weights: StoredWeights,
  device: Device | undefined,
  { signal, onProgress }: LoadOptions = {},
): Work<Model> {
  const shapes = parameterShapes(config);
  yield* checkWeights(weights, config);
  const names = weights.names.filter((name) => shapes.has(name));
  const total = names.reduce((sum, name) => sum + weights.bytes(name), 0);
  if (device !== undefined) mustHold(device, total, weights.folder);
  const found: Record<string, Tensor> = {};
  let loaded = 0;
  try {
    for (const name of names) {
      signal?.throwIfAborted();
      found[name] = placed(weights.folder, name, yield* weights.readStored(name), device);
      loaded += weights.bytes(name);
      onProgress?.(loaded, total);
    }
  } catch (error) {
    if (device !== undefined) dispose(found);
    throw error;
  }
  const params = Object.fromEntries([...shapes.keys()].map((name) => [name, found[name]]));
  return { config, params, layout: weights.layout, dtype: storedDtype(weights, config) };
}

/**
 * Loads a Hugging Face model folder (of the `families`; safetensors, single or sharded; F32, F16 or BF16). Weights keep the
 * dtype of their file. With a device they are uploaded one by one, else they are constants on the host. A path is read at once;
 * a `Folder` elsewhere is waited for, one tensor at a time.
 * Errors: InputError, one line, for a folder, file or header that is wrong, and for a tensor that is missing, unknown to
 * the configuration, of another shape, or holds a NaN or an infinity; OutOfMemoryError, before any is read, where the device
 * tells what memory it has and all weights take more.
 */
export function loadModel(folder: string, device?: Device): Model;
export function loadModel(folder: Folder, device?: Device, options?: LoadOptions): Promise<Model>;
export function loadModel(folder: string | Folder, device?: Device, options: LoadOptions = {}): Soon<Model> {
  expects("loadModel", "folder device? {signal,onProgress:function}", folder, device, options);
  return workIn(folder, function* (files) {
    const config = yield* configIn(files);
    return yield* modelOf(config, yield* weightsIn(files), device, options);
  });
}

/** Errors: OutOfMemoryError where a device tells what it has, and that is less. */
const mustHold = (device: Device, bytes: number, folder: string): void => {
  const { name, limits } = device;
  const used = device.stats().liveBytes;
  const { memory: limit = Number.POSITIVE_INFINITY, remedy } = limits ?? {};
  if (used + bytes > limit)
    throw new OutOfMemoryError({ device: name, bytes, used, limit, remedy, tensor: `the weights of ${folder}` });
};

/** A weight as a tensor: on the device, or a constant on the host. Errors: InputError for a NaN or an infinity. */
const placed = (where: string, name: string, stored: StoredNumbers, device: Device | undefined): Tensor => {
  const broken = brokenIn(stored);
  if (broken !== undefined)
    throw new InputError(
      `${where}: tensor "${name}" holds ${broken.value} at element ${broken.at}; the weights are broken or have diverged`,
    );
  const t = tensor(stored.data, stored.shape, stored.dtype);
  return device === undefined ? t : upload(t, device);
};

/** Each weight's dtype in its file, where weights are saved in it. */
const storedDtype = ({ info }: Pick<Weights, "info">, config: ModelConfig): Model["dtype"] => {
  const stored = new Map([...parameterShapes(config).keys()].map((name) => [name, info(name).dtype]));
  return (name) => {
    const found = stored.get(name);
    return found === "F16" || found === "BF16" || found === "F32" ? found : weightDtypeOf(config.dtype);
  };
};

/** A folder's weights, which are those that the configuration calls for. Errors: InputError, as `loadModel`, but for the numbers. */
export const openModelWeights = (folder: string, config: ModelConfig): Weights => {
  const weights = atOnce(weightsIn(diskFolder(folder)));
  atOnce(checkWeights(weights, config));
  return weightsAtOnce(weights);
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
const checkNames = (
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
  const expected = (name: string) => shapes.has(name) || isDerived(name) || (config.tied && name === HEAD);
  const unknown = weights.names.filter((name) => !expected(name));
  if (unknown.length > 0) {
    const more = unknown.length > 1 ? ` and ${unknown.length - 1} more` : "";
    throw new InputError(
      `${weights.folder}: tensor "${unknown[0]}" ${shown(weights.info(unknown[0]).shape)}${more}: not part of a ${config.modelType} model with this config.json`,
    );
  }
};

const HEAD = "lm_head.weight";
const EMBEDDING = "model.embed_tokens.weight";

/** They are those that the configuration calls for. A stored copy of the embedding is fine; a head of its own contradicts it. */
function* checkWeights(weights: StoredWeights, config: ModelConfig): Work<void> {
  checkNames(weights, parameterShapes(config), config);
  if (!config.tied || !weights.has(HEAD)) return;
  const [head, embedding] = [yield* weights.readStored(HEAD), yield* weights.readStored(EMBEDDING)];
  if (!sameShape(head.shape, embedding.shape) || head.data.some((x, i) => !Object.is(x, embedding.data[i])))
    throw new InputError(
      `${weights.folder}: tensor "${HEAD}" differs from the embedding, though config.json ties them; set tie_word_embeddings to false`,
    );
}
