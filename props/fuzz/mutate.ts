/** Ways in which files go wrong: bits, cuts, lying numbers, nesting, wrong types. Everything follows from a seed. */

/** Whole numbers from 0 to n − 1; mulberry32, so that a seed gives the same mutants everywhere. */
export type Draw = (n: number) => number;

export const drawer = (seed: number): Draw => {
  let state = seed >>> 0;
  return (n) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * n);
  };
};

export const pick = <T>(draw: Draw, items: readonly T[]): T => items[draw(items.length)];

type Mutate = (old: Buffer, draw: Draw) => Buffer;

/** A stretch of the file, at most `longest` bytes. */
const stretch = (old: Buffer, draw: Draw, longest: number): [from: number, to: number] => {
  const from = draw(old.length + 1);
  return [from, Math.min(old.length, from + draw(longest + 1))];
};

const splice = (old: Buffer, from: number, to: number, put: string | Uint8Array): Buffer =>
  Buffer.concat([old.subarray(0, from), Buffer.from(put as string), old.subarray(to)]);

/** For any file. */
const bytes: Readonly<Record<string, Mutate>> = {
  flip: (old, draw) => {
    const out = Buffer.from(old);
    for (let i = draw(8); i >= 0 && out.length > 0; i--) out[draw(out.length)] ^= 1 << draw(8);
    return out;
  },
  cut: (old, draw) => old.subarray(0, draw(old.length + 1)),
  remove: (old, draw) => splice(old, ...stretch(old, draw, 64), ""),
  repeat: (old, draw) => {
    const [from, to] = stretch(old, draw, 4096);
    return splice(old, from, from, old.subarray(from, to));
  },
  noise: (old, draw) => {
    const [from, to] = stretch(old, draw, 32);
    return splice(
      old,
      from,
      to,
      Uint8Array.from({ length: draw(32) }, () => draw(256)),
    );
  },
  zeros: (old, draw) => {
    const out = Buffer.from(old);
    return out.fill(draw(2) * 255, ...stretch(old, draw, 64));
  },
  grown: (old, draw) => Buffer.concat([old, Buffer.alloc(draw(100_000), draw(256))]),
};

/** What a value may be replaced by in a text of JSON or YAML. */
const values: readonly string[] = [
  ...["-1", "0", "1", "2", "0.5", "-0.0", "1e400", "1e-400", "9007199254740993", "4294967296", "1000000000", "NaN"],
  ...["null", "true", '""', '"x"', "[]", "{}", "[[]]", "[null]", '{"a": 1}', '"\\u0000"', '"\\ud800"', "-Infinity"],
];

/** Where values stand, by their look: numbers, strings that are no keys, small lists and objects; and where keys do. */
const VALUE =
  /-?\d+(?:\.\d+)?(?:e[-+]?\d+)?|"(?:[^"\\\n]|\\.)*"(?!\s*:)|\b(?:true|false|null)\b|\[[^[\]{}]*\]|\{[^[\]{}]*\}/g;
const KEY = /"(?:[^"\\\n]|\\.)*"(?=\s*:)|^[a-z_]+(?=:)/gm;

const replaced = (old: Buffer, draw: Draw, put: string, where = VALUE): Buffer => {
  const text = old.toString("latin1"); // a byte is a character, whatever it is
  const places = [...text.matchAll(where)];
  if (places.length === 0) return Buffer.from(put);
  const { index, 0: was } = pick(draw, places);
  return Buffer.from(text.slice(0, index) + put + text.slice(index + was.length), "latin1");
};

/** For texts of JSON and YAML. */
const texts: Readonly<Record<string, Mutate>> = {
  value: (old, draw) => replaced(old, draw, pick(draw, values)),
  values: (old, draw) => replaced(replaced(old, draw, pick(draw, values)), draw, pick(draw, values)),
  deep: (old, draw) => {
    const depth = 10 ** (1 + draw(5));
    return replaced(old, draw, "[".repeat(depth) + (draw(2) === 0 ? "" : "]".repeat(depth)));
  },
  deepObject: (old, draw) => {
    const depth = 10 ** (1 + draw(4));
    return replaced(old, draw, '{"a":'.repeat(depth) + (draw(2) === 0 ? "" : `1${"}".repeat(depth)}`));
  },
  long: (old, draw) => replaced(old, draw, `"${pick(draw, ["a", "ab ", "\\n", "é"]).repeat(10 ** (1 + draw(5)))}"`),
  many: (old, draw) => replaced(old, draw, `[${"1,".repeat(10 ** (1 + draw(5)))}1]`),
  /** A letter for a letter, a digit for a digit: what bits do that leave a text one. */
  letters: (old, draw) => {
    const out = Buffer.from(old);
    for (let i = draw(4); i >= 0 && out.length > 0; i--) out[draw(out.length)] ^= 1 << draw(4);
    return out;
  },
  key: (old, draw) =>
    replaced(old, draw, pick(draw, ['"__proto__"', '"constructor"', '"toString"', '"length"', '""']), KEY),
  keys: (old, draw) => {
    const found = old.toString("latin1").match(KEY) ?? ["x"];
    return replaced(old, draw, pick(draw, found), KEY);
  },
  swapped: (old, draw) => {
    const found = old.toString("latin1").match(VALUE) ?? ["x"];
    return replaced(old, draw, pick(draw, found));
  },
};

/** A safetensors file: its header is JSON after eight bytes of length. */
const tensors: Readonly<Record<string, Mutate>> = {
  length: (old, draw) => {
    const out = Buffer.from(old);
    const lie = pick(draw, [
      0n,
      1n,
      2n ** 63n,
      2n ** 64n - 1n,
      2n ** 31n,
      BigInt(old.length),
      BigInt(old.length - 8),
      99_999_999n,
    ]);
    out.writeBigUInt64LE(lie);
    return out;
  },
  header: (old, draw) => {
    const end = 8 + Number(old.readBigUInt64LE());
    const header = pick(draw, Object.values(texts))(old.subarray(8, end), draw);
    return framed(header, old.subarray(end));
  },
  dtype: (old, draw) => {
    const end = 8 + Number(old.readBigUInt64LE());
    const kinds = ["F16", "BF16", "F64", "I8", "U8", "I64", "BOOL", "F8_E4M3", "f32", "F128"];
    const text = old.toString("latin1", 8, end);
    const places = [...text.matchAll(/"(F32|BF16|F16)"/g)];
    const { index, 0: was } = pick(draw, places);
    const header = `${text.slice(0, index)}"${pick(draw, kinds)}"${text.slice(index + was.length)}`;
    return framed(Buffer.from(header, "latin1"), old.subarray(end));
  },
  data: (old, draw) => {
    const out = Buffer.from(old);
    const start = 8 + Number(old.readBigUInt64LE());
    for (let i = draw(64); i >= 0; i--) out[start + draw(out.length - start)] ^= 1 << draw(8);
    return out;
  },
};

const framed = (header: Buffer, data: Buffer): Buffer => {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, header, data]);
};

/** What kind of file is spoiled. */
const kinds = { text: { ...bytes, ...texts }, bytes, tensors: { ...bytes, ...tensors } } as const;
export type FileKind = keyof typeof kinds;

/** A spoiled copy, and what was done to it. */
export const mutant = (
  whole: Uint8Array,
  kind: FileKind,
  draw: Draw,
): { readonly name: string; readonly bytes: Buffer } => {
  const table = kinds[kind];
  const name = pick(draw, Object.keys(table));
  return { name, bytes: (table as Readonly<Record<string, Mutate>>)[name](Buffer.from(whole), draw) };
};
