/** Benchmarks as their data sets are published, the paper's tasks file, and the row that they end in. */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { parse } from "yaml";
import { InputError } from "../../../core/errors.js";
import { evaluateTasks, parseTasks, type Subject, tableRow } from "../../../lab/evaluate/index.js";
import { rowsOf } from "../../../lab/evaluate/prompts.js";
import { coqaRows, dropRows } from "../../../lab/evaluate/rows/published.js";
import { averages } from "../../../lab/evaluate/table.js";
import { loadTokenizer } from "../../../models/index.js";
import { scratch } from "../../cli/cli.js";
import { goldenPath, projectRoot } from "../../golden/files.js";

const folder = scratch();
const file = (name: string, content: string | Uint8Array): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};
const tasksOf = (tasks: readonly object[], model?: string, sampling?: object) =>
  parseTasks({ ...(sampling && { sampling }), tasks }, join(folder, "t.yaml"), model);

const answer = (input_text: string) => ({ input_text });
const coqaFile = {
  version: "1.0",
  data: [
    {
      story: "Tom ran.",
      questions: [answer("Who?"), answer("What?")],
      answers: [answer("Tom"), answer("ran")],
      additional_answers: { 0: [answer("Tom"), answer("he ran")] },
    },
  ],
};
const pair = (question: string, number: string) => ({ question, answer: { number, spans: [], date: {} } });
const dropFile = {
  p1: { passage: "P", qa_pairs: [pair("a", "1"), pair("b", "2")] },
  p2: { passage: "Q", qa_pairs: [pair("c", "3")] },
};

test("CoQA's and DROP's files become a row a turn, or the last turn alone", async () => {
  file("coqa.json", JSON.stringify(coqaFile));
  file("drop.json", JSON.stringify(dropFile, null, 1));
  const rows = (type: string, more: object = {}) => {
    const [task] = tasksOf([{ name: "x", type, data: `${type}.json`, ...more }]);
    return rowsOf(task, type === "coqa" ? coqaRows : dropRows);
  };
  const turns = rows("coqa");
  assert.deepEqual(
    turns.map((row) => [row.text("history"), row.text("question"), row.texts("answers")]),
    [
      ["", "Who?", ["Tom", "Tom"]],
      ["Q: Who?\nA: Tom\n", "What?", ["ran", "he ran"]],
    ],
  );
  assert.deepEqual(
    rows("drop").map((row) => row.text("question")),
    ["a", "b", "c"],
  );
  assert.deepEqual(
    rows("drop", { turns: "last" }).map((row) => row.text("passage") + row.text("question")),
    ["Pb", "Qc"],
  );
  assert.equal(dropRows({ passage: "one row of JSON Lines", qa_pairs: 1 }), undefined);
  const subject: Subject = {
    ...{ tokenizer: loadTokenizer(goldenPath("preferences", "policy")), maxPositions: 4096, padId: 0, free: () => {} },
    ...{ answers: async (prompts) => prompts.map(() => "The 2."), logps: async () => [] },
  };
  const own = tasksOf([{ name: "d", type: "drop", data: "drop.json", score: "f1" }], undefined, { max_new_tokens: 4 });
  const { tasks } = await evaluateTasks(own, subject);
  assert.deepEqual(tasks[0].scores, { score: 1 / 3, exact_match: 1 / 3, f1: 1 / 3 });
});

