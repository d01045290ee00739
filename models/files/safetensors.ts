import { InputError } from "../../core/errors.js";
import { expects } from "../../core/expects.js";
import { decodeHalves, type HalfType } from "../../core/storage/half.js";
import type { StoredFile } from "../folders/folder.js";
import { atOnce, ready, type Work } from "../folders/work.js";
import { diskFile } from "../platform/node/disk.js";
import { dtypeOf } from "./dtypes.js";
import {
  dtypeBytes,
  headerLength,
  headerText,
  parseHeader,
  type SafetensorsHeader,
  type StoredTensor,
} from "./safetensors-header.js";

export type { StoredTensor };

/** A tensor on the host: row-major values, one per element of `shape`. */
export interface HostTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** A tensor on the host as its file holds it: f32, or the bits of bf16 or f16. */
export type StoredNumbers = {
  readonly shape: readonly number[];
} & ({ readonly dtype: "f32"; readonly data: Float32Array } | { readonly dtype: HalfType; readonly data: Uint16Array });

/** A checked safetensors file, wherever it lies. Tensors are in file order and read one at a time. */
export interface SafetensorsFile extends SafetensorsHeader {
  readonly path: string;
  readonly read: (name: string) => Work<HostTensor>;
  readonly readStored: (name: string) => Work<StoredNumbers>;
  readonly readIntegers: (name: string) => Work<{ readonly shape: readonly number[]; readonly data: Int32Array }>;
  readonly readBytes: (name: string) => Work<Uint8Array<ArrayBuffer>>;
}

/** A checked safetensors file of the disk. Tensors are in file order and read one at a time. */
export interface Safetensors extends SafetensorsHeader {
  readonly path: string;
  /** Values as f32 (F32, F16, BF16, F64). Errors: InputError for an unknown name, a dtype that is not a float, a file that changed. */
  readonly read: (name: string) => HostTensor;
  /** F16 and BF16 as they are stored, without a copy in f32; else, and with the same errors, as `read`. */
  readonly readStored: (name: string) => StoredNumbers;
  /** Values of an I32 tensor, as token ids and labels are stored. */
  readonly readIntegers: (name: string) => { readonly shape: readonly number[]; readonly data: Int32Array };
  /** The bytes of a tensor as they are stored, little-endian. */
  readonly readBytes: (name: string) => Uint8Array<ArrayBuffer>;
}

/** 16-bit floats and doubles are converted in pieces of this many bytes, so that a tensor never lies in memory twice. */
const CHUNK = 1 << 22;

/** Values as f32. Errors: InputError for a dtype that is not a float, and those of the file. */
function* floats(file: StoredFile, { name, dtype, shape, begin, end }: StoredTensor, start: number): Work<HostTensor> {
  if (dtype === "F32")
    return { shape, data: new Float32Array((yield* ready(file.read(start + begin, start + end))).buffer) };
  if (dtype !== "F16" && dtype !== "BF16" && dtype !== "F64")
    throw new InputError(
      `${file.path}: tensor "${name}" is ${dtype}; only F32, F16, BF16 and F64 can be read as weights`,
    );
  const data = new Float32Array((end - begin) / dtypeBytes[dtype]);
  for (let at = begin; at < end; at += CHUNK) {
    const { buffer } = yield* ready(file.read(start + at, start + Math.min(end, at + CHUNK)));
    const into = data.subarray((at - begin) / dtypeBytes[dtype]);
    if (dtype === "F64") into.set(new Float64Array(buffer));
    else decodeHalves(new Uint16Array(buffer), dtypeOf[dtype], into.subarray(0, buffer.byteLength / 2));
  }
  return { shape, data };
}

/** Opens and checks a safetensors file; only the header is read. Errors: as `openSafetensors`. */
export function* safetensorsOf(file: StoredFile): Work<SafetensorsFile> {
  const { path, size } = file;
  if (size < 8) throw new InputError(`${path}: is no safetensors file: ${size} bytes, the header length alone takes 8`);
  const length = headerLength(path, yield* ready(file.read(0, 8)), size);
  const start = 8 + length;
  const { metadata, tensors } = parseHeader(path, headerText(path, yield* ready(file.read(8, start))), size - start);
  const stored = (name: string): StoredTensor => {
    const found = tensors.get(name);
    if (found === undefined) throw new InputError(`${path}: holds no tensor "${name}"`);
    return found;
  };
  const bytes = ({ begin, end }: StoredTensor) => ready(file.read(start + begin, start + end));
  return {
    ...{ path, metadata, tensors },
    *read(name) {
      return yield* floats(file, stored(name), start);
    },
    *readStored(name) {
      const found = stored(name);
      const { dtype, shape } = found;
      if (dtype !== "F16" && dtype !== "BF16") return { ...(yield* floats(file, found, start)), dtype: "f32" };
      return { shape, data: new Uint16Array((yield* bytes(found)).buffer), dtype: dtypeOf[dtype] };
    },
    *readIntegers(name) {
      const found = stored(name);
      const { dtype, shape } = found;
      if (dtype !== "I32") throw new InputError(`${path}: tensor "${name}" is ${dtype}; expected I32`);
      return { shape, data: new Int32Array((yield* bytes(found)).buffer) };
    },
    *readBytes(name) {
      return yield* bytes(stored(name));
    },
  };
}

/**
 * Opens and checks a safetensors file of the disk; only the header is read.
 * Errors: InputError, one line, for a file that is missing, truncated or whose header lies: every number is checked
 * against the file's size before anything of that size is allocated.
 * Source: the format description of huggingface/safetensors; like its reader, no holes, no overlap, no trailing bytes.
 */
export const openSafetensors = (path: string): Safetensors => {
  expects("openSafetensors", "text", path);
  const file = atOnce(safetensorsOf(diskFile(path)));
  return {
    ...file,
    read: (name) => atOnce(file.read(name)),
    readStored: (name) => atOnce(file.readStored(name)),
    readIntegers: (name) => atOnce(file.readIntegers(name)),
    readBytes: (name) => atOnce(file.readBytes(name)),
  };
};
