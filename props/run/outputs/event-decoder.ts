/** A decoder of TensorBoard's event files, of the tests' own. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { crc32c } from "../../../run/outputs/event-file.js";

/** Fields of a protobuf message by number. Varints are numbers, the rest bytes. */
const fields = (bytes: Buffer): readonly (readonly [number, number | Buffer])[] => {
  const out: (readonly [number, number | Buffer])[] = [];
  let at = 0;
  const varint = (): number => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++];
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return Number(value);
    }
  };
  const take = (n: number): Buffer => {
    at += n;
    return bytes.subarray(at - n, at);
  };
  while (at < bytes.length) {
    const key = varint();
    const wire = key & 7;
    const value = wire === 0 ? varint() : wire === 1 ? take(8) : wire === 5 ? take(4) : take(varint());
    out.push([key >> 3, value]);
  }
  return out;
};

const unmask = (stored: number): number => {
  const rotated = (stored - 0xa282ead8) >>> 0;
  return ((rotated >>> 17) | (rotated << 15)) >>> 0;
};

interface Decoded {
  readonly version?: string;
  readonly step: number;
  readonly scalars: readonly (readonly [string, number])[];
}

/** All events of a file; every length and checksum must hold. */
export const decode = (path: string): Decoded[] => {
  const bytes = readFileSync(path);
  const out: Decoded[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = Number(bytes.readBigUInt64LE(at));
    assert.equal(unmask(bytes.readUInt32LE(at + 8)), crc32c(bytes.subarray(at, at + 8)));
    const data = bytes.subarray(at + 12, at + 12 + length);
    assert.equal(unmask(bytes.readUInt32LE(at + 12 + length)), crc32c(data));
    const of = new Map(fields(data));
    assert.ok(Math.abs((of.get(1) as Buffer).readDoubleLE(0) - Date.now() / 1000) < 600, "wall time in seconds");
    const values = of.has(5) ? fields(of.get(5) as Buffer).map(([, value]) => new Map(fields(value as Buffer))) : [];
    out.push({
      version: of.has(3) ? String(of.get(3)) : undefined,
      step: (of.get(2) as number | undefined) ?? 0,
      scalars: values.map((value) => [String(value.get(1)), (value.get(2) as Buffer).readFloatLE(0)] as const),
    });
    at += 16 + length;
  }
  return out;
};
