/** Scores of answers against those of the data sets' own scripts, and what the sets without one mean. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { englishSplit } from "../../../lab/evaluate/kinds/english.js";
import { instruction, looseVariants } from "../../../lab/evaluate/kinds/instructions.js";
import { written } from "../../../lab/evaluate/kinds/numbers.js";
import { isUpper, SPACE } from "../../../lab/evaluate/kinds/python.js";
import { countWords, treebankWords } from "../../../lab/evaluate/kinds/words.js";
import { goldenJson } from "../../golden/files.js";
import { tries } from "../../reach.js";
import { scored } from "./scored.js";

interface Texts {
  readonly coqa: readonly (readonly [golds: string[], answer: string, exact: number, f1: number])[];
  readonly drop: readonly (readonly [row: object, answer: string, exact: number, f1: number])[];
  readonly gsm8k: readonly (readonly [gold: string, answer: string, right: number])[];
}

test("CoQA, DROP and GSM8K are scored as by their own scripts", async () => {
  const { coqa, drop, gsm8k } = goldenJson<Texts>("scorers", "texts.json");
  const near = (a: number, b: number, what: string) => assert.ok(Math.abs(a - b) < 1e-12, `${what}: ${a}, ${b}`);
  for (const [answers, answer, exact, f1] of coqa) {
    const scores = await scored("coqa", { answers }, answer);
    near(scores.exact_match, exact, `${answers}: ${answer}`);
    near(scores.f1, f1, `${answers}: ${answer}`);
  }
  for (const [row, answer, exact, f1] of drop) {
    const scores = await scored("drop", row, answer);
    near(scores.exact_match, exact, `${JSON.stringify(row)}: ${answer}`);
    near(scores.f1, f1, `${JSON.stringify(row)}: ${answer}`);
  }
  for (const [gold, answer, right] of gsm8k)
    assert.equal((await scored("gsm8k", { answer: gold }, answer)).score, right, `${gold}: ${answer}`);
});

test("words, and which are in capitals, are NLTK's and Python's", () => {
  const { words } = goldenJson<{ words: readonly (readonly [string, string[], number])[] }>("scorers", "words.json");
  for (const [text, expected, capitals] of words) {
    assert.deepEqual(treebankWords(text), expected, text);
    assert.equal(treebankWords(text).filter(isUpper).length, capitals, text);
  }
});

interface Answers {
  readonly rows: readonly (readonly [id: string, kwargs: object, answer: string, strict: number, loose: number])[];
}

test("sentences are Punkt's, with the words in them; none gains or loses a letter", async () => {
  type Row = readonly [text: string, sentences: string[], capitals: number, words: number];
  const { texts } = goldenJson<{ texts: readonly Row[] }>("scorers", "punkt.json");
  const split = await englishSplit();
  for (const [text, expected, capitals, words] of texts) {
    assert.deepEqual(split(text), expected, text);
    assert.equal(split(text).flatMap(treebankWords).filter(isUpper).length, capitals, text);
    assert.equal(countWords(text), words, text);
  }
  const pieces = [...new Set(texts.flatMap(([text]) => text.split(/(?<= )/)))];
  const drawn = fc.array(fc.constantFrom(...pieces, "\n", "\n\n", " "), { maxLength: 12 }).map((some) => some.join(""));
  fc.assert(
    fc.property(drawn, (text) => {
      const bare = (some: string): string => some.replace(new RegExp(`[${SPACE}]`, "gu"), "");
      assert.equal(bare(split(text).join("")), bare(text));
    }),
    { numRuns: tries(50) },
  );
});

test("IFEval's instructions are followed where its own code says so", async () => {
  const aids = { detect: () => undefined, split: await englishSplit() };
  for (const [id, kwargs, answer, strict, loose] of goldenJson<Answers>("scorers", "ifeval.json").rows) {
    const check = instruction(id, kwargs, "row 1");
    const found = [check(answer, aids), looseVariants(answer).some((variant) => check(variant, aids))];
    assert.deepEqual(found, [strict === 1, loose === 1], `${id} ${JSON.stringify(kwargs)}: ${answer}`);
  }
});

test("recall counts the golden answer's words; numbers of arithmetic sets are worth what they say", async () => {
  assert.equal((await scored("coqa", { answers: ["The white cat", "cat"] }, "it is a cat, white.")).score, 1);
  assert.equal((await scored("coqa", { answers: ["red red wine"] }, "red wine")).score, 2 / 3);
  const spans = { answers_spans: { spans: ["Tom Brady", "12"] } };
  assert.equal((await scored("drop", spans, "Brady: 12.")).score, 2 / 3);
  for (const [text, value] of [
    ["0.25", 0.25],
    ["25%", 0.25],
    ["(1/5)", 0.2],
    ["3(1/2)", 3.5],
    ["((3)/(10))", 0.3],
    ["5((1)/(4))", 5.25],
    ["-7", -7],
    ["(1/", undefined],
    ["x", undefined],
    ["1/2)", undefined],
  ] as const)
    assert.equal(written(text), value, text);
  for (const [ans, answer, right] of [
    ["(1/5)", "所以答案是 1/5。", 1],
    ["(1/5)", "20%", 1],
    ["0.2", "= \\frac{1}{5}", 1],
    ["3(1/2)", "答：3.5元", 1],
    ["1000", "1,000", 1],
    ["25%", "25", 0],
    ["3", "三", 0],
  ] as const)
    assert.equal((await scored("math23k", { ans }, answer)).score, right, answer);
  assert.deepEqual(await scored("math401", { response: "0.5" }, "0.5009"), {
    ...{ score: 1, relative_error: Math.abs(0.5009 - 0.5), no_number: 0 },
  });
  assert.deepEqual(await scored("math401", { response: "-200" }, "-100"), {
    ...{ score: 0, relative_error: 0.5, no_number: 0 },
  });
  assert.deepEqual(await scored("math401", { response: "2" }, "two"), { score: 0, relative_error: 10, no_number: 1 });
});

test("function calls: names and arguments, in any of three ways of writing", async () => {
  const row = { calls: [{ name: "weather", arguments: { city: "Oslo", days: 2 } }] };
  const score = async (answer: string) => {
    const { score, name } = await scored("function_calls", row, answer);
    return [score, name];
  };
  const call = '{"name": "weather", "arguments": {"days": 2, "city": "Oslo"}}';
  assert.deepEqual(await score(`Sure.\n<tool_call>\n${call}\n</tool_call>`), [1, 1]);
  assert.deepEqual(await score(`Thought: ask\nAction: weather\nAction Input: {"city": "Oslo", "days": 2}`), [1, 1]);
  assert.deepEqual(await score(`\`\`\`json\n[${call}]\n\`\`\``), [1, 1]);
  assert.deepEqual(await score(call.replace("2", "3")), [0, 1]);
  assert.deepEqual(await score(call.replace("weather", "forecast")), [0, 0]);
  assert.deepEqual(await score(`<tool_call>${call}</tool_call><tool_call>${call}</tool_call>`), [0, 0]);
  assert.deepEqual(await score("<tool_call>{</tool_call>"), [0, 0]);
  assert.deepEqual(await score("It is sunny."), [0, 0]);
  await assert.rejects(
    scored("function_calls", { answer: "none" }, ""),
    /row 1: "answer" is "none"; it must hold calls/,
  );
});
