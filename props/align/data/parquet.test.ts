/** Parquet: every codec, with columns that are null here, there or everywhere, flat and nested. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { brotliCompressSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { parquetWriteBuffer } from "hyparquet-writer";
import { readRows } from "../../../align/data/data.js";
import { rowValue } from "../../../align/data/files/json.js";
import { parquetRows } from "../../../align/data/files/parquet.js";

const folder = mkdtempSync(join(tmpdir(), "taugrad-parquet-"));
after(() => rmSync(folder, { recursive: true, force: true }));

type Compress = (bytes: Uint8Array) => Uint8Array;

/** One block of LZ4 that repeats nothing. */
const lz4: Compress = (bytes) => {
  const more = Math.max(0, bytes.length - 15);
  const sizes = bytes.length < 15 ? [] : [...new Array<number>(Math.floor(more / 255)).fill(255), more % 255];
  return Uint8Array.from([Math.min(15, bytes.length) << 4, ...sizes, ...bytes]);
};

/** Hadoop's frame around it: both lengths, big-endian. */
const framed: Compress = (bytes) => {
  const block = lz4(bytes);
  const head = Buffer.alloc(8);
  head.writeUInt32BE(bytes.length, 0);
  head.writeUInt32BE(block.length, 4);
  return new Uint8Array(Buffer.concat([head, block]));
};

/** Snappy: the length in sevens of bits, and one literal. */
const snappy: Compress = (bytes) => {
  const n = bytes.length;
  const length = n < 128 ? [n] : [(n & 127) | 128, n >> 7];
  const last = n - 1;
  return Uint8Array.from(n === 0 ? [0] : [...length, 61 << 2, last & 255, last >> 8, ...bytes]);
};

/** A frame of Zstandard with one block as it is (RFC 8878, 3.1.1). */
const zstd: Compress = (bytes) => {
  const head = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 0, 0, 0, 0, 0]);
  head.writeUInt32LE(bytes.length, 5);
  head.writeUIntLE((bytes.length << 3) | 1, 9, 3);
  return new Uint8Array(Buffer.concat([head, bytes]));
};

const CODECS = {
  UNCOMPRESSED: undefined,
  SNAPPY: snappy,
  GZIP: (bytes) => new Uint8Array(gzipSync(bytes)),
  BROTLI: (bytes) => new Uint8Array(brotliCompressSync(bytes)),
  ZSTD: zstd,
  LZ4_RAW: lz4,
  LZ4: framed,
} as const satisfies Record<string, Compress | undefined>;

/** Some writers, Arrow's among them, compress a page without values to nothing at all. */
const ways = (compress: Compress | undefined): readonly (Compress | undefined)[] =>
  compress === undefined ? [undefined] : [compress, (bytes) => (bytes.length === 0 ? bytes : compress(bytes))];

const optional = { repetition_type: "OPTIONAL" as const };
const utf8 = { type: "BYTE_ARRAY" as const, converted_type: "UTF8" as const, ...optional };

/** A list of structs, as Arrow and as Spark spell it, and one that repeats its element without a list between. */
const listOf = (name: string, inner: string, item: string, fields: readonly object[]) => [
  { name, ...optional, num_children: 1, converted_type: "LIST" as const },
  { name: inner, repetition_type: "REPEATED" as const, num_children: 1 },
  { name: item, ...optional, num_children: fields.length },
  ...fields,
];
const fields = [
  { name: "role", ...utf8 },
  { name: "content", ...utf8 },
  { name: "n", type: "INT64" as const, ...optional },
];

interface Columns {
  readonly text: (string | null)[];
  readonly other: (string | null)[];
  readonly flag: (boolean | null)[];
  readonly n: (bigint | null)[];
  readonly messages: ({ role: string | null; content: string | null; n: bigint | null }[] | null)[];
}

