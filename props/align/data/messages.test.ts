/** Conversations reach the chat template whole: tools, calls, thoughts, parts, and whatever else a message holds. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import { readRows, rowsOfKind } from "../../../align/data/data.js";
import { exampleDataset } from "../../../align/data/dataset.js";
import { parseRow } from "../../../align/data/layouts/data-row.js";
import { tokenizeAnswers, tokenizeExamples, tokenizePairs } from "../../../align/data/tokenize.js";
import { parseJson } from "../../../models/files/written-json.js";
import { loadTokenizer, type Tokenizer } from "../../../models/text/tokenizer.js";
import { goldenJson, goldenPath } from "../../golden/files.js";
import { refused } from "../../golden/refused.js";

const folder = mkdtempSync(join(tmpdir(), "taugrad-messages-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const withTemplate = (text: string): Tokenizer =>
  loadTokenizer(goldenPath("preferences", "sft"), { chatTemplate: { text, path: "template.jinja" } });
const caseTokenizer = (name: string): Tokenizer =>
  withTemplate(readFileSync(goldenPath("cases", name, "template.jinja"), "utf8"));
/** Prints everything that a conversation holds, as a template sees it. */
const everything = withTemplate(
  "{{ tools | tojson }}{{ documents | tojson }}{{ mood is defined and mood }}{% for m in messages %}{{ m | tojson }}{% endfor %}{{ 'text' if false }}",
);
const own = loadTokenizer(goldenPath("preferences", "sft"));

const user = (content: string) => ({ role: "user", content });
const assistant = (content: string) => ({ role: "assistant", content });

for (const [name, files, exact] of [
  ["tools-dropped", ["rows.jsonl", "rows_null_content.jsonl"], true],
  // Its ids were made by a tokenizer that splits " 2"; the text is the template's.
  ["message-fields-dropped", ["rows.jsonl"], false],
] as const)
  test(`case ${name}: what transformers makes of the rows`, async () => {
    const tokenizer = caseTokenizer(name);
    const want = goldenJson<{ text: string; ids: number[] }[]>("cases", name, "want.json");
    for (const file of files) {
      const data = await exampleDataset(goldenPath("cases", name, file), tokenizer);
      const ids = want.map((_, i) => data.at(i)?.ids ?? []);
      assert.deepEqual(
        ids.map((row) => tokenizer.decode(row)),
        want.map(({ text }) => text),
      );
      if (exact)
        assert.deepEqual(
          ids,
          want.map((row) => row.ids),
        );
      data.close();
    }
  });

test("case sharegpt-tools: calls, results and tools are OpenAI's; a template without them is told of", async () => {
  const path = goldenPath("cases", "sharegpt-tools", "rows.jsonl");
  const [row] = rowsOfKind(await readRows(path), "document");
  assert.deepEqual(row.content, [
    user("How warm is Bergen?"),
    {
      role: "assistant",
      content: "",
      tool_calls: [{ type: "function", function: { name: "temperature", arguments: { town: "Bergen" } } }],
    },
    { role: "tool", content: "7" },
    assistant("Seven degrees."),
  ]);
  const tokenizer = caseTokenizer("tools-dropped");
  const { sequences, report } = tokenizeExamples([row], tokenizer);
  const [{ text }] = goldenJson<{ text: string }[]>("cases", "tools-dropped", "want.json");
  assert.equal(tokenizer.decode(sequences[0].ids), text);
  assert.deepEqual(report.fields, { tool_calls: true, tools: true });
  assert.deepEqual(tokenizeExamples([row], own).report.fields, { tool_calls: false, tools: false });
});

test("case kto-alpaca: two labelled answers; sft learns the wanted one and counts the other", async () => {
  const rows = rowsOfKind(await readRows(goldenPath("cases", "kto-alpaca", "rows.jsonl")), "unpaired");
  const answers = tokenizeAnswers(rows, own).sequences;
  assert.deepEqual(
    answers.map(({ ids, completionStart, label }) => [own.decode(ids.slice(completionStart)), label]),
    [
      ["2<|im_end|>\n", true],
      ["9<|im_end|>\n", false],
    ],
  );
  const { sequences, report } = tokenizeExamples(rows, own);
  assert.deepEqual([sequences.length, report.unwanted, report.rows, report.dropped], [1, 1, 2, 0]);
  assert.deepEqual([sequences[0].ids, sequences[0].completionStart], [answers[0].ids, answers[0].completionStart]);
});

