import { availableParallelism } from "node:os";
import { type Asked, batchesByLength, fitting, type Keeping, prepareAnswers } from "./answers.js";
import { choiceRows } from "./choice.js";
import { tryJudge, winPoints } from "./judges/judge.js";
import { LONGEST_WAIT } from "./judges/shell.js";
import type { AnswerKind, Scores } from "./kinds/kind.js";
import { answerKinds } from "./kinds/kinds.js";
import type { Subject } from "./model.js";
import { rowsOf, type Shot, shotsOf } from "./prompts.js";
import type { Fields } from "./rows/fields.js";
import { filled } from "./rows/filled.js";
import { fingerprintOf, remembered } from "./store.js";
import type { Task } from "./tasks.js";
import { type Tools, toolsOf } from "./tools.js";

/** What a task has to be told before it can be scored, and what came of it. */
interface Outcome {
  readonly scores: readonly Scores[];
  readonly skipped: number;
  readonly truncated: number;
  readonly total?: AnswerKind["total"];
}

/** A task whose rows are read, checked and tokenized. Errors are found before anything is computed. */
export type Prepared = (model: Subject, keeping: Keeping) => Promise<Outcome>;

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
  const all = rowsOf(task).map((row) => {
    const question = filled(template, row);
    return { question, scorer: kind.scorer(row, task.own, question) };
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

/** A task's judge, and the seconds that it has. Errors: InputError. */
const judgeOf = ({ own }: Task) => ({
  judge: own.text("judge"),
  timeout: own.count("timeout", 1, 3600, LONGEST_WAIT),
});

/** Win rate over the answers in the rows' `output` (AlpacaEval's key) or `reference`, by the task's judge. */
const prepareWins = (task: Task, about: Asked): Prepared => {
  const template = task.prompt ?? "{prompt}";
  const theirs = (row: Fields) => row.optionalText("output") ?? row.text("reference");
  const rows = rowsOf(task).map((row) => ({ prompt: filled(template, row), theirs: theirs(row) }));
  const { judge, timeout } = judgeOf(task);
  const questions = rows.map(({ prompt }) => prompt);
  const answer = prepareAnswers(task, questions, shotsOf(task, shotBy(template, theirs)), about);
  return async (model, keeping) => {
    const { answers, truncated } = await answer(model, keeping);
    const matches = rows.map((row, i) => ({ ...row, ours: answers[i] }));
    const points = await winPoints(judge, matches, timeout);
    return { scores: points.map((score) => ({ score })), skipped: 0, truncated };
  };
};

/** Reads, checks and tokenizes a task's rows. Errors: InputError. */
export const prepare = (task: Task, about: Asked, tools: Tools): Prepared => {
  const { type } = task;
  if (type === "multiple_choice") return prepareChoices(task, about);
  if (type === "win_rate") return prepareWins(task, about);
  return prepareScored(task, answerKinds[type], about, tools);
};

/**
 * Tries what the tasks need beside a model: judges, interpreters, a sandbox. Errors: InputError.
 */
export const tryTasks = async (tasks: readonly Task[], tools: Tools): Promise<void> => {
  for (const task of tasks) {
    const { type, own } = task;
    if (type === "multiple_choice") continue;
    if (type !== "win_rate") {
      const kind: AnswerKind = answerKinds[type];
      if (kind.ready !== undefined) await kind.ready(rowsOf(task), own, tools);
      continue;
    }
    const { judge, timeout } = judgeOf(task);
    await tryJudge(judge, timeout);
  }
};

/**
 * Finds out before a model is there what would end an evaluation: every task is prepared, and what it needs tried.
 * Errors: InputError.
 */
export const checkTasks = async (tasks: readonly Task[], about: Asked, tools: Tools = toolsOf()): Promise<void> => {
  for (const task of tasks) prepare(task, about, tools);
  await tryTasks(tasks, tools);
};
