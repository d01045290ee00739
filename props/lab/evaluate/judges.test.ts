/** Judges behind an address: retries, budgets, kept verdicts; MT-Bench's ratings and AlpacaEval's length-controlled win rate. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import { evaluateTasks, parseTasks, type Subject } from "../../../lab/evaluate/index.js";
import { ratingIn } from "../../../lab/evaluate/judges/grade.js";
import { crossEntropy, lasso } from "../../../lab/evaluate/judges/lasso.js";
import { lengthControlled } from "../../../lab/evaluate/judges/length.js";
import { chatOf } from "../../../lab/evaluate/judges/of-task.js";
import { secondIsBetter } from "../../../lab/evaluate/judges/prefer.js";
import { fields } from "../../../lab/evaluate/rows/fields.js";
import { loadTokenizer } from "../../../models/index.js";
import { scratch } from "../../cli/cli.js";
import { goldenJson, goldenPath } from "../../golden/files.js";
import { tries } from "../../reach.js";

interface Asked {
  readonly body: {
    readonly model: string;
    readonly messages: readonly { readonly role: string; readonly content: string }[];
    readonly logprobs?: boolean;
  };
  readonly key: string | undefined;
}

/** A server of this process; what it answers is set by each test. */
const asked: Asked[] = [];
let answers: (asked: Asked, at: number) => { status?: number; retryAfter?: string; body: unknown };
const said = (content: string, more: object = {}) => ({ body: { choices: [{ message: { content }, ...more }] } });
const textOf = async (request: IncomingMessage): Promise<string> => {
  let text = "";
  for await (const chunk of request.setEncoding("utf8")) text += chunk;
  return text;
};
const server = createServer(async (request, response) => {
  const one = { body: JSON.parse(await textOf(request)), key: request.headers.authorization };
  asked.push(one);
  const { status = request.url === "/v1/chat/completions" ? 200 : 404, retryAfter, body } = answers(one, asked.length);
  response.writeHead(status, retryAfter === undefined ? {} : { "retry-after": retryAfter });
  response.end(typeof body === "string" ? body : JSON.stringify(body));
});
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
after(() => server.close());
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;

const judge = (more: object = {}) => ({ url, model: "grader", ...more });
const chat = (more: object = {}) => chatOf(fields({ judge: judge(more), timeout: 20 }, "task 1"));
const begin = (how: typeof answers): void => {
  asked.length = 0;
  answers = how;
};

test("an endpoint is asked with its key, waited for where it has trouble, and given up in one line", async () => {
  process.env.JUDGE_KEY = "secret";
  begin((_, at) => (at === 1 ? { status: 429, retryAfter: "0", body: "slow down" } : said("fine")));
  const one = await chat({ key: "JUDGE_KEY" }).ask([{ system: "s", user: "u" }], { most: 5 });
  assert.deepEqual(one, [{ text: "fine" }]);
  assert.deepEqual(
    asked.map(({ body: { model, messages }, key }) => [model, messages.map(({ content }) => content), key]),
    Array(2).fill(["grader", ["s", "u"], "Bearer secret"]),
  );
  begin(() => ({ status: 401, body: "no\nentry" }));
  await assert.rejects(
    chat().ask([{ user: "u" }], { most: 1 }),
    /^InputError: judge grader at http[^\n]*: 401 no entry$/,
  );
  assert.equal(asked.length, 1, "what does not pass is not asked again");
  begin(() => ({ status: 503, body: "busy" }));
  await assert.rejects(chat({ retries: 1 }).ask([{ user: "u" }], { most: 1 }), /: 503 busy, after 2 requests$/);
  begin(() => ({ body: "{}" }));
  await assert.rejects(chat().ask([{ user: "u" }], { most: 1 }), /its answer holds no message$/);
  begin(() => said("x"));
  const spare = chat({ budget: 2, parallel: 1 });
  await assert.rejects(
    spare.ask([{ user: "1" }, { user: "2" }, { user: "3" }], { most: 1 }),
    /its budget of 2 requests/,
  );
  assert.equal(asked.length, 2);
  for (const [given, line] of [
    [{ url: "nowhere", model: "m" }, /task 1: judge: "url" is "nowhere"; it must be an address/],
    [{ url }, /task 1: judge: "model" is missing/],
    [judge({ key: "NO_SUCH_KEY" }), /names the variable NO_SUCH_KEY, which the environment does not have/],
    [judge({ retrys: 1 }), /unknown key "retrys"; did you mean "retries"/],
  ] as const)
    assert.throws(() => chatOf(fields({ judge: given }, "task 1")), line);
});