test("case ultrafeedback: the same pairs as without the prompt", async () => {
  const path = goldenPath("cases", "ultrafeedback", "rows.jsonl");
  const bare = readFileSync(path, "utf8")
    .trim()
    .split("\n")
    .map((line) => ({ ...JSON.parse(line), prompt: null }));
  writeFileSync(join(folder, "bare.jsonl"), bare.map((row) => JSON.stringify(row)).join("\n"));
  const pairs = async (file: string) =>
    tokenizePairs(rowsOfKind(await readRows(file), "paired"), own).pairs.map(({ chosen, rejected }) => [
      chosen.ids,
      chosen.completionStart,
      rejected.ids,
    ]);
  assert.deepEqual(await pairs(path), await pairs(join(folder, "bare.jsonl")));
});

/** A JSON object without nulls and empty values: a template tells `none` from what is absent, and so does the row. */
const field = fc.oneof(
  fc.string({ minLength: 1 }),
  fc.boolean(),
  fc.integer(),
  fc.dictionary(fc.string(), fc.string()),
);
const names = fc.constantFrom("reasoning_content", "name", "thinking", "tool_call_id", "mood_of_the_day");

test("a law of whole messages: the template gets every field of every message, every tool and variable", () =>
  fc.assert(
    fc.property(
      fc.array(
        fc.record({
          role: fc.constantFrom("user", "assistant", "tool"),
          content: fc.string(),
          more: fc.dictionary(names, field),
        }),
        {
          minLength: 1,
          maxLength: 3,
        },
      ),
      fc.array(fc.record({ name: fc.string(), type: fc.constant("function") }), { minLength: 1, maxLength: 2 }),
      fc.boolean(),
      (drawn, drawnTools, mood) => {
        const [turns, tools] = JSON.parse(JSON.stringify([drawn, drawnTools])) as [typeof drawn, typeof drawnTools];
        const messages = turns.map(({ more, ...message }) => ({ ...message, ...more }));
        const value = { messages, tools: mood ? tools : JSON.stringify(tools), chat_template_kwargs: { mood } };
        const row = parseRow(value, "x");
        assert.ok(row.kind === "document" && typeof row.content !== "string");
        assert.deepEqual(row.content, messages);
        assert.deepEqual(row.variables, { tools, mood });
        const seen = everything.renderChat(messages, { variables: { tools, mood } });
        const { sequences } = tokenizeExamples([row], everything);
        assert.deepEqual(sequences[0].ids, everything.encode(seen));
      },
    ),
    { numRuns: 40 },
  ));

test("floats of a message, a part and of template variables stay floats", () => {
  const said = '{"role": "user", "content": "a", "score": 1.0, "name": null}';
  const parts = '{"role": "user", "content": [{"type": "text", "text": "b", "at": 2.0}], "score": 3.0}';
  const row = parseRow(parseJson(`{"messages": [${said}, ${parts}], "chat_template_kwargs": {"mood": 1e1}}`), "x");
  const { sequences, report } = tokenizeExamples(rowsOfKind([row], "document"), everything);
  const absent = said.replace(', "name": null', "");
  assert.equal(everything.decode(sequences[0].ids), `nullnull10.0${absent}${parts}`);
  assert.deepEqual(report.fields, { score: true, mood: true });
  assert.deepEqual(tokenizeExamples(rowsOfKind([row], "document"), own).report.fields, { score: false, mood: false });
  const flat = withTemplate("{% for m in messages %}{{ m.content }}{{ m.score }}{% endfor %}");
  const { ids } = tokenizeExamples(rowsOfKind([row], "document"), flat).sequences[0];
  assert.equal(flat.decode(ids), "a1.0b3.0");
});

