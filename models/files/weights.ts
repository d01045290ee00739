import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { InputError } from "../../core/errors.js";
import { expects } from "../../core/expects.js";
import type { WeightDtype } from "./dtypes.js";
import { bytesOf } from "./dtypes.js";
import { fileExists, folderExists, isObject, readJsonObject, show } from "./json.js";
import type { HostTensor, StoredNumbers, StoredTensor } from "./safetensors.js";
import { openSafetensors } from "./safetensors.js";
import type { AnnouncedTensor, WeightEntry } from "./safetensors-write.js";
import { elementsOf, safetensorsFile } from "./safetensors-write.js";
import type { PendingFile } from "./writing/atomic.js";
import { writeAtomically } from "./writing/atomic.js";

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

/**
 * Opens `model.safetensors`, or the shards that `model.safetensors.index.json` lists. Headers are checked; no values read.
 * Errors: InputError for a folder without weights, a shard that is missing, a tensor that is not in its shard.
 */
export const openWeights = (folder: string): Weights => {
  expects("openWeights", "text", folder);
  const files = shardsOf(folder);
  const opened = new Map([...files.keys()].map((file) => [file, openSafetensors(join(folder, file))]));
  const home = new Map<string, string>();
  const layoutFiles = new Map<string, readonly string[]>();
  for (const [file, listed] of files) {
    const { tensors } = opened.get(file) as ReturnType<typeof openSafetensors>;
    const missing = listed?.find((name) => !tensors.has(name));
    if (missing !== undefined)
      throw new InputError(`${join(folder, file)}: holds no tensor "${missing}", though ${indexFile} says so`);
    const wanted = listed && new Set(listed);
    const names = [...tensors.keys()].filter((name) => wanted?.has(name) ?? true);
    layoutFiles.set(file, names);
    for (const name of names) home.set(name, file);
  }
  const fileOf = (name: string) => {
    const file = home.get(name);
    if (file === undefined) throw new InputError(`${folder}: holds no tensor "${name}"`);
    return opened.get(file) as ReturnType<typeof openSafetensors>;
  };
  const layout: WeightsLayout = fileExists(join(folder, singleFile))
    ? { kind: "single", names: [...home.keys()] }
    : { kind: "sharded", files: layoutFiles };
  return {
    folder,
    layout,
    names: [...home.keys()],
    has: (name) => home.has(name),
    info: (name) => fileOf(name).tensors.get(name) as StoredTensor,
    read: (name) => fileOf(name).read(name),
    readStored: (name) => fileOf(name).readStored(name),
  };
};

/** The files that hold a folder's weights: one, or the index and what it lists. Errors: InputError, as `openWeights`. */
export const weightFiles = (folder: string): readonly string[] => {
  const files = shardsOf(folder);
  return files.has(singleFile) ? [singleFile] : [indexFile, ...files.keys()];
};

/** file → names that the index expects in it (undefined: all that it holds). The single file wins, as in transformers. */
const shardsOf = (folder: string): ReadonlyMap<string, readonly string[] | undefined> => {
  if (fileExists(join(folder, singleFile))) return new Map([[singleFile, undefined]]);
  const path = join(folder, indexFile);
  if (!fileExists(path)) {
    if (!folderExists(folder)) throw new InputError(`${folder}: no such folder`);
    const torch = readdirSync(folder).some((name) => name.endsWith(".bin") || name.endsWith(".pt"));
    throw new InputError(
      `${folder}: holds no ${singleFile} and no ${indexFile}${torch ? "; PyTorch .bin files must be converted to safetensors first" : ""}`,
    );
  }
  const { weight_map: map } = readJsonObject(path);
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
    if (!fileExists(join(folder, file)))
      throw new InputError(`${join(folder, file)}: shard is missing (listed in ${indexFile})`);
  }
  return files;
};

/** How to store weights: one dtype for all, or one a name; single file unless a layout says otherwise. */
export interface WriteWeightsOptions {
  readonly dtype?: WeightDtype | ((name: string) => WeightDtype);
  readonly layout?: WeightsLayout;
}

