import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseJson } from "../../../models/files/written-json.js";
import { compileTemplate } from "../../../models/text/jinja/template.js";
import { loadTokenizer } from "../../../models/text/tokenizer.js";
import { goldenJson, propsText } from "../../golden/files.js";
import { goldenFolder } from "../../golden/stored.js";
import { tries } from "../../reach.js";

type Spans = readonly (readonly [number, number])[];

/** What Jinja2 3.1.6 makes of a template in transformers' environment; `refused` if it raises. Spans count characters. */
interface Case {
  readonly template: string;
  readonly text?: string;
  readonly spans?: Spans;
  readonly refused?: boolean;
  /** Jinja2 renders it; this engine does not, and says so. */
  readonly unsupported?: boolean;
}

const NOW = new Date(2026, 1, 3, 4, 5, 6);

/** Spans of UTF-16 units as spans of characters. */
const inCharacters = (text: string, spans: Spans): Spans => {
  const count = (end: number): number => Array.from(text.slice(0, end)).length;
  return spans.map(([start, end]) => [count(start), count(end)]);
};

const holds = (names: Readonly<Record<string, unknown>>, { template, text, spans, refused }: Case): void => {
  const render = () => compileTemplate(template)(names, NOW);
  if (refused) {
    assert.throws(render, (error) => error instanceof Error && !(error instanceof TypeError), template);
    return;
  }
  const made = render();
  assert.equal(made.text, text, template);
  assert.deepEqual(inCharacters(made.text, made.spans), spans ?? [], template);
};

test("every expression and statement renders as in Jinja2, or is refused", () => {
  const { names, cases } = goldenJson<{ names: Record<string, unknown>; cases: Case[] }>("text", "jinja.json");
  assert.ok(cases.length > 600);
  for (const each of cases) holds(names, each);
  const unsupported = cases.filter((each) => each.unsupported).map(({ template }) => template);
  assert.ok(unsupported.length < 20, "what Jinja2 renders and this engine refuses stays little");
});

test("drawn templates render as in Jinja2", () => {
  const { names, cases } = goldenJson<{ names: Record<string, unknown>; cases: Case[] }>("text", "jinja-drawn.json");
  assert.ok(cases.length >= 300);
  for (const each of cases) holds(names, each);
});

test("published templates render every conversation as in transformers", () => {
  const golden = goldenJson<{
    conversations: Record<string, unknown>[][];
    variables: Record<string, unknown>[];
    templates: {
      name: string;
      template: string;
      special: Record<string, string>;
      want: [conversation: number, variables: number, text: string | null, spans?: Spans][];
    }[];
  }>("text", "templates.json");
  assert.equal(golden.templates.length, 6);
  for (const { name, template, special, want } of golden.templates)
    for (const [conversation, variables, text, spans] of want) {
      const names = { ...golden.variables[variables], ...special, messages: golden.conversations[conversation] };
      const wanted = text === null ? { refused: true } : { text, spans };
      holds(names, { template, ...wanted });
      assert.ok(name !== "");
    }
});

test("strip and lstrip take the characters they are given", async () => {
  const template = propsText("golden", "cases", "strip-chars", "template.jinja");
  const tokenizer = await loadTokenizer(goldenFolder("preferences", "sft"), {
    chatTemplate: { text: template, path: "t" },
  });
  const { messages } = JSON.parse(propsText("golden", "cases", "strip-chars", "rows.jsonl"));
  const [want] = goldenJson<{ text: string; ids: number[] }[]>("cases", "strip-chars", "want.json");
  assert.equal(tokenizer.renderChat(messages), want.text);
  assert.deepEqual(tokenizer.encodeChat(messages), want.ids);
});

test("text without tags is itself, but for one line break at its end", () => {
  const plain = fc.string({ unit: "binary", maxLength: 60 }).map((text) => text.replaceAll("{", "("));
  fc.assert(
    fc.property(plain, (text) => {
      const want = text.replace(/\r\n|\r/g, "\n").replace(/\n$/, "");
      assert.equal(compileTemplate(text)({}, NOW).text, want);
    }),
    { numRuns: tries(100) },
  );
});

test("a text that is printed is itself, whatever is in it", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 40 }), fc.json(), (text, json) => {
      fc.pre(!/\d{16}/.test(json)); // integers beyond 2^53 are refused
      const made = compileTemplate("{{ a }}|{{ b|tojson }}")({ a: text, b: parseJson(`[${json}]`) }, NOW).text;
      assert.equal(made.slice(0, text.length + 1), `${text}|`);
      assert.deepEqual(JSON.parse(made.slice(text.length + 1)), [JSON.parse(json)]);
    }),
    { numRuns: tries(100) },
  );
});

test("numbers and keys print as they were written in the data", () => {
  const written = '{"b": 1.0, "2": [20.0, 3, 1e3, 2.50, -0.0], "1": {"x": 1E2, "y": 7}, "b2": "1.0", "n": 12}';
  const print = (text: string): string => compileTemplate("{{ a|tojson }}{{ a.b }}")({ a: parseJson(text) }, NOW).text;
  assert.equal(
    print(written),
    '{"b": 1.0, "2": [20.0, 3, 1000.0, 2.5, -0.0], "1": {"x": 100.0, "y": 7}, "b2": "1.0", "n": 12}1.0',
  );
  assert.throws(() => print('{"a": 12345678901234567890}'), /integer 12345678901234567000 is beyond 2\^53/);
  assert.equal(print('{"b": 1.0, "b": 2}'), '{"b": 2}2', "the last of two");
  const json = fc.json({ maxDepth: 4 });
  fc.assert(
    fc.property(json, (text) => {
      assert.deepEqual(parseJson(text), JSON.parse(text));
      const spaced = JSON.stringify(JSON.parse(text), null, 1);
      assert.deepEqual(parseJson(spaced), JSON.parse(text));
    }),
    { numRuns: tries(100) },
  );
});
