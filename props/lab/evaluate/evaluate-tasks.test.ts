/** `taugrad evaluate` on a small model: log-likelihoods against the model's own, answers kept, calls that were cut off. */
import assert from "node:assert/strict";
import { cpSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { dispose, evaluate, read, tensor } from "../../../core/index.js";
import { choiceRows } from "../../../lab/evaluate/choice.js";
import { evaluateTasks, parseTasks, type Subject, subject } from "../../../lab/evaluate/index.js";
import { loadModel, loadTokenizer } from "../../../models/index.js";
import { document, scratch, succeeds } from "../../cli/cli.js";
import { inside } from "../../cli/inside.js";
import { device } from "../../devices.js";
import { goldenPath } from "../../golden/files.js";
import { tokenLogps } from "../../models/token-logps.js";
import { tries } from "../../reach.js";

const folder = scratch();
const policy = goldenPath("preferences", "policy");
const file = (name: string, content: string): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};
file("mmlu.csv", "What is red?,sky,blood,grass,coal,B\nWhat is up?,sky,blood,grass,coal,A\n");
file(
  "sums.jsonl",
  '{"question": "1+1?", "answer": "#### 2"}\n{"question": "2+3?", "answer": "#### 5"}\n{"question": "9?", "answer": 9}\n',
);
const content = {
  sampling: { max_new_tokens: 6, seed: 3 },
  tasks: [
    {
      name: "letters",
      category: "knowledge",
      type: "multiple_choice",
      data: "mmlu.csv",
      shots: 1,
      examples: "mmlu.csv",
    },
    {
      name: "texts",
      category: "knowledge",
      type: "multiple_choice",
      data: "mmlu.csv",
      choices: "texts",
      normalize: true,
    },
    { name: "sums", category: "math", type: "last_number", data: "sums.jsonl" },
  ],
};
const tasks = parseTasks(content, join(folder, "tasks.yaml"));

/** A model that always has the same to say, so that scores are known. */
const parrot = (answer: string, tokenizer: Subject["tokenizer"]): Subject & { asked: number } => {
  const it = {
    tokenizer,
    maxPositions: 512,
    padId: 0,
    asked: 0,
    answers: async (prompts: readonly unknown[]) => {
      it.asked += prompts.length;
      return prompts.map(() => answer);
    },
    logps: async (sequences: readonly { ids: readonly number[] }[]) => {
      it.asked += sequences.length;
      return sequences.map(({ ids }) => -ids.length);
    },
    free: () => {},
  };
  return it;
};

test("a choice's score is the model's log-probability of it, in one piece with the question", async () => {
  const here = await device("cpu");
  const model = loadModel(policy, here);
  const asked = subject(model, loadTokenizer(policy), here);
  for (const task of tasks.slice(0, 2)) {
    const [row] = choiceRows(task, asked);
    assert.equal(row.candidates.length, 4);
    const together = await asked.logps(row.candidates);
    for (const [i, { ids, start }] of row.candidates.entries()) {
      const x = tensor(Int32Array.from(ids), [1, ids.length]);
      const logps = evaluate(tokenLogps(model.params, model.config, x), here);
      const all = await read(logps);
      dispose(logps);
      const sum = Array.from(all.slice(start - 1)).reduce((a, b) => a + b, 0);
      assert.ok(Math.abs(together[i] - sum) < 1e-4, `${task.name} ${i}: ${together[i]} for ${sum}`);
    }
  }
  asked.free();
  dispose(model.params);
});

test("choices: letters or whole texts, by length in bytes on request", () => {
  const tokenizer = loadTokenizer(policy);
  const [letters] = choiceRows(tasks[0], parrot("", tokenizer));
  assert.deepEqual(
    letters.candidates.map(({ ids, start }) => tokenizer.decode(ids.slice(start)).trim()),
    ["A", "B", "C", "D"],
  );
  assert.match(
    tokenizer.decode(letters.candidates[0].ids),
    /What is red\?\nA\. sky\n.*Answer: B\n\nWhat is red\?\n.*Answer: A$/s,
  );
  const [texts] = choiceRows(tasks[1], parrot("", tokenizer));
  assert.deepEqual(
    texts.candidates.map(({ ids, start }) => tokenizer.decode(ids.slice(start)).trim()),
    ["sky", "blood", "grass", "coal"],
  );
  assert.equal(texts.scores([-3, -4.9, -5, -4]).score, 1, "−4.9/5 is the best a byte");
  assert.equal(texts.scores([-3, -5.1, -5, -4]).score, 0);
});

