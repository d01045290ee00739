import { InputError } from "../../core/errors.js";
import { patientFetch } from "../hub/patient-fetch.js";
import { dtypeOf } from "./dtypes.js";
import type { StoredNumbers } from "./safetensors.js";
import { headerLength, headerText, parseHeader, type StoredTensor } from "./safetensors-header.js";

/** A file that is no file here, read in parts. */
interface Ranges {
  readonly name: string;
  readonly size: number;
  /** The bytes from `begin` up to `end`. */
  readonly read: (begin: number, end: number) => Promise<Uint8Array>;
}

/** Milliseconds before a request that failed is made again. */
const PAUSE = 500;

const bytesAt = (bytes: Uint8Array, name: string): Ranges => ({
  name,
  size: bytes.length,
  read: (begin, end) => Promise.resolve(bytes.subarray(begin, end)),
});

/** Errors: InputError for an address that cannot be read, or that does not answer requests for parts. */
const urlAt = async (url: URL): Promise<Ranges> => {
  const ask = patientFetch(PAUSE);
  const part = async (begin: number, end: number): Promise<{ readonly bytes: Uint8Array; readonly size: number }> => {
    const response = await ask(url, { headers: { range: `bytes=${begin}-${end - 1}` } });
    const [, size] = /\/(\d+)$/.exec(response.headers.get("content-range") ?? "") ?? [];
    if (response.status !== 206 || size === undefined) {
      await response.body?.cancel();
      const why = response.ok
        ? "it does not answer requests for a part; fetch it whole and give its bytes"
        : `it answered ${response.status}`;
      throw new InputError(`${url.href}: cannot be read: ${why}`);
    }
    const bytes = new Uint8Array(await response.arrayBuffer());
    if (bytes.length !== Math.min(end, Number(size)) - begin)
      throw new InputError(`${url.href}: sent ${bytes.length} bytes of the ${end - begin} from ${begin} on`);
    return { bytes, size: Number(size) };
  };
  const { size } = await part(0, 8);
  return {
    name: url.href,
    size,
    read: async (begin, end) => (begin === end ? new Uint8Array() : (await part(begin, end)).bytes),
  };
};

/** A safetensors file at hand or at an address; tensors are read one at a time. */
export interface RangedSafetensors {
  readonly name: string;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly readStored: (name: string) => Promise<StoredNumbers>;
}

/** Numbers of stored bytes, whatever they are aligned to. */
const numbersOf = (where: string, { name, dtype, shape }: StoredTensor, bytes: Uint8Array): StoredNumbers => {
  const { buffer } = new Uint8Array(bytes); // a copy that begins at 0
  if (dtype === "F32") return { shape, dtype: "f32", data: new Float32Array(buffer) };
  if (dtype === "F64") return { shape, dtype: "f32", data: Float32Array.from(new Float64Array(buffer)) };
  if (dtype === "F16" || dtype === "BF16") return { shape, dtype: dtypeOf[dtype], data: new Uint16Array(buffer) };
  throw new InputError(`${where}: tensor "${name}" is ${dtype}; only F32, F16, BF16 and F64 can be read as weights`);
};

/**
 * Opens a safetensors file that is at hand as bytes, or at an address whose server answers range requests; only the header is
 * read. Errors: InputError, as `openSafetensors`, and for an address that cannot be read.
 */
export const openRanges = async (from: Uint8Array | URL, bytesName: string): Promise<RangedSafetensors> => {
  const file = from instanceof URL ? await urlAt(from) : bytesAt(from, bytesName);
  const { name, size } = file;
  if (size < 8) throw new InputError(`${name}: is no safetensors file: ${size} bytes, the header length alone takes 8`);
  const length = headerLength(name, await file.read(0, 8), size);
  const start = 8 + length;
  const { tensors } = parseHeader(name, headerText(name, await file.read(8, start)), size - start);
  return {
    name,
    tensors,
    readStored: async (wanted) => {
      const stored = tensors.get(wanted) as StoredTensor;
      return numbersOf(name, stored, await file.read(start + stored.begin, start + stored.end));
    },
  };
};
