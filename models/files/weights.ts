import { InputError } from "../../core/errors.js";
import { expects } from "../../core/expects.js";
import { fileIn, jsonIn } from "../folders/files.js";
import type { Folder } from "../folders/folder.js";
import { atOnce, ready, type Work } from "../folders/work.js";
import { diskFolder } from "../platform/node/disk.js";
import { isObject, show } from "./json.js";
import {
  type HostTensor,
  type SafetensorsFile,
  type StoredNumbers,
  type StoredTensor,
  safetensorsOf,
} from "./safetensors.js";

export const singleFile = "model.safetensors";
export const indexFile = "model.safetensors.index.json";

/** How a model's tensors are spread over files: file → names, both in the order they are written. */
export type WeightsLayout =
  | { readonly kind: "single"; readonly names: readonly string[] }
  | { readonly kind: "sharded"; readonly files: ReadonlyMap<string, readonly string[]> };

/** The weights of a model folder; tensors are read one at a time, when asked for. */
export interface Weights {
  readonly folder: string;
  readonly layout: WeightsLayout;
  readonly names: readonly string[];
  readonly has: (name: string) => boolean;
  /** Stored dtype and shape, without reading values. */
  readonly info: (name: string) => Pick<StoredTensor, "dtype" | "shape">;
  readonly read: (name: string) => HostTensor;
  /** As the file holds it: 16-bit floats by their bits. */
  readonly readStored: (name: string) => StoredNumbers;
}

/** The weights of a model wherever it lies: as `Weights`, for whoever waits. */
export interface StoredWeights extends Pick<Weights, "folder" | "layout" | "names" | "has" | "info"> {
  /** Bytes that a tensor takes. */
  readonly bytes: (name: string) => number;
  readonly readStored: (name: string) => Work<StoredNumbers>;
  readonly read: (name: string) => Work<HostTensor>;
}

/** Opens a folder's weights. Errors: as `openWeights`. */
export function* weightsIn(folder: Folder): Work<StoredWeights> {
  const files = yield* shardsIn(folder);
  const home = new Map<string, SafetensorsFile>();
  const layoutFiles = new Map<string, readonly string[]>();
  for (const [file, listed] of files) {
    const opened = yield* safetensorsOf(yield* fileIn(folder, file));
    const { tensors } = opened;
    const missing = listed?.find((name) => !tensors.has(name));
    if (missing !== undefined)
      throw new InputError(`${folder.pathOf(file)}: holds no tensor "${missing}", though ${indexFile} says so`);
    const wanted = listed && new Set(listed);
    const names = [...tensors.keys()].filter((name) => wanted?.has(name) ?? true);
    layoutFiles.set(file, names);
    for (const name of names) home.set(name, opened);
  }
  const layout: WeightsLayout = files.has(singleFile)
    ? { kind: "single", names: [...home.keys()] }
    : { kind: "sharded", files: layoutFiles };
  return weightsOf(folder.path, home, layout);
}

/** Weights by the files that they lie in. */
export const weightsOf = (
  folder: string,
  home: ReadonlyMap<string, SafetensorsFile>,
  layout: WeightsLayout,
): StoredWeights => {
  const fileOf = (name: string): SafetensorsFile => {
    const file = home.get(name);
    if (file === undefined) throw new InputError(`${folder}: holds no tensor "${name}"`);
    return file;
  };
  const stored = (name: string) => fileOf(name).tensors.get(name) as StoredTensor;
  return {
    ...{ folder, layout, names: [...home.keys()] },
    has: (name) => home.has(name),
    info: stored,
    bytes: (name) => stored(name).end - stored(name).begin,
    *read(name) {
      return yield* fileOf(name).read(name);
    },
    *readStored(name) {
      return yield* fileOf(name).readStored(name);
    },
  };
};

/** The same for who reads at once. */
export const weightsAtOnce = (weights: StoredWeights): Weights => ({
  ...weights,
  read: (name) => atOnce(weights.read(name)),
  readStored: (name) => atOnce(weights.readStored(name)),
});

/**
 * Opens `model.safetensors`, or the shards that `model.safetensors.index.json` lists. Headers are checked; no values read.
 * Errors: InputError for a folder without weights, a shard that is missing, a tensor that is not in its shard.
 */
export const openWeights = (folder: string): Weights => {
  expects("openWeights", "text", folder);
  return weightsAtOnce(atOnce(weightsIn(diskFolder(folder))));
};

/** The files that hold a folder's weights: one, or the index and what it lists. Errors: InputError, as `openWeights`. */
export const weightFiles = (folder: string): readonly string[] => {
  const files = atOnce(shardsIn(diskFolder(folder)));
  return files.has(singleFile) ? [singleFile] : [indexFile, ...files.keys()];
};

/** file → names that the index expects in it (undefined: all that it holds). The single file wins, as in transformers. */
function* shardsIn(folder: Folder): Work<ReadonlyMap<string, readonly string[] | undefined>> {
  if ((yield* ready(folder.file(singleFile))) !== undefined) return new Map([[singleFile, undefined]]);
  const path = folder.pathOf(indexFile);
  const index = yield* jsonIn(folder, indexFile);
  if (index === undefined) {
    if (!(yield* ready(folder.isThere()))) throw new InputError(`${folder.path}: no such folder`);
    const torch = (yield* ready(folder.names())).some((name) => name.endsWith(".bin") || name.endsWith(".pt"));
    throw new InputError(
      `${folder.path}: holds no ${singleFile} and no ${indexFile}${torch ? "; PyTorch .bin files must be converted to safetensors first" : ""}`,
    );
  }
  const { weight_map: map } = index;
  if (!isObject(map)) throw new InputError(`${path}: weight_map must be an object, is ${show(map)}`);
  const files = new Map<string, string[]>();
  for (const [name, file] of Object.entries(map)) {
    // A name with a separator would read, and on saving write, outside of the folder.
    if (typeof file !== "string" || !/^[\w.-]+\.safetensors$/.test(file)) {
      throw new InputError(
        `${path}: weight_map sends "${name}" to ${show(file)}, not to a .safetensors file of this folder`,
      );
    }
    const names = files.get(file) ?? [];
    files.set(file, names);
    names.push(name);
  }
  for (const file of files.keys()) {
    if ((yield* ready(folder.file(file))) === undefined)
      throw new InputError(`${folder.pathOf(file)}: shard is missing (listed in ${indexFile})`);
  }
  return files;
}
