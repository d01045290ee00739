import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import { InputError } from "../../core/errors.js";
import { halfToFloat, roundToHalf } from "../../core/storage/half.js";
import type { WeightDtype } from "../../models/files/dtypes.js";
import { openSafetensors } from "../../models/files/safetensors.js";
import type { WeightEntry } from "../../models/files/safetensors-write.js";
import { writeSafetensors } from "../../models/files/safetensors-write.js";
import { refused } from "../golden/refused.js";

const folder = mkdtempSync(join(tmpdir(), "taugrad-safetensors-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const file = join(folder, "case.safetensors");

const bitsOf = (data: Float32Array): number[] => [...new Uint32Array(data.buffer, data.byteOffset, data.length)];

const shapes = fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 3 });
const names = fc.oneof(
  fc.string({ minLength: 1, maxLength: 12 }),
  fc.constantFrom("a", "0", "model.embed", "constructor", "日本", '"\\'),
);
const entries: fc.Arbitrary<WeightEntry[]> = fc
  .uniqueArray(
    fc.record({
      name: names,
      shape: shapes,
      dtype: fc.constantFrom<WeightDtype>("F32", "F16", "BF16"),
      seed: fc.nat(),
    }),
    {
      selector: ({ name }) => name,
      maxLength: 5,
    },
  )
  .map((rows) =>
    rows
      .filter(({ name }) => name !== "__proto__" && name !== "__metadata__")
      .map(({ name, shape, dtype, seed }) => {
        const count = shape.reduce((product, size) => product * size, 1);
        const data = Float32Array.from({ length: count }, (_, i) => {
          const raw = (Math.imul(seed + i, 2654435761) >>> 0) / 2 ** 32 - 0.5;
          return dtype === "F32" ? raw : roundToHalf(raw, dtype === "F16" ? "f16" : "bf16");
        });
        return { name, shape, dtype, data };
      }),
  );

test("write ∘ read is the identity on representable values, in order, and rewriting gives the same bytes", () => {
  fc.assert(
    fc.property(entries, (list) => {
      writeSafetensors(file, list);
      const bytes = readFileSync(file);
      assert.equal(Number(bytes.readBigUInt64LE(0)) % 8, 0);
      const opened = openSafetensors(file);
      assert.deepEqual(opened.metadata, { format: "pt" });
      assert.deepEqual(new Set(opened.tensors.keys()), new Set(list.map(({ name }) => name)));
      for (const { name, shape, dtype, data } of list) {
        const back = opened.read(name);
        assert.deepEqual(back.shape, shape);
        assert.equal(opened.tensors.get(name)?.dtype, dtype);
        assert.deepEqual(bitsOf(back.data), bitsOf(data));
      }
      writeSafetensors(
        file,
        list.map((entry) => ({ ...entry, ...opened.read(entry.name) })),
      );
      assert.deepEqual(readFileSync(file), bytes);
    }),
    { numRuns: 100 },
  );
});

test("a tensor larger than one chunk survives, f16, bf16 and f64", () => {
  const data = Float32Array.from({ length: (1 << 21) + 3 }, (_, i) => halfToFloat(i % 32000, "bf16"));
  for (const dtype of ["F32", "BF16"] as const) {
    writeSafetensors(file, [{ name: "x", shape: [data.length], dtype, data }]);
    assert.ok(Buffer.from(openSafetensors(file).read("x").data.buffer).equals(Buffer.from(data.buffer)));
  }
  const doubles = Float64Array.from({ length: 600_000 }, (_, i) => i / 7);
  writeRaw(
    { x: { dtype: "F64", shape: [600_000], data_offsets: [0, doubles.byteLength] } },
    Buffer.from(doubles.buffer),
  );
  assert.deepEqual(bitsOf(openSafetensors(file).read("x").data), bitsOf(Float32Array.from(doubles)));
});

/** A small file with every dtype that can be read. */
const sample = (): Buffer => {
  writeSafetensors(file, [
    { name: "a", shape: [2, 3], dtype: "F32", data: Float32Array.from([1, -2, 3, 4, 5, 6]) },
    { name: "b", shape: [3], dtype: "BF16", data: Float32Array.from([0.5, 7, -1]) },
    { name: "c.weight", shape: [1, 1, 2], dtype: "F16", data: Float32Array.from([0.25, 9]) },
  ]);
  return readFileSync(file);
};

