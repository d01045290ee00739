import { InputError } from "../../core/errors.js";
import { choiceRows } from "./choice.js";
import type { Fields } from "./fields.js";
import { tryJudge, winPoints } from "./judge.js";
import { type AnswerKind, answerKinds, type Scores } from "./kinds.js";
import type { Subject } from "./model.js";
import { filled, promptIds, rowsOf, type Shot, shotsOf } from "./prompts.js";
import { LONGEST_WAIT } from "./shell.js";
import { fingerprintOf, remembered, type Store } from "./store.js";
import type { Task } from "./tasks.js";

/** Row numbers in batches of like length: the longest first, so that what does not fit memory fails at once. */
const batchesByLength = (lengths: readonly number[], size: number): number[][] => {
  const order = lengths.map((_, i) => i).sort((a, b) => lengths[b] - lengths[a] || a - b);
  return Array.from({ length: Math.ceil(order.length / size) }, (_, i) => order.slice(i * size, (i + 1) * size));
};

interface Keeping extends Store {
  readonly batchSize: number;
}

/** The end of a prompt, as much as leaves `room` tokens. */
const fitting = (ids: readonly number[], room: number): readonly number[] =>
  ids.length > room ? ids.slice(-room) : ids;

/** What a task has to be told before it can be scored, and what came of it. */
interface Outcome {
  readonly scores: readonly Scores[];
  readonly skipped: number;
  readonly truncated: number;
  readonly total?: AnswerKind["total"];
}

/** What is known of a model before it is there. */
export type Asked = Pick<Subject, "tokenizer" | "maxPositions">;

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

/** Asks the questions; each answer ends before the first stop text. */
const prepareAnswers = (
  task: Task,
  questions: readonly string[],
  shots: readonly Shot[],
  about: Asked,
): ((
  model: Subject,
  keeping: Keeping,
) => Promise<{ readonly answers: readonly string[]; readonly truncated: number }>) => {
  const { sampling, stop, own } = task;
  const room = about.maxPositions - sampling.maxNewTokens;
  if (room < 1)
    throw new InputError(
      `${own.where}: sampling: max_new_tokens is ${sampling.maxNewTokens}, and the model has ${about.maxPositions} positions, which leaves none for the prompt; make it less`,
    );
  const whole = questions.map((question) => promptIds(task, shots, question, about.tokenizer));
  const prompts = whole.map((ids) => fitting(ids, room));
  const lengths = prompts.map((ids) => ids.length);
  const end = (text: string): number =>
    Math.min(text.length, ...stop.map((mark) => text.indexOf(mark)).filter((at) => at >= 0));
  return async (model, { batchSize, ...store }) => {
    const fingerprint = fingerprintOf(store.fingerprint, sampling, batchSize, prompts);
    const compute = (some: readonly number[]) => {
      const asked = some.map((i) => prompts[i]);
      return model.answers(asked, sampling, some);
    };
    const said = await remembered({ ...store, fingerprint }, batchesByLength(lengths, batchSize), compute);
    return {
      answers: said.map((text) => text.slice(0, end(text))),
      truncated: whole.filter((ids) => ids.length > room).length,
    };
  };
};

const shotBy =
  (template: string, answer: (row: Fields) => string) =>
  (row: Fields): Shot => ({ question: filled(template, row), answer: answer(row) });

const prepareScored = (task: Task, kind: AnswerKind, about: Asked): Prepared => {
  const template = task.prompt ?? kind.prompt;
  const all = rowsOf(task).map((row) => {
    const question = filled(template, row);
    return { question, scorer: kind.scorer(row, task.own, question) };
  });
  const rows = all.flatMap(({ question, scorer }) => (scorer === undefined ? [] : [{ question, scorer }]));
  const questions = rows.map(({ question }) => question);
  const answer = prepareAnswers(task, questions, shotsOf(task, shotBy(template, kind.example)), about);
  return async (model, keeping) => {
    const { answers, truncated } = await answer(model, keeping);
    const scores = rows.map(({ scorer }, i) => scorer(answers[i]));
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
export const prepare = (task: Task, about: Asked): Prepared => {
  const { type } = task;
  if (type === "multiple_choice") return prepareChoices(task, about);
  if (type === "win_rate") return prepareWins(task, about);
  return prepareScored(task, answerKinds[type], about);
};

/** Asks each task's judge, if it has one, about one match. Errors: InputError, as of `tryJudge`. */
export const tryJudges = async (tasks: readonly Task[]): Promise<void> => {
  for (const { judge, timeout } of tasks.filter(({ type }) => type === "win_rate").map(judgeOf))
    await tryJudge(judge, timeout);
};

/**
 * Finds out before a model is there what would end an evaluation: every task is prepared, and its judge tried.
 * Errors: InputError.
 */
export const checkTasks = async (tasks: readonly Task[], about: Asked): Promise<void> => {
  for (const task of tasks) prepare(task, about);
  await tryJudges(tasks);
};
