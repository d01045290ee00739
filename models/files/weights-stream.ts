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
import { unwritten, writeAtomically } from "./atomic.js";
import { folderExists } from "./json.js";
import { type AnnouncedTensor, elementsOf, safetensorsHeader, writeValues } from "./safetensors-write.js";
import { indexOf, isSingle, type PlannedFile, removeStale } from "./weights.js";

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
  const staged = files.map(({ file, entries }) => {
    const target = join(folder, file);
    return { target, entries, path: `${target}.${process.pid}.tmp` };
  });
  try {
    mkdirSync(folder, { recursive: true });
    for (const { path, target, entries } of staged) await writeOne(path, target, entries, valuesOf);
    for (const { path, target } of staged) renameSync(path, target);
  } catch (error) {
    for (const { path } of staged) rmSync(path, { force: true });
    if (fresh && folderExists(folder) && readdirSync(folder).length === 0) rmdirSync(folder);
    throw unwritten(
      error,
      staged.map(({ target }) => target),
    );
  }
  if (!isSingle(files)) writeAtomically([indexOf(folder, files)]);
  removeStale(folder, files);
};
