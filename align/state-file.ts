import {
  type DType,
  type HostData,
  InputError,
  namedLeaves,
  read,
  sameShape,
  type Tree,
  tensor,
  treeMap,
} from "../core/index.js";
import { writeAtomically } from "../models/atomic.js";
import { openSafetensors } from "../models/safetensors.js";
import { type StoredDtype, safetensorsHeader } from "../models/safetensors-write.js";

/** How a leaf lies in the file. The reference device computes in f64, and its state is stored as such. */
const storedAs = (data: HostData): StoredDtype =>
  data instanceof Float64Array
    ? "F64"
    : data instanceof Int32Array
      ? "I32"
      : data instanceof Uint32Array
        ? "U32"
        : "F32";

/** Which stored dtypes a leaf of each dtype may come from. */
const TAKES: Readonly<Record<DType, readonly string[]>> = {
  f32: ["F32", "F64"],
  i32: ["I32"],
  u32: ["U32"],
  bool: ["U32"],
};

const viewOf = (bytes: Uint8Array<ArrayBuffer>, dtype: string): HostData => {
  switch (dtype) {
    case "F64":
      return new Float64Array(bytes.buffer);
    case "F32":
      return new Float32Array(bytes.buffer);
    case "I32":
      return new Int32Array(bytes.buffer);
    default:
      return new Uint32Array(bytes.buffer);
  }
};

/**
 * Writes a tree of tensors, such as an optimizer's state, to one safetensors file: each leaf under its path in the tree, bit
 * for bit, in its own dtype (F64 on the reference device). Whole or not at all.
 */
export const saveTree = async (path: string, tree: Tree): Promise<void> => {
  const parts: { name: string; shape: readonly number[]; dtype: StoredDtype; data: HostData }[] = [];
  for (const [name, leaf] of namedLeaves(tree)) {
    const data = await read(leaf);
    parts.push({ name, shape: leaf.shape, dtype: storedAs(data), data });
  }
  const header = safetensorsHeader(path, parts, { format: "taugrad" });
  writeAtomically([
    {
      path,
      write: (sink) => {
        sink(header);
        for (const { data } of parts) sink(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
      },
    },
  ]);
};

/**
 * The tree that `saveTree` wrote, as constants, in the structure of `like` (an optimizer's `init` of the same parameters).
 * Law: save, load, go on ≡ uninterrupted, bit for bit, on the device that it was saved from.
 * Errors: InputError naming the first leaf that is missing, too many, or of another shape or dtype.
 */
export const loadTree = <T extends Tree>(path: string, like: T): T => {
  const file = openSafetensors(path);
  const names = new Set(namedLeaves(like).map(([name]) => name));
  const extra = [...file.tensors.keys()].find((name) => !names.has(name));
  if (extra !== undefined) throw new InputError(`${path}: holds "${extra}", which the run that is resumed has not`);
  return treeMap((leaf, name) => {
    const stored = file.tensors.get(name);
    if (stored === undefined) throw new InputError(`${path}: "${name}" is missing`);
    if (!sameShape(stored.shape, leaf.shape) || !TAKES[leaf.dtype].includes(stored.dtype))
      throw new InputError(
        `${path}: "${name}" is ${stored.dtype} [${stored.shape}], and should be ${leaf.dtype} [${leaf.shape}]`,
      );
    return tensor(viewOf(file.readBytes(name), stored.dtype), leaf.shape, leaf.dtype);
  }, like);
};