/** Opens and reads everything; true if that went well, false on an InputError of one line; anything else fails the test. */
const readable = (): boolean => {
  try {
    const opened = openSafetensors(file);
    for (const [name, { shape, dtype }] of opened.tensors) {
      if (!["F32", "F16", "BF16", "F64"].includes(dtype)) continue;
      assert.equal(
        opened.read(name).data.length,
        shape.reduce((product, size) => product * size, 1),
      );
    }
    return true;
  } catch (error) {
    assert.ok(
      error instanceof InputError,
      `not an InputError: ${error instanceof Error ? error.stack : String(error)}`,
    );
    assert.ok(!error.message.includes("\n"), error.message);
    return false;
  }
};

test("every proper prefix of a file is refused", () => {
  const bytes = sample();
  for (let length = 0; length < bytes.length; length++) {
    writeFileSync(file, bytes.subarray(0, length));
    assert.equal(readable(), false, `prefix of ${length} bytes`);
  }
  writeFileSync(file, Buffer.concat([bytes, Buffer.from([0])]));
  assert.equal(readable(), false, "one byte too many");
});

test("flipped bytes end in an InputError or in a sound read; in the data they change one element only", () => {
  const bytes = sample();
  const dataStart = 8 + Number(bytes.readBigUInt64LE(0));
  const values = (): number[] => {
    const opened = openSafetensors(file);
    return [...opened.tensors.keys()].flatMap((name) => bitsOf(opened.read(name).data));
  };
  const before = values();
  fc.assert(
    fc.property(fc.nat({ max: bytes.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const damaged = Buffer.from(bytes);
      damaged[at] ^= flip;
      writeFileSync(file, damaged);
      const ok = readable();
      if (at >= dataStart) assert.equal(values().filter((bits, i) => bits !== before[i]).length, 1);
      if (at < 8) assert.equal(ok, false, "a wrong header length cannot be right");
    }),
    { numRuns: 800 },
  );
});

/** Writes a file with the given header (text or object), whatever it says. */
function writeRaw(header: unknown, data: Uint8Array = new Uint8Array(0), claimed?: bigint): void {
  const text = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(claimed ?? BigInt(text.length));
  writeFileSync(file, Buffer.concat([length, text, data]));
}

test("lying headers are refused, each by name", () => {
  const four = new Uint8Array(4);
  const f32 = (shape: unknown, offsets: unknown, dtype: unknown = "F32") => ({ dtype, shape, data_offsets: offsets });
  const cases: [string, () => void, RegExp][] = [
    ["empty file", () => writeFileSync(file, ""), /0 bytes/],
    ["header length beyond the file", () => writeRaw("{}", four, 4096n), /truncated or lies.*4096/],
    ["header length of 2^63", () => writeRaw("{}", four, 1n << 63n), /9223372036854775808/],
    ["header over the limit", () => writeRaw("{}", four, 100_000_001n), /limit is 100000000/],
    ["not JSON", () => writeRaw("{oops}\n"), /not JSON/],
    ["header length 0", () => writeRaw(""), /not JSON/],
    ["an array", () => writeRaw([]), /must be an object/],
    ["deeply nested", () => writeRaw("[".repeat(200_000) + "]".repeat(200_000)), /not JSON .*levels deep/],
    [
      "a deeply nested entry",
      () => writeRaw(`{"x":${"[".repeat(100)}${"]".repeat(100)}}`),
      /tensor "x" must be an object/,
    ],
    ["null", () => writeRaw("null"), /must be an object/],
    ["not UTF-8", () => writeFileSync(file, Buffer.from([1, 0, 0, 0, 0, 0, 0, 0, 0xff])), /UTF-8/],
    ["entry null", () => writeRaw({ x: null }), /tensor "x" must be an object/],
    ["unknown dtype", () => writeRaw({ x: f32([1], [0, 4], "F31") }, four), /dtype "F31"/],
    ["inherited dtype", () => writeRaw({ x: f32([1], [0, 4], "toString") }, four), /dtype "toString"/],
    ["negative size", () => writeRaw({ x: f32([-1], [0, 4]) }, four), /shape \[-1\]/],
    ["fractional size", () => writeRaw({ x: f32([1.5], [0, 4]) }, four), /shape \[1.5\]/],
    ["text size", () => writeRaw({ x: f32(["1"], [0, 4]) }, four), /shape/],
    ["shape missing", () => writeRaw({ x: { dtype: "F32", data_offsets: [0, 4] } }, four), /shape nothing/],
    ["huge sizes", () => writeRaw({ x: f32([2 ** 40, 2 ** 40], [0, 4]) }, four), /more bytes/],
    ["huge size", () => writeRaw(`{"x":{"dtype":"F32","shape":[1e300],"data_offsets":[0,4]}}`, four), /shape/],
    ["size does not fit", () => writeRaw({ x: f32([2], [0, 4]) }, four), /takes 8 bytes, its data_offsets span 4/],
    ["offsets beyond", () => writeRaw({ x: f32([2], [0, 8]) }, four), /outside/],
    ["offsets turned round", () => writeRaw({ x: f32([1], [4, 0]) }, four), /outside|data_offsets/],
    ["offsets negative", () => writeRaw({ x: f32([1], [-4, 0]) }, four), /data_offsets/],
    ["one offset", () => writeRaw({ x: f32([1], [0]) }, four), /data_offsets/],
    ["overlap", () => writeRaw({ x: f32([1], [0, 4]), y: f32([1], [0, 4]) }, four), /overlaps/],
    ["hole", () => writeRaw({ x: f32([1], [0, 4]), y: f32([1], [8, 12]) }, new Uint8Array(12)), /hole/],
    ["bytes left over", () => writeRaw({ x: f32([1], [0, 4]) }, new Uint8Array(8)), /cover 4 bytes.*holds 8/],
    [
      "key twice",
      () => writeRaw(`{"x":${JSON.stringify(f32([1], [0, 4]))},"\\u0078":${JSON.stringify(f32([1], [0, 4]))}}`, four),
      /"x" appears twice/,
    ],
    [
      "inner key twice",
      () => writeRaw(`{"x":{"dtype":"F16","dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, four),
      /"dtype" appears twice/,
    ],
    ["__proto__", () => writeRaw(`{"__proto__":${JSON.stringify(f32([1], [0, 4]))}}`, four), /__proto__/],
    ["metadata of numbers", () => writeRaw({ __metadata__: { a: 1 } }), /__metadata__/],
  ];
  for (const [name, write, pattern] of cases) {
    write();
    refused(() => openSafetensors(file), pattern);
    assert.ok(name);
  }
  refused(() => openSafetensors(join(folder, "absent")), /no such file/);
  refused(() => openSafetensors(folder), /is a folder, and must be a regular file/);
});

test("integers are refused by name, an unknown tensor too", () => {
  writeRaw(
    { ids: { dtype: "I32", shape: [2], data_offsets: [0, 8] } },
    new Uint8Array([7, 0, 0, 0, 255, 255, 255, 255]),
  );
  refused(() => openSafetensors(file).read("ids"), /tensor "ids" is I32/);
  assert.deepEqual([...openSafetensors(file).readIntegers("ids").data], [7, -1]);
  refused(() => openSafetensors(file).read("nope"), /no tensor "nope"/);
});

test("a failed write leaves nothing behind and the old file whole", () => {
  const bytes = sample();
  refused(
    () => writeSafetensors(file, [{ name: "a", shape: [2], dtype: "F32", data: new Float32Array(3) }]),
    /needs 2 values, has 3/,
  );
  const data = new Float32Array(1);
  refused(
    () =>
      writeSafetensors(file, [
        { name: "a", shape: [], dtype: "F32", data },
        { name: "a", shape: [], dtype: "F32", data },
      ]),
    /named "a"/,
  );
  refused(
    () => writeSafetensors(join(file, "inside-a-file"), [{ name: "a", shape: [], dtype: "F32", data }]),
    /cannot be written/,
  );
  assert.deepEqual(readFileSync(file), bytes);
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.endsWith(".tmp")),
    [],
  );
});
