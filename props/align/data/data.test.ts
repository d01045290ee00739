import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import { readRows, rowsOfKind } from "../../../align/data/data.js";
import { COLUMNS } from "../../../align/data/layouts/columns.js";
import { parseRow, type Row } from "../../../align/data/layouts/data-row.js";
import type { Turns } from "../../../align/data/layouts/turns.js";
import { InputError } from "../../../core/errors.js";
import { besideCheckout, goldenPath } from "../../golden/files.js";
import { refused, refusedLater } from "../../golden/refused.js";

const folder = mkdtempSync(join(tmpdir(), "taugrad-data-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const file = join(folder, "rows.jsonl");
const preferences = (name: string): Promise<Row[]> => readRows(goldenPath("preferences", name));

const rowsFrom = (text: string | Uint8Array): Promise<Row[]> => {
  writeFileSync(file, text);
  return readRows(file);
};
const row = (value: unknown): Row => {
  const { at: _, ...only } = parseRow(value, "here");
  return only as Row;
};
const user = (content: string) => ({ role: "user", content });
const assistant = (content: string) => ({ role: "assistant", content });

test("every row form is understood", () => {
  assert.deepEqual(row({ prompt: "a", chosen: "b", rejected: "c", score: 1 }), {
    kind: "paired",
    prompt: "a",
    chosen: "b",
    rejected: "c",
    unused: ["score"],
  });
  assert.deepEqual(row({ prompt: [user("a")], chosen: [assistant("b")], rejected: [assistant("c")] }), {
    kind: "paired",
    prompt: [user("a")],
    chosen: [assistant("b")],
    rejected: [assistant("c")],
  });
  assert.deepEqual(row({ prompt: "a", completion: "b", label: false }), {
    kind: "unpaired",
    prompt: "a",
    completion: "b",
    label: false,
  });
  assert.deepEqual(row({ messages: [user("a"), assistant("b")], label: true }), {
    kind: "unpaired",
    prompt: [user("a")],
    completion: [assistant("b")],
    label: true,
    whole: true,
  });
  assert.deepEqual(row({ prompt: "a", completion: "b", label: null }), {
    kind: "completion",
    prompt: "a",
    completion: "b",
  });
  assert.deepEqual(row({ messages: [user("a")] }), { kind: "document", content: [user("a")] });
  assert.deepEqual(row({ text: "a" }), { kind: "document", content: "a" });
  assert.deepEqual(
    row({
      conversations: [
        { from: "human", value: "a" },
        { from: "gpt", value: "b" },
      ],
      system: "s",
    }),
    {
      kind: "document",
      content: [{ role: "system", content: "s" }, user("a"), assistant("b")],
    },
  );
  assert.deepEqual(
    row({
      conversations: [{ from: "human", value: "a" }],
      chosen: { from: "gpt", value: "b" },
      rejected: { from: "gpt", value: "c" },
    }),
    {
      kind: "paired",
      prompt: [user("a")],
      chosen: [assistant("b")],
      rejected: [assistant("c")],
    },
  );
  assert.deepEqual(row({ instruction: "a", input: "", output: "b" }), {
    kind: "completion",
    prompt: [user("a")],
    completion: [assistant("b")],
  });
  assert.deepEqual(row({ instruction: "a", input: "x", chosen: "b", rejected: "c", history: [["p", "q"]] }), {
    kind: "paired",
    prompt: [user("p"), assistant("q"), user("a\nx")],
    chosen: [assistant("b")],
    rejected: [assistant("c")],
  });
});

test("an implicit prompt is what both answers begin with", async () => {
  const texts = (chosen: string, rejected: string) => {
    const { kind: _, ...parts } = row({ chosen, rejected });
    return parts;
  };
  assert.deepEqual(texts("The sky is blue.", "The sky is green."), {
    prompt: "The sky is",
    chosen: " blue.",
    rejected: " green.",
  });
  assert.deepEqual(texts("🤷ab", "🤷ac"), { prompt: "🤷a", chosen: "b", rejected: "c" });
  // Half a surrogate pair is shared, no character is.
  assert.deepEqual(texts("👍", "👎"), { prompt: "", chosen: "👍", rejected: "👎" });
  assert.deepEqual(texts("abc", "abcd"), { prompt: "ab", chosen: "c", rejected: "cd" });
  const explicit = await preferences("chat.jsonl");
  const implicit = await preferences("implicit_prompt.jsonl");
  assert.equal(explicit.length, 64);
  const parts = (rows: Row[]) => rowsOfKind(rows, "paired").map(({ at: _, ...rest }) => rest);
  assert.deepEqual(parts(implicit), parts(explicit));
  refused(() => row({ chosen: [user("a")], rejected: [user("b")] }), /share no first message/);
});

test("a law of implicit prompts: prompt + answer gives back each side", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: "grapheme" }),
      fc.string({ unit: "grapheme" }),
      fc.string({ unit: "grapheme" }),
      (start, a, b) => {
        const paired = row({ chosen: start + a, rejected: start + b });
        assert.ok(paired.kind === "paired");
        assert.equal(`${paired.prompt}${paired.chosen}`, start + a);
        assert.equal(`${paired.prompt}${paired.rejected}`, start + b);
      },
    ),
    { numRuns: 100 },
  );
});

