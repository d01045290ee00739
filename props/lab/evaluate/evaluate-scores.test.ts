/** Scores of answers against values worked out by hand, and IFEval's checks, each by an answer that passes and one that does not. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { InputError } from "../../../core/errors.js";
import { judged, winPoints } from "../../../lab/evaluate/judges/judge.js";
import { LONGEST_WAIT } from "../../../lab/evaluate/judges/shell.js";
import { englishSplit } from "../../../lab/evaluate/kinds/english.js";
import { instruction, looseVariants } from "../../../lab/evaluate/kinds/instructions.js";
import { answerKinds } from "../../../lab/evaluate/kinds/kinds.js";
import { detector } from "../../../lab/evaluate/kinds/languages.js";
import { lastNumber } from "../../../lab/evaluate/kinds/numbers.js";
import { foreignShare, scriptsIn } from "../../../lab/evaluate/kinds/scripts.js";
import { sentences } from "../../../lab/evaluate/kinds/sentences.js";
import { fields } from "../../../lab/evaluate/rows/fields.js";
import { benchmarkRows } from "../../../lab/evaluate/rows/rows.js";
import { parseTasks } from "../../../lab/evaluate/tasks.js";
import { scratch } from "../../cli/cli.js";
import { tries } from "../../reach.js";
import { scored } from "./scored.js";

const folder = scratch();
const file = (name: string, content: string): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};

/** IFEval's ids with arguments, an answer that follows and answers that do not. */
const cases: readonly (readonly [id: string, kwargs: object, yes: string, ...no: string[]])[] = [
  ["keywords:existence", { keywords: ["Sun", "moon"] }, "sunny moons", "sun only"],
  ["keywords:frequency", { keyword: "a.b", frequency: 2, relation: "at least" }, "a.b AXB", "a.b ab"],
  ["keywords:frequency", { keyword: "x", frequency: 2, relation: "less than" }, "x", "x x"],
  ["keywords:forbidden_words", { forbidden_words: ["cat"] }, "concatenate", "a Cat!"],
  ["keywords:letter_frequency", { letter: "e", let_frequency: 3, let_relation: "at least" }, "eEe", "ee"],
  [
    "keywords:key_sentences",
    { key_sentences: ["For now, this is fine.", "No."], num_sentences: 1 },
    "Dr. Who left. For now, this is fine.",
    "For now, this is fine. No.",
  ],
  ["length_constraints:number_sentences", { num_sentences: 2, relation: "at least" }, "One. Two.", "One, two."],
  ["length_constraints:number_paragraphs", { num_paragraphs: 2 }, "a\n***\nb", "a", "a *** *** b", "*** a"],
  ["length_constraints:number_words", { num_words: 3, relation: "less than" }, "two words", "these are three"],
  [
    "length_constraints:nth_paragraph_first_word",
    { num_paragraphs: 2, nth_paragraph: 2, first_word: "Then" },
    "a b\n\n'then, c",
    "a\n\nnow then",
    "a\n\nthen\n\nc",
  ],
  ["detectable_content:number_placeholders", { num_placeholders: 2 }, "[a] [b]", "[a]"],
  ["detectable_content:postscript", { postscript_marker: "P.S." }, "x\nP.S. y", "x PS y"],
  ["detectable_content:postscript", { postscript_marker: "P.P.S" }, "P. P. S", "P.S."],
  ["detectable_format:number_bullet_lists", { num_bullets: 2 }, "* a\n - b", "* a", "* a\n* b\n* c", "**a**\n* b"],
  ["detectable_format:constrained_response", {}, " My answer is no. ", "No."],
  ["detectable_format:number_highlighted_sections", { num_highlights: 2 }, "*a* and *b*", "*a* and **", "*a*"],
  [
    "detectable_format:multiple_sections",
    { section_spliter: "Section", num_sections: 2 },
    "Section 1 a Section 2",
    "Section 1",
  ],
  ["detectable_format:json_format", {}, '```json\n{"a": 1}\n```', "{a: 1}"],
  ["detectable_format:title", {}, "<<a poem>>\nx", "<poem>", "<<  >>"],
  ["combination:two_responses", {}, "a ****** b", "a ****** a", "a", "a ****** ****** b"],
  ["combination:repeat_prompt", { prompt_to_repeat: "Say hi" }, "say HI then hi", "hi. Say hi"],
  ["startend:end_checker", { end_phrase: "The end." }, 'So. "the END."', "The end. No."],
  ["startend:quotation", {}, ' "a" ', '"a', '"'],
  [
    "change_case:capital_word_frequency",
    { capital_frequency: 2, capital_relation: "at least" },
    "A,B c",
    "A b",
    "ID5b",
  ],
  ["change_case:english_capital", {}, "THIS IS SAID ALOUD, 2", "This is said", "12", "DAS IST EIN LAUTER SATZ"],
  ["change_case:english_lowercase", {}, "this is said quietly, 2", "This", "das ist ein leiser satz"],
  ["punctuation:no_comma", {}, "a b", "a, b"],
  ["language:response_language", { language: "de" }, "Das ist ein kurzer Satz.", "This is a short sentence."],
  [
    "language:response_language",
    { language: "ne" },
    "नेपाल दक्षिण एसियामा अवस्थित एक भूपरिवेष्ठित राष्ट्र हो। यसको राजधानी काठमाडौं हो।",
    "कोई बात नहीं है",
  ],
  ["language:response_language", { language: "kn" }, "ಕನ್ನಡ ಭಾಷೆ ಸುಂದರವಾಗಿದೆ", "தமிழ் மொழி"],
  [
    "language:response_language",
    { language: "sw" },
    "Habari ya asubuhi rafiki yangu, leo ni siku nzuri sana",
    "Good morning",
  ],
  ["language:response_language", { language: "fr" }, "12 / 34"], // cannot be told: in any
];

