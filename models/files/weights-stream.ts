import { InputError } from "../../core/errors.js";
import type { Pending } from "../folders/files.js";
import type { Folder } from "../folders/folder.js";
import { ready, type Work } from "../folders/work.js";
import { notFiniteAs } from "./dtypes.js";
import { elementsOf, safetensorsHeader, valueBytes } from "./safetensors-write.js";
import { allWritten, type PlannedFile } from "./weights-write.js";

/** Where weights come from. */
export interface WeightSource {
  /** The values of one tensor. */
  readonly valuesOf: (name: string) => Promise<Float32Array>;
  /** What to do about values that are not finite, or would not be as they are stored. */
  readonly mend: string;
}

/** A planned file that asks for each tensor's values when their turn has come. */
const streamed = (folder: Folder, { file, entries }: PlannedFile, { valuesOf, mend }: WeightSource): Pending => {
  const target = folder.pathOf(file);
  const header = safetensorsHeader(target, entries);
  return {
    begin: () => folder.begin(file),
    *write(put) {
      yield* put(header);
      for (const { name, shape, dtype } of entries) {
        const data = yield* ready(valuesOf(name));
        if (data.length !== elementsOf(shape))
          throw new InputError(`${target}: tensor "${name}" [${shape.join(", ")}] was given ${data.length} values`);
        const broken = notFiniteAs(data, dtype);
        if (broken !== undefined) throw new InputError(`${target}: not written, tensor "${name}" ${broken}; ${mend}`);
        for (const piece of valueBytes(data, dtype)) yield* put(piece);
      }
    },
  };
};

/**
 * Writes a folder's weights tensor by tensor: `source.valuesOf` is asked for one tensor at a time, in the order of the files, and
 * nothing is kept. A single model.safetensors, or shards with their index. All files or none. Errors: InputError for what
 * cannot be written, and for values that are not finite as they are stored.
 */
export function* streamWeights(folder: Folder, files: readonly PlannedFile[], source: WeightSource): Work<void> {
  yield* allWritten(
    folder,
    files,
    files.map((file) => streamed(folder, file, source)),
  );
}
