import { closeSync, fsyncSync, openSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { InputError } from "../../core/errors.js";
import { notFiniteAs } from "./dtypes.js";
import { type AnnouncedTensor, elementsOf, safetensorsHeader, writeValues } from "./safetensors-write.js";
import { indexOf, isSingle, type PlannedFile, removeStale } from "./weights.js";
import { unwritten, writeAll } from "./writing/append.js";
import { writeAtomically } from "./writing/atomic.js";
import { makeFolder, removeEmpty } from "./writing/make-folder.js";

/** Where weights come from. */
interface WeightSource {
  /** The values of one tensor. */
  readonly valuesOf: (name: string) => Promise<Float32Array>;
  /** What to do about values that are not finite, or would not be as they are stored. */
  readonly mend: string;
}

/** Writes one planned file under a temporary name, asking for each tensor's values when their turn has come. */
const writeOne = async (
  path: string,
  target: string,
  entries: readonly AnnouncedTensor[],
  { valuesOf, mend }: WeightSource,
): Promise<void> => {
  const header = safetensorsHeader(target, entries);
  const handle = openSync(path, "wx");
  try {
    const sink = (bytes: Uint8Array): void => writeAll(handle, bytes);
    sink(header);
    for (const { name, shape, dtype } of entries) {
      const data = await valuesOf(name);
      if (data.length !== elementsOf(shape))
        throw new InputError(`${target}: tensor "${name}" [${shape.join(", ")}] was given ${data.length} values`);
      const broken = notFiniteAs(data, dtype);
      if (broken !== undefined) throw new InputError(`${target}: not written, tensor "${name}" ${broken}; ${mend}`);
      writeValues(data, dtype, sink);
    }
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
};

/**
 * Writes a folder's weights tensor by tensor: `source.valuesOf` is asked for one tensor at a time, in the order of the files, and
 * nothing is kept. A single model.safetensors, or shards with their index. All files or none: on a failure temporary files
 * go, and so does the folder if it was made here. Errors: InputError for what cannot be written, and for values that are not
 * finite as they are stored.
 */
export const streamWeights = async (
  folder: string,
  files: readonly PlannedFile[],
  source: WeightSource,
): Promise<void> => {
  let made: readonly string[] = [];
  const staged = files.map(({ file, entries }) => {
    const target = join(folder, file);
    return { target, entries, path: `${target}.${process.pid}.tmp` };
  });
  try {
    made = makeFolder(folder);
    for (const { path, target, entries } of staged) await writeOne(path, target, entries, source);
    for (const { path, target } of staged) renameSync(path, target);
  } catch (error) {
    for (const { path } of staged) rmSync(path, { force: true });
    removeEmpty(made);
    throw unwritten(
      error,
      staged.map(({ target }) => target),
    );
  }
  if (!isSingle(files)) writeAtomically([indexOf(folder, files)]);
  removeStale(folder, files);
};