const folder = scratch();
const file = (name: string, ...rows: readonly (object | string)[]): string => {
  const text = rows.map((row) => (typeof row === "string" ? row : JSON.stringify(row))).join("\n");
  writeFileSync(join(folder, name), `${text}\n`);
  return name;
};

/** A model that says how long its prompt is. */
const tokenizer = loadTokenizer(goldenPath("preferences", "policy"));
const subject: Subject = {
  ...{ tokenizer, maxPositions: 4096, padId: 0, free: () => {} },
  answers: async (prompts) => prompts.map((ids) => `of ${ids.length} tokens`),
  logps: async () => [],
};
const scoresOf = async (task: object, kept?: string) => {
  const tasks = parseTasks(
    { sampling: { max_new_tokens: 8 }, tasks: [{ name: "t", ...task }] },
    join(folder, "t.yaml"),
  );
  const { tasks: results } = await evaluateTasks(tasks, subject, { ...(kept && { folder: join(folder, kept) }) });
  return results[0].scores;
};

const prompt = (name: string, system: string, prompt_template: string) => ({
  name,
  system_prompt: system,
  prompt_template,
});
const prompts = file(
  "judge_prompts.jsonl",
  prompt("single-v1", "S", "one {question}|{answer}"),
  prompt("single-math-v1", "S", "math {question}|{ref_answer_1}|{answer}"),
  prompt("single-v1-multi-turn", "S", "two {question_1}|{answer_1}|{question_2}|{answer_2}"),
  prompt("single-math-v1-multi-turn", "S", "math two {ref_answer_1}|{ref_answer_2}|{question_2}|{answer_2}"),
  prompt("pair-v2", "P", "pair {question}|{answer_a}|{answer_b}"),
);

test("a key that no task names goes to nobody", async () => {
  const before = process.env.OPENAI_API_KEY;
  process.env.OPENAI_API_KEY = "secret";
  try {
    begin(() => said("fine"));
    await chat().ask([{ user: "u" }], { most: 5 });
    assert.deepEqual(
      asked.map(({ key }) => key),
      [undefined],
    );
  } finally {
    if (before === undefined) delete process.env.OPENAI_API_KEY;
    else process.env.OPENAI_API_KEY = before;
  }
});

test("an answer without end is left, in one line", async () => {
  let sent = 0;
  const endless = createServer((_, response) => {
    const more = (): void => {
      if (sent >= 2 ** 27) return void response.end(); // a judge that reads on fails, and does not hang
      sent += 2 ** 16;
      response.write("x".repeat(2 ** 16), more);
    };
    response.on("error", () => {});
    more();
  });
  await new Promise<void>((resolve) => endless.listen(0, "127.0.0.1", resolve));
  const at = `http://127.0.0.1:${(endless.address() as AddressInfo).port}/v1`;
  await assert.rejects(chat({ url: at }).ask([{ user: "u" }], { most: 5 }), {
    name: "InputError",
    message: `judge grader at ${at}: its answer is longer than 4194304 bytes`,
  });
  assert.ok(sent < 2 ** 25, `${sent} bytes were sent`);
  endless.closeAllConnections();
  endless.close();
});

