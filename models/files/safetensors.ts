import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { InputError } from "../../core/errors.js";
import { decodeHalves, type HalfType } from "../../core/half.js";
import { dtypeOf } from "./dtypes.js";
import { isObject, oneLine, show, suspectKey } from "./json.js";

/** A tensor on the host: row-major values, one per element of `shape`. */
export interface HostTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** A tensor on the host as its file holds it: f32, or the bits of bf16 or f16. */
export type StoredNumbers = {
  readonly shape: readonly number[];
} & ({ readonly dtype: "f32"; readonly data: Float32Array } | { readonly dtype: HalfType; readonly data: Uint16Array });

/** Where a tensor lies in its file: `begin` and `end` count bytes from the end of the header. */
export interface StoredTensor {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/** A checked safetensors file. Tensors are in file order and read one at a time. */
export interface Safetensors {
  readonly path: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** Values as f32 (F32, F16, BF16, F64). Errors: InputError for an unknown name, a dtype that is not a float, a file that changed. */
  readonly read: (name: string) => HostTensor;
  /** F16 and BF16 as they are stored, without a copy in f32; else, and with the same errors, as `read`. */
  readonly readStored: (name: string) => StoredNumbers;
  /** Values of an I32 tensor, as token ids and labels are stored. */
  readonly readIntegers: (name: string) => { readonly shape: readonly number[]; readonly data: Int32Array };
  /** The bytes of a tensor as they are stored, little-endian. */
  readonly readBytes: (name: string) => Uint8Array<ArrayBuffer>;
}

/** The format's own limit on the header, so that a lying length costs nothing. */
const maxHeaderBytes = 100_000_000;
const chunkBytes = 1 << 22;
const dtypeBytes: Readonly<Record<string, number>> = {
  ...{ BOOL: 1, U8: 1, I8: 1, F8_E5M2: 1, F8_E4M3: 1 },
  ...{ U16: 2, I16: 2, F16: 2, BF16: 2 },
  ...{ U32: 4, I32: 4, F32: 4 },
  ...{ U64: 8, I64: 8, F64: 8 },
};

/**
 * Opens and checks a safetensors file; only the header is read.
 * Errors: InputError, one line, for a file that is missing, truncated or whose header lies: every number is checked
 * against the file's size before anything of that size is allocated.
 * Source: the format description of huggingface/safetensors; like its reader, no holes, no overlap, no trailing bytes.
 */
export const openSafetensors = (path: string): Safetensors => {
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
  let handle: number;
  try {
    handle = openSync(path, "r");
  } catch (error) {
    const missing = error instanceof Error && "code" in error && error.code === "ENOENT";
    throw new InputError(`${path}: ${missing ? "no such file" : `cannot be opened (${String(error)})`}`);
  }
  try {
    return use(handle);
  } catch (error) {
    // A folder opens like a file and fails on its first read.
    if (error instanceof Error && "syscall" in error)
      throw new InputError(`${path}: cannot be read (${error.message})`);
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
    const length = new DataView(prefix.buffer).getBigUint64(0, true);
    if (length > BigInt(maxHeaderBytes)) {
      throw new InputError(
        `${path}: is no safetensors file: its header claims ${length} bytes, the limit is ${maxHeaderBytes}`,
      );
    }
    const headerBytes = Number(length);
    if (8 + headerBytes > size) {
      throw new InputError(
        `${path}: is truncated or lies: its header claims ${headerBytes} bytes, the file has ${size}`,
      );
    }
    const bytes = new Uint8Array(headerBytes);
    fill(path, handle, bytes, 8);
    let header: string;
    try {
      header = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      throw new InputError(`${path}: is no safetensors file: its header is not UTF-8`);
    }
    return { header, dataStart: 8 + headerBytes, dataBytes: size - 8 - headerBytes };
  });

const parseHeader = (path: string, header: string, dataBytes: number): Pick<Safetensors, "metadata" | "tensors"> => {
  const refuse = (what: string): InputError => new InputError(`${path}: bad safetensors header: ${what}`);
  let parsed: unknown;
  try {
    parsed = JSON.parse(header);
  } catch (error) {
    throw refuse(`not JSON (${error instanceof Error ? oneLine(error.message) : "?"})`);
  }
  if (!isObject(parsed)) throw refuse(`must be an object, is ${show(parsed)}`);
  const suspect = suspectKey(header);
  if (suspect !== undefined)
    throw refuse(`key ${show(suspect)} ${suspect === "__proto__" ? "is not allowed" : "appears twice"}`);

  const { __metadata__: metadata = {}, ...entries } = parsed;
  if (!isObject(metadata) || Object.values(metadata).some((value) => typeof value !== "string")) {
    throw refuse("__metadata__ must map strings to strings");
  }
  const tensors = Object.entries(entries).map(([name, entry]) => parseEntry(name, entry, dataBytes, refuse));
  tensors.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let covered = 0;
  for (const { name, begin, end } of tensors) {
    if (begin !== covered)
      throw refuse(
        `tensor ${show(name)} ${begin < covered ? "overlaps the one before it" : "leaves a hole before it"} (starts at ${begin}, expected ${covered})`,
      );
    covered = end;
  }
  if (covered !== dataBytes)
    throw refuse(`tensors cover ${covered} bytes, the file holds ${dataBytes} after its header (truncated?)`);
  return {
    metadata: metadata as Readonly<Record<string, string>>,
    tensors: new Map(tensors.map((tensor) => [tensor.name, tensor])),
  };
};

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

const parseEntry = (
  name: string,
  entry: unknown,
  dataBytes: number,
  refuse: (what: string) => InputError,
): StoredTensor => {
  const label = `tensor ${show(name)}`;
  if (!isObject(entry)) throw refuse(`${label} must be an object, is ${show(entry)}`);
  const { dtype, shape, data_offsets: offsets } = entry;
  if (typeof dtype !== "string" || !Object.hasOwn(dtypeBytes, dtype)) {
    throw refuse(`${label} has dtype ${show(dtype)}; known are ${Object.keys(dtypeBytes).join(", ")}`);
  }
  if (!Array.isArray(shape) || !shape.every(isCount))
    throw refuse(`${label} has shape ${show(shape)}, not a list of sizes`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount)) {
    throw refuse(`${label} has data_offsets ${show(offsets)}, not [begin, end]`);
  }
  const [begin, end] = offsets as [number, number];
  if (begin > end || end > dataBytes) {
    throw refuse(`${label} has data_offsets [${begin}, ${end}] outside of the file's ${dataBytes} bytes of data`);
  }
  let bytes = dtypeBytes[dtype];
  for (const size of shape) {
    bytes *= size;
    if (!Number.isSafeInteger(bytes)) throw refuse(`${label} has shape ${show(shape)}, more bytes than any file`);
  }
  if (bytes !== end - begin)
    throw refuse(`${label} ${dtype}[${shape.join(",")}] takes ${bytes} bytes, its data_offsets span ${end - begin}`);
  return { name, dtype, shape: Object.freeze([...shape]) as readonly number[], begin, end };
};

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