test("rows lie gzipped, or in a folder of files; a draw is a draw of the seed", () => {
  const lines = Array.from({ length: 40 }, (_, i) => `{"question": "${i}", "answer": ${i}}\n`).join("");
  file("many.jsonl.gz", gzipSync(lines));
  mkdirSync(join(folder, "subjects"));
  for (const name of ["b", "a"]) file(join("subjects", `${name}.csv`), `q${name},1,2,3,4,A\n`);
  const questions = (more: object, sampling?: object) => {
    const [task] = tasksOf([{ name: "x", type: "last_number", data: "many.jsonl.gz", ...more }], undefined, sampling);
    return rowsOf(task).map((row) => row.text("question"));
  };
  assert.equal(questions({}).length, 40);
  const drawn = questions({ draw: 9 });
  assert.equal(new Set(drawn).size, 9);
  assert.deepEqual(questions({ draw: 9 }), drawn);
  assert.deepEqual(questions({ draw: 9, limit: 4 }), drawn.slice(0, 4));
  assert.deepEqual(
    [...drawn].sort((a, b) => Number(a) - Number(b)),
    drawn,
    "in the file's order",
  );
  assert.notDeepEqual(questions({ draw: 9 }, { seed: 1 }), drawn);
  assert.deepEqual(questions({ data: "subjects" }), ["qa", "qb"]);
  const refused = (name: string, content: string | Uint8Array, said: RegExp) => {
    file(name, content);
    assert.throws(
      () => questions({ data: name }),
      (error) => error instanceof InputError && said.test(error.message),
    );
  };
  refused("no.jsonl.gz", lines, /no\.jsonl\.gz: is no gzip file of text/);
  refused("bomb.jsonl.gz", gzipSync(Buffer.alloc(2 ** 23, " ")), /bomb\.jsonl\.gz: .*becomes too large/);
});

test("sampling is Appendix C's, what is given, or the model's own", () => {
  const model = scratch();
  writeFileSync(
    join(model, "generation_config.json"),
    JSON.stringify({ do_sample: true, temperature: 0.6, top_p: 0.9 }),
  );
  const sampling = (given: object, folder?: string) => {
    const { maxNewTokens, seed, ...rest } = tasksOf([{ name: "x", type: "gsm8k", data: "d" }], folder, given)[0]
      .sampling;
    assert.deepEqual([maxNewTokens, seed], [512, 0]);
    return rest;
  };
  const paper = { greedy: false, temperature: 0.7, topP: 0.8, topK: 20, repetitionPenalty: 1.05 };
  assert.deepEqual(sampling({}, model), paper);
  assert.deepEqual(sampling({ greedy: true, top_k: 0 }), { ...paper, greedy: true, topK: 0 });
  const own = { greedy: false, temperature: 0.6, topP: 0.9, topK: 50 };
  assert.deepEqual(sampling({ generation_config: true }, model), own);
  assert.deepEqual(sampling({ generation_config: true, temperature: 1 }, model), { ...own, temperature: 1 });
  assert.throws(
    () => sampling({ generation_config: true }),
    /"generation_config" is true, and there is no model's folder/,
  );
  const refused = (more: object, said: RegExp) =>
    assert.throws(() => tasksOf([{ name: "x", type: "drop", data: "d", ...more }]), said);
  refused({ score: "f2" }, /task 1: unknown score "f2"; did you mean "f1"\?/);
  refused({ type: "exact_match", score: "f1" }, /unknown score "f1"; tasks of type exact_match have one score/);
  refused({ turns: "first" }, /"turns" is "first"; it must be all or last/);
});

test("the paper's tasks file holds its benchmarks, and what judges grade stands beside the average", () => {
  const path = join(projectRoot, "tasks", "paper.yaml");
  const tasks = parseTasks(parse(readFileSync(path, "utf8")), path);
  assert.equal(tasks.length, 15);
  const scores: Readonly<Record<string, number>> = { gsm8k: 0.4, "mt-bench": 0.7, "alpaca-eval": 0.125 };
  const results = tasks.map(({ name, category, type }) => ({
    name,
    category,
    type,
    scores: { score: scores[name] ?? 0.25 },
  }));
  const found = averages(results);
  assert.equal(found.average, (0.3 + 6 * 0.25) / 7);
  assert.deepEqual(tableRow(results, found).flat(), [
    ...["math", "30.00", "code", "25.00", "instructions", "25.00", "reading", "25.00", "knowledge", "25.00"],
    ...[
      "agent",
      "25.00",
      "code-switching",
      "25.00",
      "average",
      "25.71",
      "MT-Bench",
      "7.00",
      "AlpacaEval 2 (LC)",
      "12.50",
    ],
  ]);
  assert.equal(averages(results.filter(({ type }) => type === "mt_bench")).average, 0.7);
});
