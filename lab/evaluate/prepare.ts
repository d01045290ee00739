import { availableParallelism } from "node:os";
import { isObject } from "../../models/files/json.js";
import { type Asked, batchesByLength, fitting, type Keeping, prepareAnswers } from "./answers.js";
import { choiceRows } from "./choice.js";
import { prepareDialogues } from "./dialogue.js";
import { JUDGMENT } from "./judges/chat.js";
import { judged, type Match, tryJudge, winPoints } from "./judges/judge.js";
import { chatOf, tryChat } from "./judges/of-task.js";
import { pairPoints, pairPrompt, pairRequest } from "./judges/pair.js";
import { LONGEST_WAIT } from "./judges/shell.js";
import { verdicts } from "./judges/verdicts.js";
import type { AnswerKind } from "./kinds/kind.js";
import { type AnswerKindName, answerKinds } from "./kinds/kinds.js";
import { preparePreferences } from "./preference.js";
import type { Prepared } from "./prepared.js";
import { rowsOf, type Shot, shotsOf } from "./prompts.js";
import type { Fields } from "./rows/fields.js";
import { filled } from "./rows/filled.js";
import { fingerprintOf, remembered } from "./store.js";
import type { Task, TaskType } from "./tasks.js";
import { type Tools, toolsOf } from "./tools.js";

const prepareChoices = (task: Task, about: Asked): Prepared => {
  const rows = choiceRows(task, about);
  const room = about.maxPositions;
  const flat = rows.flatMap(({ candidates }) => candidates);
  const cut = flat.map(({ ids, start }) => ({
    ids: fitting(ids, room),
    start: Math.max(1, start - Math.max(0, ids.length - room)),
  }));
  const lengths = cut.map(({ ids }) => ids.length);
  return async (model, { batchSize, ...store }) => {
    const fingerprint = fingerprintOf(store.fingerprint, "logps", batchSize, cut);
    const compute = (some: readonly number[]) => model.logps(some.map((i) => cut[i]));
    const logps = await remembered({ ...store, fingerprint }, batchesByLength(lengths, batchSize), compute);
    let at = 0;
    const scores = rows.map((row) => {
      const from = at;
      at += row.candidates.length;
      return row.scores(logps.slice(from, at));
    });
    return { scores, skipped: 0, truncated: flat.filter(({ ids }) => ids.length > room).length };
  };
};

const shotBy =
  (template: string, answer: (row: Fields) => string) =>
  (row: Fields): Shot => ({ question: filled(template, row), answer: answer(row) });

/** Rows that are scored at once: programs that run beside each other leave a processor to what watches them. */
const AT_ONCE = Math.max(1, Math.min(8, availableParallelism() - 1));

