import { InputError } from "../../core/errors.js";
import { asks } from "../../core/expects.js";
import { encodeHalves } from "../../core/storage/half.js";
import { type Pending, together } from "../folders/files.js";
import type { Unfinished } from "../folders/folder.js";
import { atOnce, type Soon } from "../folders/work.js";
import type { WeightDtype } from "./dtypes.js";
import { bytesOf, dtypeOf } from "./dtypes.js";
import type { HostTensor } from "./safetensors.js";
import { beginFile } from "./writing/atomic.js";

/** 16-bit floats are encoded in pieces of this many elements. */
const chunkElements = 1 << 21;

/** A named tensor to be written, with the dtype it is stored in. */
export interface WeightEntry extends HostTensor {
  readonly name: string;
  readonly dtype: WeightDtype;
}

/** What a file may hold beside weights: the numbers of an optimizer's state, unchanged. */
export type StoredDtype = WeightDtype | "F64" | "I32" | "U32";
const storedBytes: Readonly<Record<StoredDtype, number>> = { ...bytesOf, F64: 8, I32: 4, U32: 4 };

/** A tensor that a header announces, before its values are at hand. */
export type AnnouncedTensor = Omit<WeightEntry, "data">;

/** Number of elements of a shape. */
export const elementsOf = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);

/** The first bytes of a safetensors file that holds these tensors, in this order. Errors: InputError for a name used twice. */
export const safetensorsHeader = (
  path: string,
  entries: readonly (Omit<AnnouncedTensor, "dtype"> & { readonly dtype: StoredDtype })[],
  metadata: Readonly<Record<string, string>> = { format: "pt" },
): Uint8Array => {
  const header: Record<string, unknown> = Object.keys(metadata).length > 0 ? { __metadata__: metadata } : {};
  let offset = 0;
  for (const { name, shape, dtype } of entries) {
    if (name === "__metadata__" || name === "__proto__" || Object.hasOwn(header, name)) {
      throw new InputError(`${path}: two tensors, or a reserved key, are named "${name}"`);
    }
    const end = offset + elementsOf(shape) * storedBytes[dtype];
    header[name] = { dtype, shape, data_offsets: [offset, end] };
    offset = end;
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  const padded = Math.ceil(text.length / 8) * 8;
  const prefix = new Uint8Array(8 + padded).fill(0x20);
  new DataView(prefix.buffer).setBigUint64(0, BigInt(padded), true);
  prefix.set(text, 8);
  return prefix;
};

/** A tensor's bytes as they stand after the header, in pieces, each good until the next. */
export function* valueBytes(data: Float32Array, dtype: WeightDtype): Generator<Uint8Array> {
  if (dtype === "F32") {
    yield bytesIn(data);
    return;
  }
  const chunk = new Uint16Array(Math.min(data.length, chunkElements));
  for (let at = 0; at < data.length; at += chunk.length) {
    const piece = data.subarray(at, at + chunk.length);
    encodeHalves(piece, dtypeOf[dtype], chunk);
    yield bytesIn(chunk.subarray(0, piece.length));
  }
}

/** What `writeSafetensors` will write, as a pending file, so that several can be written as one. */
export const safetensorsFile = (
  { path, begin }: { readonly path: string; readonly begin: () => Soon<Unfinished> },
  entries: readonly WeightEntry[],
  metadata?: Readonly<Record<string, string>>,
): Pending => {
  for (const { name, shape, data } of entries) {
    const elements = elementsOf(shape);
    if (elements !== data.length) {
      throw new InputError(
        `${path}: tensor "${name}" of shape [${shape.join(",")}] needs ${elements} values, has ${data.length}`,
      );
    }
  }
  const prefix = safetensorsHeader(path, entries, metadata);
  return {
    begin,
    *write(put) {
      yield* put(prefix);
      for (const { data, dtype } of entries) for (const piece of valueBytes(data, dtype)) yield* put(piece);
    },
  };
};

/**
 * Writes tensors, in the order given, to one safetensors file: whole or not at all. F16 and BF16 round to nearest even.
 * The header is padded to a multiple of 8 with spaces, as the reference implementation does.
 */
export const writeSafetensors = asks(
  "writeSafetensors",
  "text records record?",
  (path: string, entries: readonly WeightEntry[], metadata?: Readonly<Record<string, string>>): void =>
    atOnce(together([safetensorsFile({ path, begin: () => beginFile(path) }, entries, metadata)])),
);

const bytesIn = (array: ArrayBufferView): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
