/** Parquet files that claim more than they hold, or become far more than they are: kinds, each with drawn sizes. */
import { brotliCompressSync, gzipSync } from "node:zlib";
import { parquetWriteBuffer } from "hyparquet-writer";
import { type Draw, pick } from "../mutate.js";

type Made = (draw: Draw) => Uint8Array;

/** A value of Thrift's compact protocol: an integer of a kind, bytes, a list, or a struct of fields by number. */
type Thrift =
  | { readonly i: number; readonly wide?: boolean }
  | { readonly bytes: Uint8Array }
  | { readonly list: readonly Thrift[]; readonly claims?: number }
  | { readonly fields: Readonly<Record<number, Thrift | undefined>> };

const [I32, I64, BINARY, LIST, STRUCT] = [5, 6, 8, 9, 12];
const kindOf = (value: Thrift): number =>
  "i" in value ? (value.wide ? I64 : I32) : "bytes" in value ? BINARY : "list" in value ? LIST : STRUCT;

const varint = (n: number): number[] => {
  const out: number[] = [];
  let rest = BigInt(Math.floor(n));
  for (; rest > 127n; rest >>= 7n) out.push(Number(rest & 127n) | 128);
  return [...out, Number(rest)];
};
const zigzag = (n: number): number[] => varint(n < 0 ? -2 * n - 1 : 2 * n);

const thrift = (value: Thrift): number[] => {
  if ("i" in value) return zigzag(value.i);
  if ("bytes" in value) return [...varint(value.bytes.length), ...value.bytes];
  if ("list" in value) {
    const [first] = value.list;
    const count = value.claims ?? value.list.length;
    return [0xf0 | (first === undefined ? I32 : kindOf(first)), ...varint(count), ...value.list.flatMap(thrift)];
  }
  let before = 0;
  const fields = Object.entries(value.fields).flatMap(([name, field]) => {
    if (field === undefined) return [];
    const id = Number(name);
    const head = [((id - before) << 4) | kindOf(field)];
    before = id;
    return [...head, ...thrift(field)];
  });
  return [...fields, 0];
};

const i = (n: number, wide = false): Thrift => ({ i: n, wide });
const text = (letters: string): Thrift => ({ bytes: Buffer.from(letters) });
const struct = (fields: Readonly<Record<number, Thrift | undefined>>): Thrift => ({ fields });

const TYPES = { BOOLEAN: 0, INT32: 1, INT64: 2, INT96: 3, DOUBLE: 5, BYTE_ARRAY: 6, FIXED: 7 };
const ENCODINGS = [0, 2, 3, 5, 6, 7, 8, 9];
const CODECS = { UNCOMPRESSED: 0, SNAPPY: 1, GZIP: 2, BROTLI: 4, ZSTD: 6, LZ4_RAW: 7 };

/** So many zeros, compressed by hand where Node has no codec. */
const zeros: Readonly<Record<keyof typeof CODECS, (n: number) => Uint8Array>> = {
  UNCOMPRESSED: (n) => new Uint8Array(Math.min(n, 2 ** 16)),
  GZIP: (n) => gzipSync(new Uint8Array(n)),
  BROTLI: (n) => brotliCompressSync(new Uint8Array(n)),
  SNAPPY: (n) =>
    Uint8Array.from([...varint(n), 0, 0, ...Array.from({ length: Math.ceil((n - 1) / 64) }, () => [254, 1, 0]).flat()]),
  ZSTD: (n) => {
    const blocks = Math.ceil(n / 2 ** 17);
    const head = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 0, 0]);
    head.writeUInt32LE(n, 5);
    const parts = Array.from({ length: blocks }, (_, k) => {
      const size = Math.min(2 ** 17, n - k * 2 ** 17);
      const block = (size << 3) | 2 | (k === blocks - 1 ? 1 : 0);
      return [block & 255, (block >> 8) & 255, block >> 16, 0];
    });
    return Buffer.concat([head, Uint8Array.from(parts.flat())]);
  },
  LZ4_RAW: (n) => {
    const more = Math.max(0, n - 1 - 19 - 5);
    const longs = new Uint8Array(Math.floor(more / 255)).fill(255);
    return Buffer.concat([Uint8Array.from([0x1f, 0, 1, 0]), longs, Uint8Array.from([more % 255, 0x50, 0, 0, 0, 0, 0])]);
  },
};

interface Claims {
  readonly rows: number;
  readonly values: number;
  readonly pageValues: number;
  readonly inflated: number;
  readonly codec: keyof typeof CODECS;
  readonly type: keyof typeof TYPES;
  readonly encoding: number;
  readonly repetition: number;
  readonly data: Uint8Array;
  readonly groups: number;
  readonly pages: number;
  readonly isV2: boolean;
}

