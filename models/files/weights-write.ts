import { expects } from "../../core/expects.js";
import { type Pending, textFile, together } from "../folders/files.js";
import type { Folder } from "../folders/folder.js";
import { atOnce, ready, type Work } from "../folders/work.js";
import { diskFolder } from "../platform/node/disk.js";
import { bytesOf, type WeightDtype } from "./dtypes.js";
import type { HostTensor } from "./safetensors.js";
import { type AnnouncedTensor, elementsOf, safetensorsFile, type WeightEntry } from "./safetensors-write.js";
import { indexFile, singleFile, type WeightsLayout } from "./weights.js";

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
  const to = diskFolder(folder);
  const pending = files.map(({ file, entries }) =>
    safetensorsFile({ path: to.pathOf(file), begin: () => to.begin(file) }, entries.map(filled)),
  );
  atOnce(allWritten(to, files, pending));
};

/** Writes planned files and their index, and removes weight files that readers would take for the model's. All files or none. */
export function* allWritten(folder: Folder, files: readonly PlannedFile[], pending: readonly Pending[]): Work<void> {
  const isAlone = files.length === 1 && files[0].file === singleFile;
  yield* together(isAlone ? pending : [...pending, textFile(folder, indexFile, indexText(files))]);
  const keep = new Set([...files.map(({ file }) => file), ...(isAlone ? [] : [indexFile])]);
  for (const name of yield* ready(folder.names())) {
    const ours = name === singleFile || name === indexFile || /^model-\d{5}-of-\d{5}\.safetensors$/.test(name);
    if (ours && !keep.has(name)) yield* ready(folder.remove(name));
  }
}

/** The index of sharded weights. */
const indexText = (files: readonly PlannedFile[]): string => {
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
  return `${text}\n`;
};
