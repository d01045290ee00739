import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { readRegular } from "../../models/files/regular.js";
import { openAppend, unwritten } from "../../models/files/writing/append.js";
import { makeFolder } from "../../models/files/writing/make-folder.js";

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

/** What of a file counts. */
interface Kept {
  /** Where events after step `last` begin, or where the file stops being whole. */
  readonly length: number;
  /** Events with scalars before it. */
  readonly scalars: number;
  /** Is what stands there no whole event? */
  readonly torn: boolean;
}

const keptOf = (bytes: Buffer, last: number): Kept => {
  let [at, scalars] = [0, 0];
  const kept = (torn: boolean): Kept => ({ length: at, scalars, torn });
  while (at + 12 <= bytes.length) {
    const length = Number(bytes.readBigUInt64LE(at));
    const next = at + 16 + length;
    if (bytes.readUInt32LE(at + 8) !== masked(bytes.subarray(at, at + 8)) || next > bytes.length) return kept(true);
    const data = bytes.subarray(at + 12, next - 4);
    if (bytes.readUInt32LE(next - 4) !== masked(data)) return kept(true);
    // Own events only: wall_time takes nine bytes, then comes the step, if there is one.
    if (data[9] === 0x10) {
      if (readVarint(data, 10)[0] > last) return kept(false);
      scalars++;
    }
    at = next;
  }
  return kept(at < bytes.length);
};

/** Appends scalars to a file that TensorBoard reads. */
export interface EventFile {
  /** Events with scalars that stood in it, and stay. */
  readonly kept: number;
  /** Was something cut that was no whole event? */
  readonly torn: boolean;
  readonly write: (step: number, scalars: Readonly<Record<string, number>>) => void;
  readonly close: () => void;
}

/** More than a file of events has. */
const LARGEST = 2 ** 31;

/**
 * Opens a TensorBoard event file: new, or with `keepTo` as it was up to that step, or to the first event that is not whole.
 * Format: TFRecord of tensorflow.Event. Errors: InputError if it cannot be opened, read or written.
 */
export const openEvents = (path: string, { keepTo }: { readonly keepTo?: number } = {}): EventFile => {
  try {
    makeFolder(dirname(path));
  } catch (error) {
    throw unwritten(error, [path]);
  }
  const before =
    keepTo === undefined || !existsSync(path)
      ? { length: 0, scalars: 0, torn: false }
      : keptOf(Buffer.from(readRegular(path, LARGEST)), keepTo);
  const file = openAppend(path, before.length);
  const now = (): number => Date.now() / 1000;
  try {
    if (before.length === 0) file.write(event(now(), field(3, 2, Buffer.from("brain.Event:2"))));
  } catch (error) {
    file.close();
    throw error;
  }
  return {
    kept: before.scalars,
    torn: before.torn,
    write: (step, scalars) => file.write(scalarsEvent(now(), step, scalars)),
    close: file.close,
  };
};