/** One weight file to be written: its name in the folder, and its tensors in order. */
export interface PlannedFile {
  readonly file: string;
  readonly entries: readonly AnnouncedTensor[];
}

/**
 * Which files weights are saved in, by name and shape: those of the layout they were loaded in, in the same order. Tensors
 * that the layout does not know go into the last file; names of the layout that are not among the tensors are left out
 * (a tied head).
 */
export const planFiles = (
  tensors: ReadonlyMap<string, readonly number[]>,
  { dtype = "F32", layout = { kind: "single", names: [] } }: WriteWeightsOptions = {},
): PlannedFile[] => {
  const entry = (name: string): AnnouncedTensor => ({
    name,
    shape: tensors.get(name) as readonly number[],
    dtype: typeof dtype === "string" ? dtype : dtype(name),
  });
  const planned: [string, readonly string[]][] =
    layout.kind === "single" ? [[singleFile, layout.names]] : [...layout.files].map(([file, names]) => [file, names]);
  const known = new Set(planned.flatMap(([, names]) => names));
  const extra = [...tensors.keys()].filter((name) => !known.has(name));
  const files = planned.map(([file, names], i) => {
    const present = names.filter((name) => tensors.has(name));
    return { file, entries: (i === planned.length - 1 ? [...present, ...extra] : present).map(entry) };
  });
  return files.filter(({ entries }) => entries.length > 0 || layout.kind === "single");
};

/** Does a plan take one file alone, without an index? */
export const isSingle = (files: readonly PlannedFile[]): boolean => files.length === 1 && files[0].file === singleFile;

/**
 * Saves weights that are all at hand into a model folder, in the files that `planFiles` says. Weight files of another layout
 * are removed, since readers would prefer them. All files or none.
 */
export const writeWeights = (
  folder: string,
  tensors: ReadonlyMap<string, HostTensor>,
  options: WriteWeightsOptions = {},
): void => {
  expects("writeWeights", "text record record?", folder, tensors, options);
  const files = planFiles(new Map([...tensors].map(([name, { shape }]) => [name, shape])), options);
  const filled = (entry: AnnouncedTensor): WeightEntry => ({
    ...entry,
    data: (tensors.get(entry.name) as HostTensor).data,
  });
  const pending = files.map(({ file, entries }) => safetensorsFile(join(folder, file), entries.map(filled)));
  writeAtomically(isSingle(files) ? pending : [...pending, indexOf(folder, files)]);
  removeStale(folder, files);
};

/** The index of sharded weights, as a pending file. */
export const indexOf = (folder: string, files: readonly PlannedFile[]): PendingFile => {
  const all = files.flatMap(({ file, entries }) => entries.map((entry) => ({ file, ...entry })));
  const sorted = [...all].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  const text = JSON.stringify(
    {
      metadata: {
        total_parameters: all.reduce((sum, { shape }) => sum + elementsOf(shape), 0),
        total_size: all.reduce((sum, { shape, dtype }) => sum + elementsOf(shape) * bytesOf[dtype], 0),
      },
      weight_map: Object.fromEntries(sorted.map(({ name, file }) => [name, file])),
    },
    null,
    2,
  );
  return { path: join(folder, indexFile), write: (sink) => sink(Buffer.from(`${text}\n`, "utf8")) };
};

/** Weight files that readers would take for the model's, or prefer to those just written, are removed. */
export const removeStale = (folder: string, files: readonly PlannedFile[]): void => {
  const keep = new Set([...files.map(({ file }) => file), ...(isSingle(files) ? [] : [indexFile])]);
  for (const name of readdirSync(folder)) {
    const ours = name === singleFile || name === indexFile || /^model-\d{5}-of-\d{5}\.safetensors$/.test(name);
    if (ours && !keep.has(name)) rmSync(join(folder, name), { force: true });
  }
};
