import { closeSync, ftruncateSync, mkdirSync, openSync, readFileSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { InputError } from "../../../core/errors.js";

const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
});

/** CRC-32C (Castagnoli); of "123456789" it is 0xE3069283. Source: RFC 3720, B.4. */
export const crc32c = (bytes: Uint8Array): number => {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ table[(crc ^ byte) & 0xff];
  return ~crc >>> 0;
};

/** As TFRecord stores it: a checksum of bytes that hold checksums would be weak. */
const masked = (bytes: Uint8Array): number => {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
};

/** One record: u64 length, u32 checksum of it, the bytes, u32 checksum of them; little-endian. */
const framed = (data: Uint8Array): Buffer => {
  const out = Buffer.alloc(data.length + 16);
  out.writeBigUInt64LE(BigInt(data.length), 0);
  out.writeUInt32LE(masked(out.subarray(0, 8)), 8);
  out.set(data, 12);
  out.writeUInt32LE(masked(data), 12 + data.length);
  return out;
};

const varint = (value: number): number[] => {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest];
    bytes.push((rest % 128) | 0x80);
  }
};

const float64 = (value: number): Uint8Array => new Uint8Array(Float64Array.of(value).buffer);
const float32 = (value: number): Uint8Array => new Uint8Array(Float32Array.of(value).buffer);
/** A field of protobuf with its number: 0 varint, 1 eight bytes, 2 length and bytes, 5 four bytes. */
const field = (number: number, wire: 0 | 1 | 2 | 5, bytes: Uint8Array | readonly number[]): Buffer =>
  Buffer.from([...varint(number * 8 + wire), ...(wire === 2 ? varint(bytes.length) : []), ...bytes]);

/** Event { wall_time = 1; step = 2; file_version = 3; summary = 5 { value = 1 { tag = 1; simple_value = 2 } } }. */
const event = (seconds: number, ...rest: readonly Buffer[]): Buffer =>
  framed(Buffer.concat([field(1, 1, float64(seconds)), ...rest]));

const scalarsEvent = (seconds: number, step: number, scalars: Readonly<Record<string, number>>): Buffer => {
  const values = Object.entries(scalars).map(([tag, value]) =>
    field(1, 2, Buffer.concat([field(1, 2, Buffer.from(tag)), field(2, 5, float32(value))])),
  );
  return event(seconds, field(2, 0, varint(step)), field(5, 2, Buffer.concat(values)));
};

const readVarint = (bytes: Uint8Array, from: number): readonly [value: number, next: number] => {
  let [value, scale, at] = [0, 1, from];
  for (; at < bytes.length; scale *= 128) {
    const byte = bytes[at++];
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) break;
  }
  return [value, at];
};

/** Where events after step `last` begin, or where the file stops being whole. */
const endOf = (bytes: Buffer, last: number): number => {
  let at = 0;
  while (at + 12 <= bytes.length) {
    const length = Number(bytes.readBigUInt64LE(at));
    const next = at + 16 + length;
    if (bytes.readUInt32LE(at + 8) !== masked(bytes.subarray(at, at + 8)) || next > bytes.length) break;
    const data = bytes.subarray(at + 12, next - 4);
    if (bytes.readUInt32LE(next - 4) !== masked(data)) break;
    // Own events only: wall_time takes nine bytes, then comes the step, if there is one.
    if (data[9] === 0x10 && readVarint(data, 10)[0] > last) break;
    at = next;
  }
  return at;
};

/** Appends scalars to a file that TensorBoard reads. */
export interface EventFile {
  readonly write: (step: number, scalars: Readonly<Record<string, number>>) => void;
  readonly close: () => void;
}

/**
 * Opens a TensorBoard event file: new, or with `keepTo` as it was up to that step; a torn end is cut off.
 * Format: TFRecord of tensorflow.Event. Errors: InputError if it cannot be opened or written.
 */
export const openEvents = (path: string, { keepTo }: { readonly keepTo?: number } = {}): EventFile => {
  let file: number | undefined;
  const close = (): void => {
    if (file !== undefined) closeSync(file);
    file = undefined;
  };
  const attempt = (run: () => void): void => {
    try {
      run();
    } catch (error) {
      close();
      throw new InputError(`${path}: cannot be written (${error instanceof Error ? error.message : String(error)})`);
    }
  };
  const put = (bytes: Buffer): void => {
    if (file !== undefined) writeSync(file, bytes);
  };
  const now = (): number => Date.now() / 1000;
  attempt(() => {
    mkdirSync(dirname(path), { recursive: true });
    file = openSync(path, keepTo === undefined ? "w" : "a+");
    const kept = keepTo === undefined ? 0 : endOf(readFileSync(path), keepTo);
    ftruncateSync(file, kept);
    if (kept === 0) put(event(now(), field(3, 2, Buffer.from("brain.Event:2"))));
  });
  return { write: (step, scalars) => attempt(() => put(scalarsEvent(now(), step, scalars))), close };
};
