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
};
