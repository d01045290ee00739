import { expects } from "../../core/expects.js";
import {
  constantData,
  type Device,
  type DType,
  deviceOf,
  encodeHalves,
  type HostData,
  InputError,
  isHalf,
  namedLeaves,
  read,
  sameShape,
  type Tensor,
  type Tree,
  tensor,
  treeMake,
  upload,
} from "../../core/index.js";
import { safetensorsOf } from "../../models/files/safetensors.js";
import { type StoredDtype, safetensorsHeader } from "../../models/files/safetensors-write.js";
import { beginFile } from "../../models/files/writing/atomic.js";
import { type Pending, together } from "../../models/folders/files.js";
import type { StoredFile } from "../../models/folders/folder.js";
import { atOnce, inTurn, ready, type Work } from "../../models/folders/work.js";
import { diskFile } from "../../models/platform/node/disk.js";

/** The reference device computes in f64, and its state is stored as such. */
const isDouble = (t: Tensor): boolean => {
  const device = deviceOf(t);
  return device === undefined ? constantData(t).data instanceof Float64Array : device.name === "reference";
};

const STORED = { i32: "I32", u32: "U32", bool: "U32", bf16: "BF16", f16: "F16" } as const;

/** How a leaf lies in the file. */
export const storedAs = (t: Tensor): StoredDtype =>
  t.dtype === "f32" ? (isDouble(t) ? "F64" : "F32") : STORED[t.dtype];

/** Which stored dtypes a leaf of each dtype may come from. */
const TAKES: Readonly<Record<DType, readonly string[]>> = {
  f32: ["F32", "F64"],
  i32: ["I32"],
  u32: ["U32"],
  bool: ["U32"],
  bf16: ["BF16"],
  f16: ["F16"],
};

const viewOf = (bytes: Uint8Array<ArrayBuffer>, dtype: string): HostData => {
  switch (dtype) {
    case "F64":
      return new Float64Array(bytes.buffer);
    case "F32":
      return new Float32Array(bytes.buffer);
    case "I32":
      return new Int32Array(bytes.buffer);
    case "BF16":
    case "F16":
      return new Uint16Array(bytes.buffer);
    default:
      return new Uint32Array(bytes.buffer);
  }
};

/** A leaf's numbers as they lie in the file. */
export const asStored = (numbers: HostData, dtype: DType): HostData => {
  if (!isHalf(dtype)) return numbers;
  const bits = new Uint16Array(numbers.length);
  encodeHalves(numbers as Float32Array, dtype, bits);
  return bits;
};

/** A tree as a file to be written. */
export const treeFile = (path: string, begin: Pending["begin"], tree: Tree): Pending => {
  const named = namedLeaves(tree);
  const entries = named.map(([name, leaf]) => ({ name, shape: leaf.shape, dtype: storedAs(leaf) }));
  const header = safetensorsHeader(path, entries, { format: "taugrad" });
  return {
    begin,
    *write(put) {
      yield* put(header);
      for (const [, leaf] of named) {
        const data = asStored(yield* ready(read(leaf)), leaf.dtype);
        yield* put(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
      }
    },
  };
};

/**
 * Writes a tree of tensors, such as an optimizer's state, to one safetensors file: each leaf under its path in the tree, bit
 * for bit, in its own dtype (F64 on the reference device). Whole or not at all; one leaf at a time is on the host.
 */
export const saveTree = async (path: string, tree: Tree): Promise<void> => {
  expects("saveTree", "text tree", path, tree);
  await inTurn(together([treeFile(path, () => beginFile(path), tree)]));
};

/** The tree of a file that `saveTree` wrote. Errors: as `loadTree`. */
export function* treeOf<T extends Tree>(stored: StoredFile, like: T, device?: Device, whole: Tree = like): Work<T> {
  const { path } = stored;
  const file = yield* safetensorsOf(stored);
  const named = namedLeaves(like);
  const names = new Set(namedLeaves(whole).map(([name]) => name));
  const extra = [...file.tensors.keys()].find((name) => !names.has(name));
  if (extra !== undefined) throw new InputError(`${path}: holds "${extra}", which the run that is resumed has not`);
  const found = new Map<string, Tensor>();
  for (const [name, leaf] of named) {
    const stored = file.tensors.get(name);
    if (stored === undefined) throw new InputError(`${path}: "${name}" is missing`);
    if (!sameShape(stored.shape, leaf.shape) || !TAKES[leaf.dtype].includes(stored.dtype))
      throw new InputError(
        `${path}: "${name}" is ${stored.dtype} [${stored.shape}], and should be ${leaf.dtype} [${leaf.shape}]`,
      );
    const constant = tensor(viewOf(yield* file.readBytes(name), stored.dtype), leaf.shape, leaf.dtype);
    found.set(name, device === undefined ? constant : upload(constant, device));
  }
  return treeMake((_, name) => found.get(name) as Tensor, like);
}

/**
 * The tree that `saveTree` wrote, in the structure of `like` (an optimizer's `init` of the same parameters): as constants, or
 * on a device, leaf by leaf, the caller's. `whole`: what the file holds, where `like` is a part of it.
 * Law: save, load, go on ≡ uninterrupted, bit for bit, on the device that it was saved from.
 * Errors: InputError naming the first leaf that is missing, too many, or of another shape or dtype.
 */
export const loadTree = <T extends Tree>(path: string, like: T, device?: Device, whole: Tree = like): T => {
  expects("loadTree", "text any device? tree?", path, like, device, whole);
  return atOnce(treeOf(diskFile(path), like, device, whole));
};
