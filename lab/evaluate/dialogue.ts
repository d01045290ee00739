import { type Asked, type Keeping, prepareAnswers } from "./answers.js";
import { JUDGMENT } from "./judges/chat.js";
import { type Graded, gradePrompts, gradeRequest, needsReference, ratingIn, references } from "./judges/grade.js";
import { chatOf } from "./judges/of-task.js";
import { verdicts } from "./judges/verdicts.js";
import { type Scores, sumOf } from "./kinds/kind.js";
import type { Subject } from "./model.js";
import type { Prepared } from "./prepared.js";
import { rowsOf } from "./prompts.js";
import type { Task } from "./tasks.js";

/** Ratings are of 1 to 10, scores at most 1. */
const HIGHEST = 10;

const share = (sum: number, count: number): number => (count === 0 ? 0 : sum / count / HIGHEST);

/** Means over what has been rated, as FastChat's show_result.py has them. */
const total = (rows: readonly Scores[]): Scores => {
  const [first, second] = [sumOf(rows, "rated_1"), sumOf(rows, "rated_2")];
  const [sum1, sum2] = [sumOf(rows, "rating_1"), sumOf(rows, "rating_2")];
  return {
    score: share(sum1 + sum2, first + second),
    turn_1: share(sum1, first),
    turn_2: share(sum2, second),
    unrated: rows.length === 0 ? 0 : 1 - (first + second) / (2 * rows.length),
  };
};

/**
 * MT-Bench: questions of two turns, each answer graded from 1 to 10 by the task's judge, with FastChat's prompts and references.
 * Scores are tenths of the ratings.  Zheng et al. 2023.
 */
export const prepareDialogues = (task: Task, about: Asked): Prepared => {
  const { own } = task;
  const [prompts, chat] = [gradePrompts(task.path(own.text("prompts"))), chatOf(own)];
  const given = own.optionalText("references");
  const known = given === undefined ? new Map() : references(task.path(given));
  const rows = rowsOf(task).map((row) => {
    const [category, turns] = [row.text("category"), row.texts("turns")];
    const reference = needsReference(category) ? known.get(row.count("question_id", 0)) : undefined;
    return { category, turns, references: reference };
  });
  const first = prepareAnswers(
    task,
    rows.map(({ turns }) => turns[0]),
    [],
    about,
  );
  return async (model: Subject, keeping: Keeping) => {
    const one = await first(model, keeping);
    const asked = rows.map(({ turns }, i) => [
      { role: "user", content: turns[0] },
      { role: "assistant", content: one.answers[i] },
      { role: "user", content: turns[1] },
    ]);
    const two = await prepareAnswers(
      task,
      asked,
      [],
      about,
    )(model, { ...keeping, path: keeping.path?.replace(/\.jsonl$/, ".turn-2.jsonl") });
    const requests = rows.flatMap((row, i) => {
      const graded: Graded = { ...row, answers: [one.answers[i], two.answers[i]] };
      return [gradeRequest(prompts, graded, 0), gradeRequest(prompts, graded, 1)];
    });
    const ratings = (await verdicts(chat, requests, { most: JUDGMENT }, keeping)).map(({ text }) => ratingIn(text));
    const scores = rows.map((_, i): Scores => {
      const [a, b] = ratings.slice(2 * i, 2 * i + 2);
      const rated = [a, b].filter((rating) => rating !== undefined);
      return {
        score: share(
          rated.reduce((sum, rating) => sum + rating, 0),
          rated.length,
        ),
        ...{ rating_1: a ?? 0, rated_1: a === undefined ? 0 : 1, rating_2: b ?? 0, rated_2: b === undefined ? 0 : 1 },
      };
    });
    return { scores, skipped: 0, truncated: one.truncated + two.truncated, total };
  };
};