test("a prompt and its answers see the same tools", () => {
  const tools = [{ type: "function", function: { name: "f" } }];
  const row = parseRow({ prompt: [user("a")], chosen: [assistant("b")], rejected: [assistant("c")], tools }, "x");
  const [{ chosen, rejected }] = tokenizePairs(rowsOfKind([row], "paired"), everything).pairs;
  for (const side of [chosen, rejected])
    assert.match(everything.decode(side.ids.slice(0, side.completionStart)), /^\[.*"f"/);
});

test("ShareGPT's calls: thoughts before them, several at once, arguments as text", () => {
  const call = { name: "f", arguments: { a: 1 } };
  const read = (value: unknown) => {
    const row = parseRow({ conversations: [{ from: "function_call", value }] }, "x");
    assert.ok(row.kind === "document" && typeof row.content !== "string");
    const [{ content, tool_calls: calls }] = row.content;
    return [content, calls];
  };
  const one = { type: "function", function: call };
  assert.deepEqual(read(JSON.stringify(call)), ["", [one]]);
  assert.deepEqual(read(call), ["", [one]]);
  assert.deepEqual(read(JSON.stringify([call, call])), ["", [one, one]]);
  assert.deepEqual(read(`<think>\nso\n</think>\n${JSON.stringify(call)}`), ["<think>\nso\n</think>", [one]]);
  assert.deepEqual(read(JSON.stringify({ ...call, arguments: '{"a":1}' })), ["", [one]]);
  for (const wrong of ["f(1)", '{"name":"f"}', "[]]", 7])
    refused(() => read(wrong), /x: "conversations" message 1 must be a call in JSON/);
});

test("a role that the template does not name is refused by name, with the row", () => {
  const named = withTemplate(
    "{% for m in messages %}{% if m.role == 'critic' %}!{% endif %}{{ m.content }}{% endfor %}",
  );
  const row = parseRow(
    {
      conversations: [
        { from: "critic", value: "a" },
        { from: "gpt", value: "b" },
      ],
    },
    "file:3",
  );
  assert.equal(tokenizeExamples(rowsOfKind([row], "document"), named).sequences.length, 1);
  refused(
    () => tokenizeExamples(rowsOfKind([row], "document"), own),
    /^file:3: has a message of role "critic", which the chat template does not name; known are system, user/,
  );
});

test("parts of text: whole to a template that knows parts, one text to others", () => {
  const parts = [
    { type: "text", text: "Name " },
    { type: "text", text: "one tree." },
  ];
  const row = (content: unknown) => rowsOfKind([parseRow({ messages: [{ role: "user", content }] }, "x")], "document");
  const ids = (content: unknown, tokenizer: Tokenizer) => tokenizeExamples(row(content), tokenizer).sequences[0].ids;
  assert.deepEqual(ids(parts, own), ids("Name one tree.", own));
  const knowing = withTemplate("{% for m in messages %}{% for p in m.content %}<{{ p.text }}>{% endfor %}{% endfor %}");
  assert.equal(knowing.decode([...ids(parts, knowing)]), "<Name ><one tree.>");
});

test("of two spellings of one field the other stays a field", () => {
  const row = parseRow({ messages: [{ role: "user", content: "a", from: "b", value: "c", weight: 1 }] }, "x");
  assert.ok(row.kind === "document");
  assert.deepEqual(row.content, [{ role: "user", content: "a", from: "b", value: "c" }]);
});

test("null fields are absent ones, but for what is said", () => {
  const row = parseRow({ messages: [{ role: "assistant", content: null, tool_calls: [{ a: 1 }], name: null }] }, "x");
  assert.ok(row.kind === "document");
  assert.deepEqual(row.content, [{ role: "assistant", content: null, tool_calls: [{ a: 1 }] }]);
  for (const message of [
    { role: "assistant", content: null },
    { role: "user", content: null, name: "a" },
    { role: "assistant" },
  ])
    refused(() => parseRow({ messages: [message] }, "x"), /x: "messages" message 1 must be {role, content}/);
});
