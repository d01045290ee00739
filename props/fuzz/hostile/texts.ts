/** Texts of YAML and JSON that nest, repeat and refer without end: kinds, each with drawn sizes. */
import { gzipSync } from "node:zlib";
import { type Draw, pick } from "../mutate.js";

const power = (draw: Draw, from: number, to: number): number => 2 ** (from + draw(to - from + 1));

export const hostileYaml: Readonly<Record<string, (draw: Draw) => string>> = {
  marks: (draw) =>
    `a: ${pick(draw, ["\"'", "'\"\n", "&", "&a ", "*a ", "!", "!a ", "? ", "- ", "|", "<<: "]).repeat(power(draw, 4, 16))}`,
  brackets: (draw) => {
    const [open, close] = pick(draw, [
      ["[", "]"],
      ["{a: ", "}"],
      ["[*a, ", "]"],
    ] as const);
    const depth = power(draw, 4, 15);
    return `a: ${open.repeat(depth)}${draw(2) === 0 ? "" : close.repeat(depth)}`;
  },
  aliases: (draw) => {
    const width = 2 + draw(9);
    const lines = Array.from({ length: 4 + draw(20) }, (_, k) => {
      const before = k === 0 ? "x" : `*a${k - 1}`;
      return `k${k}: &a${k} [${new Array<string>(width).fill(before).join(", ")}]`;
    });
    return lines.join("\n");
  },
  keys: (draw) => Array.from({ length: power(draw, 4, 14) }, (_, k) => `k${k}: 1`).join("\n"),
  deeper: (draw) => Array.from({ length: power(draw, 4, 9) }, (_, k) => `${" ".repeat(k)}a:`).join("\n"),
  itself: () => "a: &a [*a]",
  long: (draw) => "a".repeat(power(draw, 4, 22)),
};

type Rows = readonly [name: string, bytes: Uint8Array];
const zipped = (text: string): Rows => ["rows.jsonl.gz", gzipSync(text)];

/** Files of rows. */
export const hostileRows: Readonly<Record<string, (draw: Draw) => Rows>> = {
  deep: (draw) => {
    const depth = power(draw, 4, 17);
    const inner = pick(draw, [
      ["[", "]"],
      ['{"a":', "}"],
    ] as const);
    return ["rows.jsonl", Buffer.from(`{"text": "a", "b": ${inner[0].repeat(depth)}1${inner[1].repeat(depth)}}`)];
  },
  many: (draw) => ["rows.jsonl", Buffer.from(`{"text": "a", "b": [${"[],".repeat(power(draw, 4, 18))}1]}`)],
  unclosed: (draw) => [
    "rows.json",
    Buffer.from(`[${pick(draw, ['{"a":', "[", '"', "1,", " "]).repeat(power(draw, 4, 20))}`),
  ],
  zeros: (draw) => ["rows.jsonl.gz", gzipSync(new Uint8Array(power(draw, 4, 25)))],
  same: (draw) => zipped('{"text": "a"}\n'.repeat(power(draw, 4, 20))),
  long: (draw) => zipped(`{"text": "${"ab".repeat(power(draw, 4, 21))}"}`),
  numbers: (draw) => {
    const number = pick(draw, ["NaN", "-Infinity", "1e999", "1".repeat(power(draw, 4, 20)), "0x1", "01", "1_0", "+1"]);
    return [pick(draw, ["rows.jsonl", "rows.json"]), Buffer.from(`[{"text": "a", "b": ${number}}]`.slice(draw(2)))];
  },
  encodings: (draw) => {
    const text = '{"text": "a ж"}\n'.repeat(power(draw, 0, 8));
    return [
      "rows.jsonl",
      pick(draw, [
        Buffer.from(text, "utf16le"),
        Buffer.from(`\ufeff${text}`, "utf16le"),
        Buffer.from(`\ufeff\ufeff${text}`),
        Buffer.from(text.replaceAll("\n", pick(draw, ["\r", "\r\n", "\u2028", "\0"]))),
        Buffer.from(text, "latin1"),
        Buffer.from(text.replace("ж", "\\ud800\u202e\u0000")),
      ]),
    ];
  },
  blanks: (draw) => [
    "rows.jsonl",
    Buffer.alloc(power(draw, 10, 26), pick(draw, ["\n", " ", "\t", "\r", "[", "{", '"'])),
  ],
  members: (draw) => {
    const one = gzipSync('{"text": "a"}\n');
    const many = Buffer.concat(Array.from({ length: power(draw, 0, 14) }, () => one));
    return [
      "rows.jsonl.gz",
      pick(draw, [many, Buffer.concat([many, Buffer.from("more")]), gzipSync(many), Buffer.alloc(0)]),
    ];
  },
};

/** What a bomb of other formats looks like at its beginning. */
const foreign = [
  "\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'shape': (99999999999,), }",
  "PK\x03\x04",
  "GGUF",
  "ARROW1",
  "%PDF",
];

/** Texts that are read as lines, or as cells. */
export const hostileLines: Readonly<Record<string, (draw: Draw) => Uint8Array>> = {
  empty: (draw) =>
    Buffer.alloc(power(draw, 10, 26), pick(draw, ["\n", "\r", " \n", ",", ",\n", '"', '""', "a\n", "1\n"])),
  endless: (draw) =>
    Buffer.from(
      `question,A,B,answer\n${pick(
        draw,
        ["a", "a,", '"a', '"a"', '"",'].map((s) => s),
      ).repeat(power(draw, 4, 22))}`,
    ),
  wide: (draw) => {
    const columns = power(draw, 4, 18);
    return Buffer.from(`question${",a".repeat(columns)}\n${`x${",b".repeat(columns)}\n`.repeat(power(draw, 0, 4))}`);
  },
  foreign: (draw) => Buffer.from(pick(draw, foreign).repeat(power(draw, 0, 12)), "latin1"),
};

/** The beginning of a README, which the Hub reads. */
export const hostileFronts: Readonly<Record<string, (draw: Draw) => string>> = {
  yaml: (draw) => `---\n${pick(draw, Object.values(hostileYaml))(draw)}\n---\n# a\n`,
  unclosed: (draw) => `---\n${pick(draw, ["a: 1\n", "\r\n", "--\n", " ---\n", "-"]).repeat(power(draw, 4, 20))}`,
  patterns: (draw) => {
    const pattern = pick(draw, ["*", "**/", "?*", "[!a]*", "[z-a]", "*a", "../", "/"]).repeat(power(draw, 0, 10));
    return `---\nconfigs:\n- data_files: "${pattern}"\n---\n`;
  },
  folders: (draw) =>
    `---\nconfigs:\n- data_dir: ${JSON.stringify(pick(draw, ["..", "/", "../../..", "a".repeat(5000), "\0", "\u202e", ""]))}\n---\n`,
  configs: (draw) => `---\nconfigs: [${"{config_name: a},".repeat(power(draw, 0, 13))}]\n---\n`,
};