test("files: lines, arrays, a byte order mark, Windows ends, no last newline", async () => {
  const two = ['{"text":"a"}', '{"text":"b"}'];
  const expected: Turns[] = ["a", "b"];
  for (const content of [
    two.join("\n"),
    `${two.join("\r\n")}\r\n`,
    `\uFEFF${two.join("\n")}\n\n`,
    `[${two.join(",\n")}]`,
  ]) {
    assert.deepEqual(
      rowsOfKind(await rowsFrom(content), "document").map((found) => found.content),
      expected,
    );
  }
  assert.equal((await rowsFrom(two.join("\n")))[1].at, `${file}:2`);
});

test("bad files and rows are refused by file and line", async () => {
  const good = '{"text":"a"}\n';
  const cases: [string, RegExp][] = [
    ["", /rows.jsonl: holds no rows/],
    ["\n\n", /holds no rows/],
    ["[]", /holds no rows/],
    [`${good}\n${good}`, /rows.jsonl:2: empty line/],
    [`\n${good}`, /rows.jsonl:1: empty line/],
    [`${good}{"text": "a\n`, /rows.jsonl:2: malformed JSON/],
    [`${good}{"text":"a"} {"text":"b"}\n`, /rows.jsonl:2: malformed JSON/],
    [`${good}3\n`, /rows.jsonl:2: must be a JSON object, is 3/],
    [`${good}null\n`, /rows.jsonl:2: must be a JSON object/],
    ['[{"text":"a"}, 4]', /rows.jsonl: row 2: must be a JSON object/],
    ['[{"text":"a"}', /rows.jsonl: malformed JSON .*ends before its closing/],
    ['[{"text":"a"},]', /rows.jsonl: row 2: malformed JSON/],
    ['[{"text":"a"} {}]', /rows.jsonl: row 1: malformed JSON/],
    ['[{"text":"a"}] 3', /rows.jsonl: malformed JSON .*something follows/],
    ["{}", /:1: has keys \[\]; expected/],
    ['{"text":3}', /"text" must be text, is 3/],
    ['{"prompt":"a"}', /"completion" is missing/],
    ['{"completion":"a"}', /"prompt" is missing/],
    ['{"prompt":"a","chosen":"b"}', /"rejected" is missing/],
    ['{"prompt":"a","chosen":"b","rejected":null}', /"rejected" is missing/],
    [
      '{"prompt":"a","chosen":[{"role":"user","content":"b"}],"rejected":"c"}',
      /one of "chosen" and "rejected" is text and the other a conversation/,
    ],
    ['{"prompt":"a","chosen":7,"rejected":"c"}', /"chosen" must be text or a list of messages, is 7/],
    ['{"messages":[]}', /"messages" holds no messages/],
    ['{"messages":[{"role":"user"}]}', /"messages" message 1 must be {role, content}/],
    ['{"messages":[{"role":"user","content":"a"},3]}', /message 2/],
    ['{"prompt":"a","completion":"b","label":"yes"}', /"label" must be true or false, is "yes"/],
    ['{"instruction":"a"}', /"output" is missing/],
    ['{"instruction":"a","output":"b","history":[["q"]]}', /"history"/],
  ];
  for (const [content, pattern] of cases) await refusedLater(() => rowsFrom(content), pattern);
  await refusedLater(() => readRows(join(folder, "absent.jsonl")), /absent.jsonl: no such file/);
  const documents = await rowsFrom(good);
  refused(() => rowsOfKind(documents, "paired"), /rows.jsonl:1: is a document .*expected a preference pair/);
  await refusedLater(() => rowsFrom(Buffer.from([0xff, 0xfe, 0x7b])), /rows.jsonl:1: is not UTF-8/);
});

test("any JSON value as a row is read or refused with one line", () => {
  const keys = [...new Set<string>(Object.values(COLUMNS).flat()), "images", "functions", "score"];
  const said = fc.oneof(
    fc.string(),
    fc.integer(),
    fc.constant(null),
    fc.array(fc.record({ type: fc.string(), text: fc.string() })),
  );
  const role = fc.oneof(fc.string(), fc.constantFrom("user", "assistant", "function_call", "observation", "__proto__"));
  const message = fc.oneof(
    fc.record({ role, content: said }),
    fc.record({ from: role, value: said, weight: fc.nat(1), tool_calls: fc.jsonValue() }, { requiredKeys: ["from"] }),
  );
  const value = fc.oneof(fc.string(), fc.boolean(), fc.array(message, { maxLength: 3 }), fc.jsonValue());
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom(...keys), value), (candidate) => {
      try {
        row(candidate);
      } catch (error) {
        assert.ok(error instanceof InputError, String(error));
        assert.ok(!error.message.includes("\n"), error.message);
      }
    }),
    { numRuns: 300 },
  );
});

test("the real data sets beside the checkout load", async () => {
  const sizes: [string, Row["kind"], number][] = [
    ["dpo_en_demo.json", "paired", 300],
    ["alpaca_en_demo.json", "completion", 999],
    ["kto_en_demo.json", "unpaired", 300],
  ];
  for (const [name, kind, count] of sizes) {
    const path = besideCheckout("data", name);
    if (path !== undefined) assert.equal(rowsOfKind(await readRows(path), kind).length, count);
  }
});