const write = (
  columns: Columns,
  codec: keyof typeof CODECS,
  compress: Compress | undefined,
  inner: string,
  item: string,
): Uint8Array =>
  new Uint8Array(
    parquetWriteBuffer({
      codec,
      ...(compress && { compressors: { [codec]: compress } }),
      rowGroupSize: 3,
      schema: [
        { name: "root", num_children: 5 },
        { name: "text", ...utf8 },
        { name: "other", ...utf8 },
        { name: "flag", type: "BOOLEAN", ...optional },
        { name: "n", type: "INT64", ...optional },
        ...listOf("messages", inner, item, fields),
      ] as never,
      columnData: Object.entries(columns).map(([name, data]) => ({ name, data })),
    }),
  );

const number = (value: bigint | null) => (value === null ? null : Number(value));

/** What rows hold of them: 64-bit integers are numbers, and what is null in a struct is absent. */
const rowsOf = ({ text, other, flag, n, messages }: Columns) =>
  text.map((_, i) =>
    Object.fromEntries(
      Object.entries({
        ...{ text: text[i], other: other[i], flag: flag[i], n: number(n[i]) },
        messages:
          messages[i]?.map((message) =>
            Object.fromEntries(
              Object.entries({ ...message, n: number(message.n) }).filter(([, value]) => value !== null),
            ),
          ) ?? null,
      }).filter(([, value]) => value !== null),
    ),
  );

const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: null, freq: 2 });
const words = fc.string({ unit: fc.constantFrom("a", "é", "码", " "), maxLength: 40 });
const message = fc.record({
  role: maybe(fc.constantFrom("user", "assistant")),
  content: maybe(words),
  n: maybe(fc.bigInt(-9n, 9n)),
});
const row = fc.record({
  text: maybe(words),
  other: maybe(fc.constantFrom("the", "same", "again")),
  flag: maybe(fc.boolean()),
  n: maybe(fc.bigInt(-(2n ** 53n) + 1n, 2n ** 53n - 1n)),
  messages: maybe(fc.array(message, { maxLength: 3 })),
});
const columns = fc
  .tuple(
    fc.array(row, { minLength: 1, maxLength: 7 }),
    fc.subarray(["text", "other", "flag", "n", "messages"] as const),
  )
  .map(([rows, gone]) => {
    const column = <K extends keyof Columns>(name: K) =>
      rows.map((one) => (gone.includes(name) ? null : one[name])) as Columns[K];
    return {
      text: column("text"),
      other: column("other"),
      flag: column("flag"),
      n: column("n"),
      messages: column("messages"),
    };
  });

for (const [codec, compress] of Object.entries(CODECS) as [keyof typeof CODECS, Compress | undefined][])
  test(`Parquet in ${codec}: whatever is null, rows are what was written`, () =>
    fc.assert(
      fc.asyncProperty(
        columns,
        fc.constantFrom(["list", "element"], ["list", "item"], ["bag", "array_element"]),
        async (written, [inner, item]) => {
          const path = join(folder, `${codec}.parquet`);
          for (const way of ways(compress)) {
            writeFileSync(path, write(written, codec, way, inner, item));
            const found: unknown[] = [];
            for await (const row of parquetRows(path, () => {})) found.push(rowValue(row));
            assert.deepEqual(found, rowsOf(written));
          }
        },
      ),
      { numRuns: 12 },
    ));

test("a conversation of structs is a row, with those fields that each message has", async () => {
  const path = join(folder, "chat.parquet");
  const say = (role: string, content: string | null, n: bigint | null) => ({ role, content, n });
  const messages = [[say("user", "a", null), say("assistant", "b", 4n)]];
  writeFileSync(
    path,
    write({ text: [null], other: [null], flag: [null], n: [null], messages }, "ZSTD", zstd, "list", "element"),
  );
  const [{ at: _, ...read }] = await readRows(path);
  assert.deepEqual(read, {
    kind: "document",
    content: [
      { role: "user", content: "a" },
      { role: "assistant", content: "b", n: 4 },
    ],
  });
});