test("MT-Bench: two turns, references where the category has them, ratings averaged; verdicts are kept", async () => {
  const data = file(
    "question.jsonl",
    { question_id: 1, category: "writing", turns: ["a?", "b?"] },
    { question_id: 2, category: "math", turns: ["1+1?", "and twice {that}?"] },
  );
  const references = file("gpt-4.jsonl", { question_id: 2, choices: [{ turns: ["two", "four"] }] });
  const task = { type: "mt_bench", data, prompts, references, judge: judge() };
  const ratings: Readonly<Record<string, string>> = { one: "[[8]]", two: "so [6.5]", math: "[[3]]" };
  begin(({ body: { messages } }) => {
    const [first, second] = messages[1].content.split(" ");
    return said(first === "math" && second === "two" ? "no rating" : ratings[first]);
  });
  const scores = await scoresOf(task, "bench");
  assert.deepEqual(scores, { score: (8 + 6.5 + 3) / 3 / 10, turn_1: 0.55, turn_2: 0.65, unrated: 0.25 });
  const users = asked.map(({ body }) => body.messages[1].content).sort();
  assert.match(users[0], /^math 1\+1\?\|two\|of \d+ tokens$/);
  assert.match(users[1], /^math two two\|four\|and twice \{that\}\?\|of \d+ tokens$/);
  assert.match(users[3], /^two a\?\|of \d+ tokens\|b\?\|of \d+ tokens$/);
  begin(() => assert.fail("nothing is asked again"));
  assert.deepEqual(await scoresOf(task, "bench"), scores);
  const path = join(folder, "bench", "t.judge.jsonl");
  writeFileSync(path, readFileSync(path, "utf8").trimEnd().split("\n").slice(0, -1).join("\n"));
  begin(() => said("[[10]]"));
  await scoresOf(task, "bench");
  assert.ok(asked.length >= 1 && asked.length <= 4, "what is missing is");
});

test("ratings are FastChat's", () => {
  for (const [text, rating] of [
    ["Rating: [[5]]", 5],
    ["[3] and then [[7.5]]", 7.5],
    ["[9]", 9],
    ["[[10]] or [[1]]", 10],
    ["[[ten]]", undefined],
    ["8/10", undefined],
    ["[[7.]]", 7],
  ] as const)
    assert.equal(ratingIn(text), rating, text);
});

test("an endpoint compares answers by FastChat's prompt, in both orders", async () => {
  const data = file(
    "wins.jsonl",
    { prompt: "p", output: "short" },
    { prompt: "longer", output: "of 99 tokens, I say" },
  );
  begin(({ body: { messages } }) => {
    const [, a, b] = messages[1].content.split("|");
    return said(a.length > b.length ? "[[A]]" : "[[B]]");
  });
  assert.equal((await scoresOf({ type: "win_rate", data, prompts, judge: judge() })).score, 0.5);
  begin(() => said("[[A]]"));
  assert.equal(
    (await scoresOf({ type: "win_rate", data, prompts, judge: judge() })).score,
    0.5,
    "a place decides nothing",
  );
  assert.equal(asked.length, 4);
});

interface Golden {
  /** Instruction, preference, length difference, difficulty. */
  readonly gamed: readonly (readonly [number, number, number, number])[];
  readonly cases: readonly {
    readonly lengths: readonly [number, number][];
    readonly preferences: readonly number[];
    readonly c: number;
    readonly weights: readonly number[];
    readonly win_rate: number;
  }[];
}

test("the length-controlled win rate is that of alpaca_eval's regression", () => {
  const { gamed: rows, cases } = goldenJson<Golden>("scorers", "length.json");
  const gamed = rows.map(([, preference, lengthDifference, difficulty]) => ({
    preference,
    lengthDifference,
    difficulty,
  }));
  for (const { lengths, preferences, c, weights, win_rate } of cases) {
    const comparisons = lengths.map((pair, i) => ({
      lengths: pair,
      preference: (preferences[i] === 0 ? 1.5 : preferences[i]) - 1, // 0 is a draw there
      difficulty: rows[i][3],
    }));
    // liblinear stops at 1e-4 of its gradient; the strength is chosen among ten, of which neighbours hardly differ.
    const fitted = lengthControlled(comparisons, gamed, c);
    for (const [i, weight] of weights.entries()) assert.ok(Math.abs(fitted.weights[i] - weight) < 2e-4);
    assert.ok(Math.abs(fitted.winRate - win_rate) < 5e-5);
    assert.ok(Math.abs(lengthControlled(comparisons, gamed).winRate - win_rate) < 5e-4);
  }
});

