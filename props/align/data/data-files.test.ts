/** Where rows come from: chunks of JSON, folders, .gz, Parquet; and that reading leaves nothing behind. */
import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { parquetWriteBuffer } from "hyparquet-writer";
import { readRows } from "../../../align/data/data.js";
import { jsonRows, rowValue } from "../../../align/data/files/json.js";
import type { Row } from "../../../align/data/layouts/data-row.js";
import { goldenPath } from "../../golden/files.js";
import { refusedLater } from "../../golden/refused.js";

const folder = mkdtempSync(join(tmpdir(), "taugrad-files-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const without = (rows: readonly Row[]) => rows.map(({ at: _, ...row }) => row);

/** The values that a text holds, read in chunks that end at the given places. */
const chunked = async (text: string, cuts: readonly number[]): Promise<unknown[]> => {
  const bytes = Buffer.from(text, "utf8");
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  const chunks = (async function* () {
    for (let i = 1; i < places.length; i++) yield bytes.subarray(places[i - 1], places[i]);
  })();
  const values: unknown[] = [];
  for await (const row of jsonRows("x", chunks)) {
    assert.match(row.at, /^x(:\d+|: row \d+)$/);
    values.push(rowValue(row));
  }
  return values;
};

test("wherever the chunks end, a JSON array and JSON lines hold what JSON.parse finds in them", () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(fc.jsonValue(), { minLength: 1, maxLength: 5 }),
      fc.array(fc.nat(), { maxLength: 6 }),
      fc.constantFrom("", " ", "\n\t"),
      fc.boolean(),
      async (values, cuts, space, mark) => {
        const parts = values.map((value) => JSON.stringify(value, null, space));
        const array = `${mark ? "\uFEFF" : ""}${space}[${space}${parts.join(`,${space}`)}${space}]${space}`;
        const plain: unknown = JSON.parse(`[${parts.join(",")}]`);
        assert.deepEqual(await chunked(array, cuts), plain);
        const lines = values.map((value) => JSON.stringify({ value }));
        assert.deepEqual(
          await chunked(lines.join("\n") + space, cuts),
          lines.map((line) => JSON.parse(line)),
        );
      },
    ),
    { numRuns: 150 },
  ));

test("a broken JSON array is never taken for another one", () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ a: fc.jsonValue() }), { minLength: 1, maxLength: 3 }),
      fc.nat(),
      fc.constantFrom("", '"', "[", "]", "{", "}", ",", "x"),
      async (values, place, put) => {
        const good = JSON.stringify(values);
        const at = 1 + (place % (good.length - 1));
        const text = good.slice(0, at) + put + good.slice(at + 1);
        let [expected, found]: [unknown, unknown] = [undefined, undefined];
        try {
          expected = JSON.parse(text);
        } catch {}
        try {
          found = await chunked(text, [at]);
        } catch {}
        assert.deepEqual(found, expected);
      },
    ),
    { numRuns: 300 },
  ));

test("a folder is its data files by name; .gz and Parquet hold the same rows as JSON lines", async () => {
  const source = goldenPath("preferences", "chat.jsonl");
  const expected = without(await readRows(source));
  const lines = readFileSync(source, "utf8").trimEnd().split("\n");
  const values = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  const parts = join(folder, "parts");
  mkdirSync(parts);
  writeFileSync(join(parts, "b.json.gz"), gzipSync(JSON.stringify(values.slice(20, 40), null, 1)));
  writeFileSync(join(parts, "c.parquet"), parquet(values.slice(40), 7));
  writeFileSync(join(parts, "a.jsonl"), lines.slice(0, 20).join("\n"));
  writeFileSync(join(parts, "dataset_info.json"), "{}");
  writeFileSync(join(parts, "README.md"), "rows");
  const rows = await readRows(parts);
  assert.deepEqual(without(rows), expected);
  assert.deepEqual(
    [0, 20, 63].map((i) => rows[i].at.slice(parts.length + 1)),
    ["a.jsonl:1", "b.json.gz: row 1", "c.parquet: row 24"],
  );
});

/** Columns of structs and lists are stored as JSON text would not be: as Parquet's own nested types. */
const parquet = (rows: readonly Record<string, unknown>[], rowGroupSize: number): Uint8Array => {
  const turn = [
    {
      name: "role",
      type: "BYTE_ARRAY" as const,
      converted_type: "UTF8" as const,
      repetition_type: "OPTIONAL" as const,
    },
    {
      name: "content",
      type: "BYTE_ARRAY" as const,
      converted_type: "UTF8" as const,
      repetition_type: "OPTIONAL" as const,
    },
  ];
  const names = Object.keys(rows[0]);
  const column = (name: string) => [
    { name, repetition_type: "OPTIONAL" as const, num_children: 1, converted_type: "LIST" as const },
    { name: "list", repetition_type: "REPEATED" as const, num_children: 1 },
    { name: "element", repetition_type: "OPTIONAL" as const, num_children: turn.length },
    ...turn,
  ];
  return new Uint8Array(
    parquetWriteBuffer({
      schema: [{ name: "root", num_children: names.length }, ...names.flatMap(column)],
      columnData: names.map((name) => ({ name, data: rows.map((row) => row[name]) })),
      rowGroupSize,
    }),
  );
};

test("files that are cut, empty or something else are refused in one line", async () => {
  const put = (name: string, content: string | Uint8Array): string => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  const zipped = gzipSync('{"text":"a"}\n'.repeat(500));
  const table = parquet([{ messages: [{ role: "user", content: "a" }] }], 1);
  const empty = join(folder, "nothing");
  mkdirSync(empty);
  const cases: [string, RegExp][] = [
    [put("cut.jsonl.gz", zipped.subarray(0, -9)), /cut\.jsonl\.gz: is no gzip file, or is cut off/],
    [put("plain.gz", '{"text":"a"}'), /plain\.gz: is no gzip file, or is cut off/],
    [put("zipped.jsonl", zipped), /zipped\.jsonl:1: is not UTF-8/],
    [put("text.parquet", "{}"), /text\.parquet: is no Parquet file, or is broken/],
    [put("none.parquet", ""), /none\.parquet: is no Parquet file, or is broken/],
    [put("cut.parquet", table.subarray(0, -9)), /cut\.parquet: is no Parquet file, or is broken/],
    [
      put("long.jsonl", Buffer.alloc((1 << 21) + 2, 97)),
      /long\.jsonl:1: is longer than 2097152 bytes; max_row_bytes allows longer rows/,
    ],
    [empty, /nothing: this folder holds no data file \(\.jsonl/],
    [join(folder, "gone"), /gone: no such file/],
  ];
  for (const [path, pattern] of cases) await refusedLater(() => readRows(path), pattern);
  const long = put("longer.jsonl", `{"text": "${"a".repeat(1 << 21)}"}`);
  assert.equal((await readRows(long, { longestRow: 1 << 22 })).length, 1);
  cpSync(goldenPath("preferences", "plain.jsonl"), join(empty, "a.jsonl"));
  writeFileSync(join(empty, "b.jsonl"), "");
  assert.equal((await readRows(empty)).length, 64);
});
