import { join } from "node:path";
import { InputError } from "../../core/errors.js";
import { choiceRows } from "./choice.js";
import type { Fields } from "./fields.js";
import { winPoints } from "./judge.js";
import { type AnswerKind, answerKinds, meanScores, type Scores } from "./kinds.js";
import type { Subject } from "./model.js";
import { filled, promptIds, rowsOf, type Shot, shotsOf } from "./prompts.js";
import { LONGEST_WAIT } from "./shell.js";
import { fingerprintOf, remembered, type Store } from "./store.js";
import type { Task } from "./tasks.js";

/** What a model earned on one task. */
export interface TaskResult {
  readonly name: string;
  readonly category: string;
  readonly type: string;
  /** Rows that were scored. */
  readonly rows: number;
  /** Rows left out because only a model could score them. */
  readonly skipped: number;
  /** Prompts that lost their beginning, since they were longer than the model allows. */
  readonly truncated: number;
  /** In [0, 1]: `score` first, the mean over the rows, then what else the type tells. */
  readonly scores: Scores;
}

export interface EvaluationResult {
  readonly tasks: readonly TaskResult[];
  /** Mean score of each category's tasks. */
  readonly categories: Readonly<Record<string, number>>;
  /** Mean of the categories. */
  readonly average: number;
}

export interface EvaluateTasksOptions {
  /** Prompts (candidates) a batch. Default 8. */
  readonly batchSize?: number;
  /** Where answers are kept, one JSON Lines file a task, so that a later call goes on. Default: nowhere. */
  readonly folder?: string;
  /** What the model's weights are, for telling whether kept answers are its own. */
  readonly fingerprint?: string;
  /** Told of each task as it is done. */
  readonly done?: (result: TaskResult) => void;
  /** Hears, in one line, of kept answers that cannot be used. */
  readonly tell?: (line: string) => void;
}

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

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

/** A task whose rows are read and checked. Errors are found before anything is computed. */
type Prepared = (keeping: Keeping) => Promise<Outcome>;

const prepareChoices = (task: Task, model: Subject): Prepared => {
  const rows = choiceRows(task, model);
  const room = model.maxPositions;
  const flat = rows.flatMap(({ candidates }) => candidates);
  const cut = flat.map(({ ids, start }) => ({
    ids: fitting(ids, room),
    start: Math.max(1, start - Math.max(0, ids.length - room)),
  }));
  const lengths = cut.map(({ ids }) => ids.length);
  return async ({ batchSize, ...store }) => {
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
  model: Subject,
): ((keeping: Keeping) => Promise<{ readonly answers: readonly string[]; readonly truncated: number }>) => {
  const { sampling, stop, own } = task;
  const room = model.maxPositions - sampling.maxNewTokens;
  if (room < 1)
    throw new InputError(
      `${own.where}: sampling: max_new_tokens is ${sampling.maxNewTokens}, and the model has ${model.maxPositions} positions, which leaves none for the prompt; make it less`,
    );
  const whole = questions.map((question) => promptIds(task, shots, question, model.tokenizer));
  const prompts = whole.map((ids) => fitting(ids, room));
  const lengths = prompts.map((ids) => ids.length);
  const end = (text: string): number =>
    Math.min(text.length, ...stop.map((mark) => text.indexOf(mark)).filter((at) => at >= 0));
  return async ({ batchSize, ...store }) => {
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

const prepareScored = (task: Task, kind: AnswerKind, model: Subject): Prepared => {
  const template = task.prompt ?? kind.prompt;
  const all = rowsOf(task).map((row) => {
    const question = filled(template, row);
    return { question, scorer: kind.scorer(row, task.own, question) };
  });
  const rows = all.flatMap(({ question, scorer }) => (scorer === undefined ? [] : [{ question, scorer }]));
  const questions = rows.map(({ question }) => question);
  const answer = prepareAnswers(task, questions, shotsOf(task, shotBy(template, kind.example)), model);
  return async (keeping) => {
    const { answers, truncated } = await answer(keeping);
    const scores = rows.map(({ scorer }, i) => scorer(answers[i]));
    return { scores, skipped: all.length - rows.length, truncated, total: kind.total };
  };
};

/** Win rate over the answers in the rows' `output` (AlpacaEval's key) or `reference`, by the task's judge. */
const prepareWins = (task: Task, model: Subject): Prepared => {
  const template = task.prompt ?? "{prompt}";
  const theirs = (row: Fields) => row.optionalText("output") ?? row.text("reference");
  const rows = rowsOf(task).map((row) => ({ prompt: filled(template, row), theirs: theirs(row) }));
  const [judge, timeout] = [task.own.text("judge"), task.own.count("timeout", 1, 3600, LONGEST_WAIT)];
  const questions = rows.map(({ prompt }) => prompt);
  const answer = prepareAnswers(task, questions, shotsOf(task, shotBy(template, theirs)), model);
  return async (keeping) => {
    const { answers, truncated } = await answer(keeping);
    const matches = rows.map((row, i) => ({ ...row, ours: answers[i] }));
    const points = await winPoints(judge, matches, timeout);
    return { scores: points.map((score) => ({ score })), skipped: 0, truncated };
  };
};

const prepare = (task: Task, model: Subject): Prepared => {
  const { type } = task;
  if (type === "multiple_choice") return prepareChoices(task, model);
  if (type === "win_rate") return prepareWins(task, model);
  return prepareScored(task, answerKinds[type], model);
};

/** Scores of a model on tasks, and their averages by category, as in Table 1 of the paper. Errors: InputError. */
export const evaluateTasks = async (
  tasks: readonly Task[],
  model: Subject,
  { batchSize = 8, folder, fingerprint = "", done, tell = () => {} }: EvaluateTasksOptions = {},
): Promise<EvaluationResult> => {
  const prepared = tasks.map((task) => ({ task, run: prepare(task, model) }));
  const results: TaskResult[] = [];
  for (const { task, run } of prepared) {
    const path = folder === undefined ? undefined : join(folder, `${task.name}.jsonl`);
    const { scores, total = meanScores, ...counts } = await run({ batchSize, path, fingerprint, tell });
    const { name, category, type } = task;
    const result = { name, category, type, rows: scores.length, ...counts, scores: total(scores) };
    done?.(result);
    results.push(result);
  }
  const names = [...new Set(results.map(({ category }) => category))];
  const categories = Object.fromEntries(
    names.map((name) => [name, mean(results.filter((r) => r.category === name).map((r) => r.scores.score))]),
  );
  return { tasks: results, categories, average: mean(Object.values(categories)) };
};