test("lasso's weights are a minimum: no step of a coordinate makes the objective less", () => {
  const eighth = fc.integer({ min: -16, max: 16 }).map((n) => n / 8);
  const row = fc.record({
    x: fc.tuple(eighth, eighth),
    p: fc.integer({ min: 0, max: 8 }).map((n) => n / 8),
    weight: fc.integer({ min: 1, max: 8 }).map((n) => n / 8),
  });
  fc.assert(
    fc.property(fc.array(row, { minLength: 3, maxLength: 8 }), fc.constantFrom(0.01, 1, 10), (rows, c) => {
      const objective = (w: readonly number[]) => w.reduce((s, v) => s + Math.abs(v), 0) + c * crossEntropy(rows, w);
      const w = lasso(rows, c);
      for (const j of w.keys())
        for (const step of [-1e-2, -1e-4, 1e-4, 1e-2]) {
          const other = w.map((v, i) => (i === j ? v + step : v));
          assert.ok(objective(other) >= objective(w) - 1e-9, `${w} against ${other}`);
        }
    }),
    { numRuns: tries(20) },
  );
});

test("AlpacaEval: log-probabilities decide, the model's place is drawn, and lengths are controlled for", async () => {
  assert.equal(secondIsBetter({ text: "m", logprobs: { m: Math.log(0.25), M: Math.log(0.5), x: -1 } }), 2 / 3);
  assert.equal(secondIsBetter({ text: "M" }), 1);
  assert.equal(secondIsBetter({ text: "both" }), undefined);
  const n = 8;
  const data = file(
    "eval.jsonl",
    ...Array.from({ length: n }, (_, i) => ({ instruction: `q${i}`, output: "x".repeat(9 + i) })),
  );
  const clf = file(
    "clf.txt",
    "<|im_start|>system\nS\n<|im_end|>\n<|im_start|>user\n{instruction}|{output_1}|{output_2}\n<|im_end|>",
  );
  const rows = Array.from(
    { length: 2 * n },
    (_, i) => `${i % n},${0.3 + 0.4 * Number(i < n)},${i < n ? -1 : 1},${(i % n) / 8},False`,
  );
  const gamed = file("gamed.csv", "index,preference,std_delta_len,instruction_difficulty,not_gamed_baseline", ...rows);
  const task = { type: "alpaca_eval", data, prompts: clf, gamed, judge: judge() };
  let firsts = 0;
  begin(({ body: { messages, logprobs } }) => {
    assert.equal(logprobs, true);
    const ours = messages[1].content.split("|")[1].startsWith("of");
    firsts += Number(ours);
    const top = { m: ours ? 0.75 : 0.25, M: ours ? 0.25 : 0.75 };
    const top_logprobs = Object.entries(top).map(([token, p]) => ({ token, logprob: Math.log(p) }));
    return said("m", { logprobs: { content: [{ top_logprobs }] } });
  });
  const scores = await scoresOf(task);
  assert.ok(Math.abs(scores.win_rate - 0.75) < 1e-12 && scores.unjudged === 0);
  assert.ok(scores.score > 0.5 && scores.score < 0.9);
  assert.ok(firsts > 0 && firsts < n, "each place is had");
  // Of rows that are drawn, difficulties are those of their places in the whole file.
  const asked = new Set<string>();
  begin(({ body: { messages } }) => {
    asked.add(/q(\d)/.exec(messages[1].content)?.[1] as string);
    return said("m");
  });
  const few = { ...task, draw: 3 };
  await scoresOf(few);
  assert.equal(asked.size, 3);
  const known = (indices: ReadonlySet<string>) =>
    file(
      "drawn.csv",
      "index,preference,std_delta_len,instruction_difficulty,not_gamed_baseline",
      ...rows.filter((row) => indices.has(row[0])),
    );
  await scoresOf({ ...few, gamed: known(asked) });
  const [one, ...others] = [...asked];
  await assert.rejects(
    scoresOf({ ...few, gamed: known(new Set(others)) }),
    new RegExp(`instruction ${one} has no difficulty`),
  );
  await assert.rejects(scoresOf({ ...task, prompts }), /its user's turn has no \{instruction\}/);
  await assert.rejects(
    scoresOf({ ...task, gamed: file("few.csv", "index,preference,std_delta_len,instruction_difficulty", rows[0]) }),
    /few\.csv:2|has no difficulty/,
  );
});
