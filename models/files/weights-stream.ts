import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { InputError } from "../../core/errors.js";
import { writeAtomically } from "./atomic.js";
import { folderExists } from "./json.js";
import { type AnnouncedTensor, elementsOf, safetensorsHeader, writeValues } from "./safetensors-write.js";
import { indexFile, indexOf, removeStale, singleFile } from "./weights.js";

/** One weight file to be written: its name in the folder, and its tensors in order. */
export interface PlannedFile {
  readonly file: string;
  readonly entries: readonly AnnouncedTensor[];
}

/** Writes one planned file under a temporary name, asking for each tensor's values when their turn has come. */
const writeOne = async (
  path: string,
  target: string,
  entries: readonly AnnouncedTensor[],
  valuesOf: (name: string) => Promise<Float32Array>,
): Promise<void> => {
  const header = safetensorsHeader(target, entries);
  const handle = openSync(path, "wx");
  try {
    const sink = (bytes: Uint8Array): void => {
      for (let done = 0; done < bytes.byteLength; ) done += writeSync(handle, bytes, done, bytes.byteLength - done);
    };
    sink(header);
    for (const { name, shape, dtype } of entries) {
      const data = await valuesOf(name);
      if (data.length !== elementsOf(shape))
        throw new InputError(`${target}: tensor "${name}" [${shape.join(", ")}] was given ${data.length} values`);
      writeValues(data, dtype, sink);
    }
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
};

/**
 * Writes a folder's weights tensor by tensor: `valuesOf` is asked for one tensor at a time, in the order of the files, and
 * nothing is kept. A single model.safetensors, or shards with their index. All files or none: on a failure temporary files
 * go, and so does the folder if it was made here.
 */
export const streamWeights = async (
  folder: string,
  files: readonly PlannedFile[],
  valuesOf: (name: string) => Promise<Float32Array>,
): Promise<void> => {
  const fresh = !folderExists(folder);
  mkdirSync(folder, { recursive: true });
  const single = files.length === 1 && files[0].file === singleFile;
  const staged = files.map(({ file, entries }) => {
    const target = join(folder, file);
    return { target, entries, path: `${target}.${process.pid}.tmp` };
  });
  try {
    for (const { path, target, entries } of staged) await writeOne(path, target, entries, valuesOf);
    for (const { path, target } of staged) renameSync(path, target);
  } catch (error) {
    for (const { path } of staged) rmSync(path, { force: true });
    if (fresh && readdirSync(folder).length === 0) rmdirSync(folder);
    throw error;
  }
  if (!single) writeAtomically([indexOf(folder, files)]);
  removeStale(folder, new Set([...files.map(({ file }) => file), ...(single ? [] : [indexFile])]));
};