test("averages go over the rows, then the tasks of a category, then the categories", async () => {
  const model = parrot("it is 5", loadTokenizer(policy));
  const { tasks: results, categories, average } = await evaluateTasks(tasks, model);
  assert.deepEqual(
    results.map(({ name, rows, scores }) => [name, rows, scores.score]),
    [
      ["letters", 2, 0.5],
      ["texts", 2, categories.knowledge * 2 - 0.5],
      ["sums", 3, 1 / 3],
    ],
  );
  assert.equal(average, (categories.knowledge + 1 / 3) / 2);
});

test("answers that leave no room for a prompt are refused, not asked of its last token", async () => {
  const model = { ...parrot("", loadTokenizer(policy)), maxPositions: 6 };
  await assert.rejects(
    evaluateTasks(tasks.slice(2), model),
    /^InputError: .*task 3: sampling: max_new_tokens is 6, and the model has 6 positions, which leaves none/,
  );
  assert.equal((await evaluateTasks(tasks.slice(2), { ...model, maxPositions: 7 })).tasks[0].truncated, 3);
});

test("what was answered is not asked again; a line that is not as written, and another model, are, with a word", async () => {
  const tokenizer = loadTokenizer(policy);
  const kept = join(folder, "kept");
  const run = async (fingerprint: string) => {
    const [model, said] = [parrot("2", tokenizer), [] as string[]];
    const how = { folder: kept, fingerprint, batchSize: 2, tell: (line: string) => said.push(line) };
    const result = await evaluateTasks(tasks, model, how);
    return { asked: model.asked, result, said: said.join("\n") };
  };
  const first = await run("one");
  assert.deepEqual([first.asked, first.said], [8 + 8 + 3, ""]);
  const again = await run("one");
  assert.deepEqual(again, { ...first, asked: 0 });
  const path = join(kept, "sums.jsonl");
  const whole = readFileSync(path, "utf8");
  const end = whole.indexOf("\n") + 1;
  const place = fc.record({ at: fc.integer({ min: end, max: whole.length - 2 }), bit: fc.nat(7) });
  const harms = fc.oneof(
    place.map(({ at }) => [whole.slice(0, at), whole.slice(end, at)] as const),
    fc.constantFrom('"2"', "null", '["2"]', '"3"').map((value) => {
      const other = whole.replace(/"value":"2"/, `"value":${value}`);
      return [other, other.slice(end)] as const;
    }),
    place.map(({ at, bit }) => {
      const other = Buffer.from(whole);
      other[at] ^= 1 << bit;
      return [other, undefined] as const;
    }),
  );
  await fc.assert(
    fc.asyncProperty(harms, async ([content, rest]) => {
      writeFileSync(path, content);
      const { asked, result, said } = await run("one");
      assert.deepEqual(result, first.result);
      const sorted = (text: string) => text.split("\n").sort();
      assert.deepEqual(sorted(readFileSync(path, "utf8")), sorted(whole), "the file holds what it would have held");
      if (content === whole) assert.equal(asked, 0);
      else assert.ok(asked > 0);
      if (rest === undefined)
        assert.match(said, /sums\.jsonl: \d lines? (is|are) not as written; those rows are computed/);
    }),
    { numRuns: tries(12) },
  );
  const other = await run("two");
  assert.equal(other.asked, 19);
  assert.match(other.said, /sums\.jsonl: holds what another model or other settings said, and is begun anew$/);
});

test("a training run scores its benchmarks as taugrad evaluate scores the model that it saves", async () => {
  const rows = file("rows.jsonl", '{"prompt": "1+1?", "completion": " 2"}\n');
  const [yaml, out] = [file("tasks.yaml", JSON.stringify(content)), join(folder, "trained")];
  await succeeds([
    ...["sft", "--model_name_or_path", policy, "--dataset_name", rows, "--output_dir", out, "--device", "cpu"],
    ...["--max_steps", "2", "--learning_rate", "1e-2", "--eval_tasks", yaml, "--eval_steps", "2"],
  ]);
  const records = readFileSync(join(out, "metrics.jsonl"), "utf8").trimEnd().split("\n");
  const scored = records
    .map((line) => JSON.parse(line) as Record<string, number>)
    .filter((r) => "eval_tasks/average" in r);
  assert.deepEqual(
    scored.map(({ step }) => step),
    [2],
  );
  const call = ["evaluate", "--model", out, "--device", "cpu", "--tasks", yaml];
  const alone = await document<{ average: number; tasks: { name: string; scores: { score: number } }[] }>(call);
  const expected = alone.tasks.map(({ name, scores }) => [`eval_tasks/${name}`, scores.score] as const);
  for (const [name, score] of [...expected, ["eval_tasks/average", alone.average] as const])
    assert.equal(scored[0][name], score, name);
});

