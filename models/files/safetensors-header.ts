import { InputError } from "../../core/errors.js";
import { isObject, oneLine, show, suspectKey } from "./json.js";
import { parseBounded } from "./parse-json.js";

/** Where a tensor lies in its file: `begin` and `end` count bytes from the end of the header. */
export interface StoredTensor {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/** The format's own limit on the header, so that a lying length costs nothing. */
const maxHeaderBytes = 100_000_000;

/** Bytes of an element. */
export const dtypeBytes: Readonly<Record<string, number>> = {
  ...{ BOOL: 1, U8: 1, I8: 1, F8_E5M2: 1, F8_E4M3: 1 },
  ...{ U16: 2, I16: 2, F16: 2, BF16: 2 },
  ...{ U32: 4, I32: 4, F32: 4 },
  ...{ U64: 8, I64: 8, F64: 8 },
};

/** Bytes of the header, by the first eight bytes of a file of `size`. Errors: InputError for a length that lies. */
export const headerLength = (path: string, prefix: Uint8Array, size: number): number => {
  const length = new DataView(prefix.buffer, prefix.byteOffset).getBigUint64(0, true);
  if (length > BigInt(maxHeaderBytes)) {
    throw new InputError(
      `${path}: is no safetensors file: its header claims ${length} bytes, the limit is ${maxHeaderBytes}`,
    );
  }
  const headerBytes = Number(length);
  if (8 + headerBytes > size) {
    throw new InputError(`${path}: is truncated or lies: its header claims ${headerBytes} bytes, the file has ${size}`);
  }
  return headerBytes;
};

/** Errors: InputError for bytes that are no text. */
export const headerText = (path: string, bytes: Uint8Array): string => {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new InputError(`${path}: is no safetensors file: its header is not UTF-8`);
  }
};

/** What a header tells. */
export interface SafetensorsHeader {
  readonly metadata: Readonly<Record<string, string>>;
  /** In file order. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
}

/** The tensors of a header, checked. Errors: InputError for one that lies. */
export const parseHeader = (path: string, header: string, dataBytes: number): SafetensorsHeader => {
  const refuse = (what: string): InputError => new InputError(`${path}: bad safetensors header: ${what}`);
  let parsed: unknown;
  try {
    parsed = parseBounded(header);
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
