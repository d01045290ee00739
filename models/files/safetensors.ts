import { closeSync, fstatSync, readSync } from "node:fs";
import { InputError } from "../../core/errors.js";
import { expects } from "../../core/expects.js";
import { decodeHalves, type HalfType } from "../../core/half.js";
import { dtypeOf } from "./dtypes.js";
import { openRegular } from "./regular.js";
import {
  dtypeBytes,
  headerLength,
  headerText,
  parseHeader,
  type SafetensorsHeader,
  type StoredTensor,
} from "./safetensors-header.js";
import { isSystemError, reasonOf } from "./writing/system-error.js";

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

/** A checked safetensors file. Tensors are in file order and read one at a time. */
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

const chunkBytes = 1 << 22;
/**
 * Opens and checks a safetensors file; only the header is read.
 * Errors: InputError, one line, for a file that is missing, truncated or whose header lies: every number is checked
 * against the file's size before anything of that size is allocated.
 * Source: the format description of huggingface/safetensors; like its reader, no holes, no overlap, no trailing bytes.
 */
export const openSafetensors = (path: string): Safetensors => {
  expects("openSafetensors", "text", path);
  const { header, dataStart, dataBytes } = readHeader(path);
  const { metadata, tensors } = parseHeader(path, header, dataBytes);
  const stored = (name: string): StoredTensor => {
    const found = tensors.get(name);
    if (found === undefined) throw new InputError(`${path}: holds no tensor "${name}"`);
    return found;
  };
  return {
    path,
    metadata,
    tensors,
    read: (name) => readFloats(path, stored(name), dataStart),
    readStored: (name) => {
      const found = stored(name);
      const { dtype, shape, begin, end } = found;
      if (dtype !== "F16" && dtype !== "BF16") return { ...readFloats(path, found, dataStart), dtype: "f32" };
      const data = new Uint16Array((end - begin) / 2);
      withFile(path, (handle) => fill(path, handle, asBytes(data), dataStart + begin));
      return { shape, data, dtype: dtypeOf[dtype] };
    },
    readIntegers: (name) => {
      const { dtype, shape, begin, end } = stored(name);
      if (dtype !== "I32") throw new InputError(`${path}: tensor "${name}" is ${dtype}; expected I32`);
      const data = new Int32Array((end - begin) / 4);
      withFile(path, (handle) => fill(path, handle, asBytes(data), dataStart + begin));
      return { shape, data };
    },
    readBytes: (name) => {
      const { begin, end } = stored(name);
      const data = new Uint8Array(end - begin);
      withFile(path, (handle) => fill(path, handle, data, dataStart + begin));
      return data;
    },
  };
};

const asBytes = (array: ArrayBufferView): Uint8Array =>
  new Uint8Array(array.buffer as ArrayBuffer, array.byteOffset, array.byteLength);

const withFile = <T>(path: string, use: (handle: number) => T): T => {
  const handle = openRegular(path);
  try {
    return use(handle);
  } catch (error) {
    if (isSystemError(error)) throw new InputError(`${path}: cannot be read (${reasonOf(error)})`);
    throw error;
  } finally {
    closeSync(handle);
  }
};

/** Reads exactly `target.length` bytes from `position`. */
const fill = (path: string, handle: number, target: Uint8Array, position: number): void => {
  for (let done = 0; done < target.length; ) {
    const count = readSync(handle, target, done, Math.min(target.length - done, 1 << 30), position + done);
    if (count === 0) throw new InputError(`${path}: ended early, it was cut while being read`);
    done += count;
  }
};

const readHeader = (path: string): { header: string; dataStart: number; dataBytes: number } =>
  withFile(path, (handle) => {
    const { size } = fstatSync(handle);
    if (size < 8)
      throw new InputError(`${path}: is no safetensors file: ${size} bytes, the header length alone takes 8`);
    const prefix = new Uint8Array(8);
    fill(path, handle, prefix, 0);
    const headerBytes = headerLength(path, prefix, size);
    const bytes = new Uint8Array(headerBytes);
    fill(path, handle, bytes, 8);
    return { header: headerText(path, bytes), dataStart: 8 + headerBytes, dataBytes: size - 8 - headerBytes };
  });

const readFloats = (path: string, { name, dtype, shape, begin, end }: StoredTensor, dataStart: number): HostTensor =>
  withFile(path, (handle) => {
    const data = new Float32Array((end - begin) / dtypeBytes[dtype]);
    if (dtype === "F32") {
      fill(path, handle, asBytes(data), dataStart + begin);
      return { shape, data };
    }
    if (dtype !== "F16" && dtype !== "BF16" && dtype !== "F64") {
      throw new InputError(`${path}: tensor "${name}" is ${dtype}; only F32, F16, BF16 and F64 can be read as weights`);
    }
    // Converted piece by piece, so that a tensor never lies in memory twice.
    const buffer = new ArrayBuffer(Math.min(end - begin, chunkBytes));
    for (let at = begin; at < end; at += chunkBytes) {
      const bytes = Math.min(chunkBytes, end - at);
      fill(path, handle, new Uint8Array(buffer, 0, bytes), dataStart + at);
      const first = (at - begin) / dtypeBytes[dtype];
      if (dtype === "F64") data.set(new Float64Array(buffer, 0, bytes / 8), first);
      else decodeHalves(new Uint16Array(buffer, 0, bytes / 2), dtypeOf[dtype], data.subarray(first, first + bytes / 2));
    }
    return { shape, data };
  });