test("each instruction of IFEval tells who follows it", async () => {
  const aids = { detect: await detector(), split: await englishSplit() };
  for (const [id, kwargs, yes, ...no] of cases) {
    const check = instruction(id, kwargs, "row 1");
    assert.ok(check, id);
    assert.equal(check(yes, aids), true, `${id}: ${yes}`);
    for (const wrong of no) assert.equal(check(wrong, aids), false, `${id}: ${wrong}`);
    assert.equal(check("  ", aids), false, `${id}: silence follows nothing`);
  }
  assert.throws(
    () => instruction("keywords:nothing", {}, "row 1"),
    /row 1: there is no instruction "keywords:nothing"/,
  );
  assert.throws(() => instruction("keywords:frequency", { keyword: "a" }, "row 1"), /"relation" is missing/);
});

test("a loose score forgives first line, last line and asterisks", () => {
  assert.deepEqual(looseVariants("a\n*b*\nc"), [
    "a\n*b*\nc",
    "a\nb\nc",
    "*b*\nc",
    "b\nc",
    "a\n*b*",
    "a\nb",
    "*b*",
    "b",
  ]);
});

test("dots inside of sentences end none", () => {
  assert.deepEqual(sentences('Mr. A. Smith paid 3.50. "Why?" he asked... See x.com! Ok'), [
    "Mr. A. Smith paid 3.50.",
    '"Why"?',
    "he asked...",
    "See x.com!",
    "Ok",
  ]);
});

test("answers earn what they should", async () => {
  assert.equal((await scored("exact_match", { answer: ["Paris", "Rome"] }, "  Rome\n")).score, 1);
  assert.equal((await scored("exact_match", { answer: "Paris" }, "paris.")).score, 0);
  assert.equal(
    (await scored("exact_match", { answer: "Paris" }, "paris.", { ignore_case: true, ignore_punctuation: true })).score,
    1,
  );
  assert.equal((await scored("last_number", { answer: "3 + 4 = 7\n#### 1,007" }, "2 and 2 make 1007.")).score, 1);
  assert.equal((await scored("last_number", { answer: 7 }, "7 or 8")).score, 0);
  assert.equal((await scored("last_number", { answer: "#### 7" }, "seven")).score, 0);
  assert.equal((await scored("keywords", { keywords: ["Red", "blue", "green"] }, "red and BLUE")).score, 2 / 3);
  const two = { instruction_id_list: ["punctuation:no_comma", "startend:quotation"], kwargs: [{}, {}] };
  const half = await scored("instructions", two, "no comma");
  assert.deepEqual(half, { score: 0, prompt_loose: 0, instructions: 2, strict: 1, loose: 1 });
  const one = { instruction_id_list: ["punctuation:no_comma"], kwargs: [{}] };
  assert.deepEqual(
    answerKinds.instructions.total([
      half,
      await scored("instructions", one, "a, b"),
      await scored("instructions", one, "a"),
    ]),
    { score: 1 / 3, instruction_strict: 2 / 4, prompt_loose: 1 / 3, instruction_loose: 2 / 4 },
    "per instruction: a prompt with two counts twice",
  );
  assert.equal((await scored("instructions", two, 'Sure, here:\n"x"')).prompt_loose, 1);
  assert.deepEqual(await scored("scripts", {}, "fein 好", {}, "wie geht’s"), { score: 0, foreign_letters: 0.2 });
  assert.equal((await scored("scripts", { scripts: ["Latin", "Han"] }, "fein 好")).score, 1);
});

