import { InputError } from "../core/errors.js";
import type { PendingFile } from "./atomic.js";
import { writeAtomically } from "./atomic.js";
import type { WeightDtype } from "./dtypes.js";
import { bytesOf, encodeHalves } from "./dtypes.js";
import type { HostTensor } from "./safetensors.js";

/** 16-bit floats are encoded in pieces of this many elements. */
const chunkElements = 1 << 21;

/** A named tensor to be written, with the dtype it is stored in. */
export interface WeightEntry extends HostTensor {
  readonly name: string;
  readonly dtype: WeightDtype;
}

/** What `writeSafetensors` will write, as a pending file, so that several can be written as one. */
export const safetensorsFile = (
  path: string,
  entries: readonly WeightEntry[],
  metadata: Readonly<Record<string, string>> = { format: "pt" },
): PendingFile => {
  const header: Record<string, unknown> = Object.keys(metadata).length > 0 ? { __metadata__: metadata } : {};
  let offset = 0;
  for (const { name, shape, data, dtype } of entries) {
    const elements = shape.reduce((product, size) => product * size, 1);
    if (elements !== data.length) {
      throw new InputError(
        `${path}: tensor "${name}" of shape [${shape.join(",")}] needs ${elements} values, has ${data.length}`,
      );
    }
    if (name === "__metadata__" || name === "__proto__" || Object.hasOwn(header, name)) {
      throw new InputError(`${path}: two tensors, or a reserved key, are named "${name}"`);
    }
    const end = offset + data.length * bytesOf[dtype];
    header[name] = { dtype, shape, data_offsets: [offset, end] };
    offset = end;
  }
  return {
    path,
    write: (sink) => {
      const text = Buffer.from(JSON.stringify(header), "utf8");
      const padded = Math.ceil(text.length / 8) * 8;
      const prefix = new Uint8Array(8 + padded).fill(0x20);
      new DataView(prefix.buffer).setBigUint64(0, BigInt(padded), true);
      prefix.set(text, 8);
      sink(prefix);
      for (const { data, dtype } of entries) {
        if (dtype === "F32") {
          sink(bytesIn(data));
          continue;
        }
        const chunk = new Uint16Array(Math.min(data.length, chunkElements));
        for (let at = 0; at < data.length; at += chunk.length) {
          const piece = data.subarray(at, at + chunk.length);
          encodeHalves(piece, dtype, chunk);
          sink(bytesIn(chunk.subarray(0, piece.length)));
        }
      }
    },
  };
};

/**
 * Writes tensors, in the order given, to one safetensors file: whole or not at all. F16 and BF16 round to nearest even.
 * The header is padded to a multiple of 8 with spaces, as the reference implementation does.
 */
export const writeSafetensors = (
  path: string,
  entries: readonly WeightEntry[],
  metadata?: Readonly<Record<string, string>>,
): void => writeAtomically([safetensorsFile(path, entries, metadata)]);

const bytesIn = (array: ArrayBufferView): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