const posix = { skip: process.platform === "win32" ? "its judge is a POSIX shell's" : false };

test(
  "what a run's benchmarks need is known before its first step; a judge that fails later costs no step",
  posix,
  async () => {
    const model = join(folder, "model");
    cpSync(policy, model, { recursive: true });
    const rows = file("wins.jsonl", '{"prompt": "1+1?", "completion": " 2", "output": "two"}\n'.repeat(4));
    const sft = (out: string, ...more: readonly string[]): string[] => [
      ...["sft", "--model_name_or_path", model, "--dataset_name", rows, "--output_dir", join(folder, out)],
      ...["--device", "cpu", "--max_steps", "4", "--learning_rate", "1e-2", ...more],
    ];
    const wins = (more: object): string[] => {
      const task = { name: "wins", type: "win_rate", data: "wins.jsonl", limit: 1, judge: "true", ...more };
      const tasks = file("wins.yaml", JSON.stringify({ sampling: { max_new_tokens: 2 }, tasks: [task] }));
      return ["--eval_tasks", tasks, "--eval_steps", "2", "--logging_steps", "1"];
    };
    const refused: readonly (readonly [object, RegExp])[] = [
      [{ data: "none.jsonl" }, /none\.jsonl: no such file/],
      [{ sampling: { max_new_tokens: 100_000 } }, /leaves none for the prompt/],
      [{ judge: "exit 3" }, /judge "exit 3" ended with exit code 3/],
    ];
    for (const [more, said] of refused) {
      const { code, stderr } = await inside(sft("early", ...wins(more)));
      assert.deepEqual([code, existsSync(join(folder, "early"))], [2, false], stderr);
      assert.match(stderr, said);
    }

    await succeeds(sft("whole"));
    // It is tried once, and then fails; meanwhile the tokenizer that is to be saved goes.
    const tokenizer = join(model, "tokenizer.json");
    const fails = `if [ -e tried ]; then rm -f '${tokenizer}'; exit 3; fi; touch tried; echo '{"winner": "tie"}'`;
    const judge = `cd '${folder}'; ${fails}`;
    const ended = await inside(sft("late", ...wins({ judge })));
    assert.equal(ended.code, 2, ended.stderr);
    assert.match(ended.stderr, /checkpoint-2 holds the state after step 2, which --resume goes on from\n/);
    assert.match(ended.stderr, /\ntaugrad: judge [^\n]* ended with exit code 3\n$/);
    const saved = (name: string) => readFileSync(join(folder, "late", name));
    cpSync(join(policy, "tokenizer.json"), tokenizer);
    assert.ok(saved("checkpoint-2/tokenizer.json").equals(readFileSync(tokenizer)));
    await succeeds(sft("late", "--resume"));
    assert.ok(saved("model.safetensors").equals(readFileSync(join(folder, "whole", "model.safetensors"))));
  },
);

test("taugrad evaluate prints scores, the same when it goes on, and refuses bad files in one line", async () => {
  const yaml = file("tasks.yaml", JSON.stringify(content));
  const call = ["evaluate", "--model", policy, "--device", "cpu", "--output-dir", join(folder, "answers"), "--tasks"];
  const first = await document<{ average: number; tasks: { rows: number }[] }>([...call, yaml]);
  assert.deepEqual(
    first.tasks.map(({ rows }) => rows),
    [2, 2, 3],
  );
  assert.deepEqual(await document([...call, yaml]), first);
  const broken = file("broken.yaml", "tasks: [{name: a, type: keywords, data: sums.jsonl}]");
  const ended = await inside([...call, broken]);
  assert.equal(ended.code, 2);
  assert.match(
    ended.stderr,
    /^taugrad: [^\n]*sums\.jsonl:1: "keywords" is missing; it must be text or a list of texts\n$/,
  );
});