test("the last number of a text", () => {
  for (const [text, number] of [
    ["costs $1,234.50.", 1234.5],
    ["from 3 to -4", -4],
    ["1,2", 2],
    ["3-4 apples", 4],
    ["10 - 4 = +6", 6],
    [".5", 0.5],
  ] as const)
    assert.equal(lastNumber(text), number, text);
  assert.equal(lastNumber("none"), undefined);
});

test("scripts by Unicode", () => {
  assert.deepEqual(scriptsIn("aж 3!"), ["Latin", "Cyrillic"]);
  assert.equal(foreignShare(["Latin"], "t")("123 …"), 0);
  assert.equal(foreignShare(["Han", "Hiragana"], "t")("日本のa"), 0.25);
  assert.throws(() => foreignShare(["Klingon"], "task 1"), /task 1: there is no script "Klingon"/);
  assert.throws(() => foreignShare(["Latin}$|^.{1"], "task 1"), /task 1: there is no script "Latin}/);
});

test("CSV as MMLU has it, with a header, and what is malformed", () => {
  assert.deepEqual(
    benchmarkRows(file("mmlu.csv", '"a, ""b""\nc",1,2,3,4,B\r\nd,5,6,7,8,A')).map(({ row, at }) => [row, at.slice(-5)]),
    [
      [{ question: 'a, "b"\nc', choices: ["1", "2", "3", "4"], answer: "B" }, "csv:1"],
      [{ question: "d", choices: ["5", "6", "7", "8"], answer: "A" }, "csv:3"],
    ],
  );
  assert.deepEqual(benchmarkRows(file("head.csv", "question,answer\nx,\n"))[0].row, { question: "x", answer: "" });
  const wrong = (name: string, content: string, pattern: RegExp) =>
    assert.throws(
      () => benchmarkRows(file(name, content)),
      (e) => e instanceof InputError && pattern.test(e.message),
    );
  wrong("a.csv", "a,b,c,d\na,b,c", /a\.csv:2: has 3 columns, the first line has 4/);
  wrong("b.csv", 'a,"b"x,c,d', /b\.csv:1: has a quotation mark out of place/);
  wrong("c.csv", 'a,"b', /c\.csv:1: has a quotation mark out of place/);
  wrong("d.csv", "a,b,c", /d\.csv:1: has 3 columns; without a header/);
  wrong("e.csv", "", /holds no rows/);
  wrong("f.jsonl", '{"a":1}\n[1]', /f\.jsonl:2: must be a JSON object/);
  wrong("g.json", "[1", /malformed JSON/);
  wrong("h.csv", ",".repeat(2 ** 21 + 1), /h\.csv: has 2097153 lines and cells, at most 2097152 are read/);
  const long = "a".repeat(2 ** 24); // an expression that tries every way overflows on it
  assert.equal(benchmarkRows(file("i.csv", `question,answer\n"${long}",b`))[0].row.question, long);
});

test("CSV holds any cells that are written as RFC 4180 has it", () =>
  fc.assert(
    fc.property(
      fc.array(fc.array(fc.string({ unit: fc.constantFrom(...'a ",\r\n') }), { minLength: 4, maxLength: 4 }), {
        minLength: 1,
      }),
      fc.constantFrom("\n", "\r\n", "\r"),
      fc.boolean(),
      (records, end, isEnded) => {
        const text = records.map((cells) => cells.map((cell) => `"${cell.replaceAll('"', '""')}"`).join(",")).join(end);
        const found = benchmarkRows(file("drawn.csv", text + (isEnded ? end : "")));
        assert.deepEqual(
          found.map(({ row: { question, choices, answer } }) => [question, ...(choices as string[]), answer]),
          records,
        );
      },
    ),
    { numRuns: tries(20) },
  ));

test("a judge sees each match in both orders", async () => {
  const judge = (rule: string): string =>
    `"${process.execPath}" -e "require('readline').createInterface({input:process.stdin}).on('line',l=>{const m=JSON.parse(l);console.log(JSON.stringify({winner:${rule}}))})"`;
  const rows = [
    { prompt: "p", ours: "long answer", theirs: "short" },
    { prompt: "p", ours: "a", theirs: "bb" },
    { prompt: "p", ours: "cc", theirs: "dd" },
  ];
  const longer = judge("m.answer_a.length>m.answer_b.length?'a':m.answer_a.length<m.answer_b.length?'b':'tie'");
  assert.deepEqual(await winPoints((matches) => judged(longer, matches, 60), rows), [1, 0, 0.5]);
  assert.deepEqual(
    await winPoints((matches) => judged(judge("'a'"), matches, 60), rows),
    [0.5, 0.5, 0.5],
    "one that prefers a place decides nothing",
  );
  const match = [{ prompt: "p", answer_a: "a", answer_b: "b" }];
  await assert.rejects(judged(judge("'both'"), match, 60), /printed .* for match 1; it must be/);
  await assert.rejects(judged("exit 3", match, 60), /ended with exit code 3/);
  await assert.rejects(judged(`"${process.execPath}" -e ""`, match, 60), /printed 0 lines for 1 matches/);
  await assert.rejects(judged("no-such-judge", match, 60), /ended with exit code \d+/);
});

const posix = { skip: process.platform === "win32" ? "groups of processes are POSIX's" : false };

test(
  "a judge that is given up leaves no process, whatever it started; one without end is given up",
  posix,
  async () => {
    const match = [{ prompt: "p", answer_a: "a", answer_b: "b" }];
    const alive = (pid: number): boolean => {
      try {
        process.kill(pid, 0);
        return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8")); // Linux; elsewhere ENOENT
      } catch (error) {
        return (error as NodeJS.ErrnoException).code === "ENOENT" && process.platform !== "linux";
      }
    };
    const pids = join(folder, "pids");
    const children = `sleep 60 & echo $! >> "${pids}"; (sleep 60; true) & echo $! >> "${pids}"; echo $$ >> "${pids}"`;
    const listeners = process.listenerCount("exit");
    for (const [command, timeout, said] of [
      [`${children}; sleep 60`, 0.3, /^judge ".*has not answered within 0\.3 s$/],
      [`${children}; exit 0`, 0.3, /has not answered within 0\.3 s$/], // its children still hold the output
      [`${children}; yes '{"winner": "a"}'`, 60, /printed more than 65536 characters$/],
      [`${children}; kill -9 $$`, 0.3, /has not answered within 0\.3 s$|ended with SIGKILL$/],
    ] as const)
      await assert.rejects(
        judged(command, match, timeout),
        (error) => error instanceof InputError && said.test(error.message),
      );
    const started = readFileSync(pids, "utf8").trim().split("\n").map(Number);
    assert.equal(started.length, 12);
    for (let i = 0; i < 100 && started.some(alive); i++) await new Promise((resolve) => setTimeout(resolve, 10));
    assert.deepEqual(started.filter(alive), []);
    assert.equal(process.listenerCount("exit"), listeners);
  },
);

test("a tasks file is refused by task and key", () => {
  const good = { name: "a", type: "last_number", data: "a.jsonl" };
  const refused = (tasks: unknown, pattern: RegExp, more: object = {}) =>
    assert.throws(
      () => parseTasks({ tasks, ...more }, "t.yaml"),
      (e) => e instanceof InputError && pattern.test(e.message) && !e.message.includes("\n"),
    );
  assert.equal(parseTasks({ tasks: [good] }, "t.yaml")[0].category, "a");
  refused(undefined, /"tasks" is nothing; it must be a list/);
  refused([3], /task 1 is 3/);
  refused([{ ...good, type: "guess" }], /unknown type "guess"; known are multiple_choice/);
  refused([{ ...good, colour: 1 }], /unknown key "colour"; known are name/);
  refused([{ ...good, choices: "texts" }], /unknown key "choices"/);
  refused([{ ...good, type: "multiple_chioce" }], /unknown type "multiple_chioce"; did you mean "multiple_choice"\?/);
  refused([{ ...good, samplng: {} }], /unknown key "samplng"; did you mean "sampling"\?/);
  refused([{ ...good, data: null }], /"data" is missing/);
  refused([{ ...good, name: "../x" }], /"name" is "\.\.\/x"/);
  refused([good, good], /two tasks are named "a"/);
  assert.throws(
    () => fields({ timeout: 2_147_484 }, "t").count("timeout", 1, 3600, LONGEST_WAIT),
    /"timeout" is 2147484; it must be a whole number from 1 to 2147483/,
  );
  refused([{ ...good, stop: "" }], /task 1: "stop": stop string 1 of 1 is empty; give at least one character/);
  refused([{ ...good, stop: ["x", ""] }], /stop string 2 of 2 is empty/);
  refused([{ ...good, shots: 2 }], /"examples", the file they come from, is missing/);
  refused([{ ...good, sampling: { top_p: 2 } }], /task 1: sampling: topP is 2/);
  refused([{ ...good, sampling: { top: 2 } }], /unknown key "top"/);
  refused([good], /unknown key "sample"/, { sample: {} });
});