/** Results in the items' order, so many being made at once. */
const inTurn = async <T, R>(items: readonly T[], make: (item: T, i: number) => R | Promise<R>): Promise<R[]> => {
  const [results, left] = [[] as R[], items.entries()];
  const work = async (): Promise<void> => {
    for (const [i, item] of left) results[i] = await make(item, i);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return results;
};

const prepareScored = (task: Task, kind: AnswerKind, about: Asked, tools: Tools): Prepared => {
  const template = task.prompt ?? (typeof kind.prompt === "string" ? kind.prompt : kind.prompt(task.own));
  const all = rowsOf(task, kind.unroll).map((row) => {
    const question = kind.asked?.(row) ?? filled(template, row);
    const text = typeof question === "string" ? question : question.map(({ content }) => content).join("\n");
    return { question, scorer: kind.scorer(row, task.own, text) };
  });
  const rows = all.flatMap(({ question, scorer }) => (scorer === undefined ? [] : [{ question, scorer }]));
  const questions = rows.map(({ question }) => question);
  const shots = shotsOf(
    task,
    shotBy(template, (row) => kind.example(row, task.own)),
  );
  const answer = prepareAnswers(task, questions, shots, about, kind.stop?.(task.own));
  return async (model, keeping) => {
    const { answers, truncated } = await answer(model, keeping);
    const scores = await inTurn(rows, ({ scorer }, i) => scorer(answers[i], tools));
    return { scores, skipped: all.length - rows.length, truncated, total: kind.total };
  };
};

/** A task's judge as a command, and the seconds that it has. Errors: InputError. */
const judgeOf = ({ own }: Task): [judge: string, timeout: number] => [
  own.text("judge"),
  own.count("timeout", 1, 3600, LONGEST_WAIT),
];

const isEndpoint = ({ own }: Task): boolean => isObject(own.raw("judge"));

/** Compares answers: a command by itself, an endpoint by FastChat's prompt. Errors: InputError. */
const comparing = (task: Task): ((matches: readonly Match[], keeping: Keeping) => Promise<readonly number[]>) => {
  if (!isEndpoint(task)) {
    const [judge, timeout] = judgeOf(task);
    return (matches) => judged(judge, matches, timeout);
  }
  const [chat, prompt] = [chatOf(task.own), pairPrompt(task.path(task.own.text("prompts")))];
  return async (matches, keeping) => {
    const requests = matches.map((match) => pairRequest(prompt, match));
    return (await verdicts(chat, requests, { most: JUDGMENT }, keeping)).map(pairPoints);
  };
};

/** Win rate over the answers in the rows' `output` (AlpacaEval's key) or `reference`, by the task's judge. */
const prepareWins = (task: Task, about: Asked): Prepared => {
  const template = task.prompt ?? "{prompt}";
  const theirs = (row: Fields) => row.optionalText("output") ?? row.text("reference");
  const rows = rowsOf(task).map((row) => ({ prompt: filled(template, row), theirs: theirs(row) }));
  const compare = comparing(task);
  const questions = rows.map(({ prompt }) => prompt);
  const answer = prepareAnswers(task, questions, shotsOf(task, shotBy(template, theirs)), about);
  return async (model, keeping) => {
    const { answers, truncated } = await answer(model, keeping);
    const played = rows.map((row, i) => ({ ...row, ours: answers[i] }));
    const points = await winPoints((matches) => compare(matches, keeping), played);
    return { scores: points.map((score) => ({ score })), skipped: 0, truncated };
  };
};

/** How a type's tasks are prepared, and what of them is tried first. */
interface Preparing {
  readonly prepare: (task: Task, about: Asked, tools: Tools) => Prepared;
  readonly tried?: (task: Task, tools: Tools) => Promise<void>;
}

const scoring = (kind: AnswerKind): Preparing => ({
  prepare: (task, about, tools) => prepareScored(task, kind, about, tools),
  tried: async (task, tools) => kind.ready?.(rowsOf(task, kind.unroll), task.own, tools),
});

const asksJudge = ({ own }: Task): Promise<void> => tryChat(chatOf(own));

const scored = Object.fromEntries(Object.entries(answerKinds).map(([name, kind]) => [name, scoring(kind)])) as Readonly<
  Record<AnswerKindName, Preparing>
>;

const types: Readonly<Record<TaskType, Preparing>> = {
  ...scored,
  multiple_choice: { prepare: prepareChoices },
  win_rate: {
    prepare: prepareWins,
    tried: (task) => (isEndpoint(task) ? asksJudge(task) : tryJudge(...judgeOf(task))),
  },
  mt_bench: { prepare: prepareDialogues, tried: asksJudge },
  alpaca_eval: { prepare: preparePreferences, tried: asksJudge },
};

/** Reads, checks and tokenizes a task's rows. Errors: InputError. */
export const prepare = (task: Task, about: Asked, tools: Tools): Prepared =>
  types[task.type].prepare(task, about, tools);

/** How many rows a task has. Errors: InputError. */
export const countRows = (task: Task): number =>
  rowsOf(task, (answerKinds as Readonly<Record<string, AnswerKind>>)[task.type]?.unroll).length;

/** Tries what the tasks need beside a model: judges, interpreters, a sandbox, packages. Errors: InputError. */
export const tryTasks = async (tasks: readonly Task[], tools: Tools): Promise<void> => {
  for (const task of tasks) await types[task.type].tried?.(task, tools);
};

/**
 * Finds out before a model is there what would end an evaluation: every task is prepared, and what it needs tried.
 * Errors: InputError.
 */
export const checkTasks = async (tasks: readonly Task[], about: Asked, tools: Tools = toolsOf()): Promise<void> => {
  for (const task of tasks) prepare(task, about, tools);
  await tryTasks(tasks, tools);
};