/** A file of one column that claims what it is told to. */
const file = (c: Claims): Uint8Array => {
  const header = c.isV2
    ? {
        1: i(3),
        2: i(c.inflated),
        3: i(c.data.length),
        8: struct({ 1: i(c.pageValues), 2: i(0), 3: i(c.rows), 4: i(c.encoding), 5: i(0), 6: i(0) }),
      }
    : {
        1: i(0),
        2: i(c.inflated),
        3: i(c.data.length),
        5: struct({ 1: i(c.pageValues), 2: i(c.encoding), 3: i(3), 4: i(3) }),
      };
  const page = Buffer.concat([Uint8Array.from(thrift(struct(header))), c.data]);
  const pages = Buffer.concat(Array.from({ length: c.pages }, () => page));
  const size = i(pages.length, true);
  const column = struct({
    2: i(4, true),
    3: struct({
      1: i(TYPES[c.type]),
      2: { list: [i(c.encoding)] },
      3: { list: [text("text")] },
      4: i(CODECS[c.codec]),
      5: i(c.values, true),
      6: i(c.inflated, true),
      7: size,
      9: i(4, true),
    }),
  });
  const group = struct({ 1: { list: [column] }, 2: size, 3: i(c.rows, true) });
  const metadata = struct({
    1: i(1),
    2: {
      list: [
        struct({ 4: text("root"), 5: i(1) }),
        struct({ 1: i(TYPES[c.type]), 2: c.type === "FIXED" ? i(8) : undefined, 3: i(c.repetition), 4: text("text") }),
      ],
    },
    3: i(c.rows * c.groups, true),
    4: { list: Array.from({ length: c.groups }, () => group) },
  });
  const footer = Uint8Array.from(thrift(metadata));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(footer.length);
  return Buffer.concat([Buffer.from("PAR1"), pages, footer, length, Buffer.from("PAR1")]);
};

const HUGE = [2 ** 31 - 1, 2 ** 31, -(2 ** 31), 5e7, 2 ** 24, 2 ** 20, 1000, -1, 0];

const claims = (draw: Draw): Claims => {
  const codec = pick(draw, Object.keys(CODECS) as (keyof typeof CODECS)[]);
  const inflated = 2 ** (4 + draw(16));
  const noise = Uint8Array.from({ length: 1 + draw(200) }, () => pick(draw, [0, 1, 2, 3, 255, 128, draw(256)]));
  return {
    rows: pick(draw, HUGE),
    values: pick(draw, HUGE),
    pageValues: pick(draw, HUGE),
    inflated,
    codec,
    type: pick(draw, Object.keys(TYPES) as (keyof typeof TYPES)[]),
    encoding: pick(draw, ENCODINGS),
    repetition: draw(3),
    data: draw(2) === 0 ? zeros[codec](inflated) : noise,
    groups: 1,
    pages: 1 + draw(3),
    isV2: draw(2) === 0,
  };
};

const repeated = (value: unknown, rows: number, more: object = {}): Uint8Array =>
  new Uint8Array(
    parquetWriteBuffer({ columnData: [{ name: "text", data: new Array(rows).fill(value) }], ...more } as never),
  );

export const hostileParquet: Readonly<Record<string, Made>> = {
  claims: (draw) => file(claims(draw)),
  agreeing: (draw) => {
    const n = pick(draw, HUGE);
    return file({ ...claims(draw), rows: n, values: n, pageValues: n });
  },
  runs: (draw) => {
    const n = 10 ** (4 + draw(5));
    const run = Uint8Array.from([1, ...varint(2 * n), 0, 0, 0, 0]);
    const data = Buffer.concat([Uint8Array.from([run.length, 0, 0, 0]), run, run, run]);
    const own = { rows: n, values: n, pageValues: n, data, inflated: data.length, codec: "UNCOMPRESSED" as const };
    return file({ ...claims(draw), ...own, repetition: 1, encoding: pick(draw, ENCODINGS) });
  },
  bombs: (draw) => {
    const codec = pick(draw, Object.keys(CODECS) as (keyof typeof CODECS)[]);
    const inflated = 2 ** (20 + draw(9));
    return file({ ...claims(draw), codec, inflated, data: zeros[codec](inflated), rows: 4, values: 4, pageValues: 4 });
  },
  lies: (draw) => {
    const codec = pick(draw, Object.keys(CODECS) as (keyof typeof CODECS)[]);
    return file({ ...claims(draw), codec, inflated: pick(draw, HUGE), data: zeros[codec](1024), rows: 4, values: 4 });
  },
  manyPages: (draw) => file({ ...claims(draw), pages: 2 ** (6 + draw(8)), rows: 2 ** 20 }),
  manyGroups: (draw) => file({ ...claims(draw), groups: 2 ** (6 + draw(9)), rows: pick(draw, [1, 0, 2 ** 20]) }),
  sameText: (draw) => repeated("a".repeat(2 ** (10 + draw(11))), 10 ** (2 + draw(4))),
  sameValue: (draw) => repeated(pick<unknown>(draw, [null, true, "", "a", 1, 1n, 0.5]), 10 ** (2 + draw(4)), {}),
  smallGroups: (draw) => repeated("abc", 2000, { rowGroupSize: 1 + draw(3) }),
  footers: (draw) => {
    const bytes = Buffer.from(file(claims(draw)));
    for (let k = 0; k < 1 + draw(4); k++)
      bytes[bytes.length - 8 - draw(Math.min(120, bytes.length - 8))] = pick(draw, [255, 0, 127, 128]);
    if (draw(3) === 0)
      bytes.writeUInt32LE(pick(draw, [0, 1, 2 ** 31, 2 ** 32 - 1, bytes.length - 8]), bytes.length - 8);
    return bytes;
  },
  lists: (draw) => {
    const many = { list: [i(0)], claims: pick(draw, [2 ** 31 - 1, 2 ** 27, 2 ** 20]) };
    const footer = Uint8Array.from(thrift(struct({ 1: i(1), 2: many, 3: i(1, true), 4: many })));
    const length = Buffer.alloc(4);
    length.writeUInt32LE(footer.length);
    return Buffer.concat([Buffer.from("PAR1"), footer, length, Buffer.from("PAR1")]);
  },
  nested: (draw) => {
    const depth = 2 ** (4 + draw(13));
    const levels = Buffer.alloc(depth, (1 << 4) | STRUCT);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(2 * depth);
    return Buffer.concat([Buffer.from("PAR1"), levels, Buffer.alloc(depth), length, Buffer.from("PAR1")]);
  },
};
