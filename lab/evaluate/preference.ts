import { createHash } from "node:crypto";
import { InputError } from "../../core/errors.js";
import { type Asked, prepareAnswers } from "./answers.js";
import { lengthControlled } from "./judges/length.js";
import { chatOf } from "./judges/of-task.js";
import { gamedRows, preferRequest, preferTemplate, secondIsBetter } from "./judges/prefer.js";
import { verdicts } from "./judges/verdicts.js";
import type { Scores } from "./kinds/kind.js";
import type { Prepared } from "./prepared.js";
import { placedRowsOf } from "./prompts.js";
import { filled } from "./rows/filled.js";
import type { Task } from "./tasks.js";

/** Whether the model's answer is shown first: a coin of each instruction's, since judges prefer a place. */
const isFirst = (instruction: string): boolean => (createHash("sha256").update(instruction).digest()[0] & 1) === 1;

/** Characters as Python counts them. */
const lengthOf = (text: string): number => [...text].length;

/**
 * AlpacaEval 2: the model's answers against the rows' `output`, judged once each; the score is the length-controlled win rate,
 * the win rate itself stands beside it.  Dubois et al. 2024.
 */
export const preparePreferences = (task: Task, about: Asked): Prepared => {
  const { own } = task;
  const [template, chat] = [preferTemplate(task.path(own.text("prompts"))), chatOf(own)];
  const { gamed, difficulties } = gamedRows(task.path(own.text("gamed")));
  const rows = placedRowsOf(task).map(({ row, place }) => {
    const difficulty = difficulties.get(place);
    if (difficulty === undefined)
      throw new InputError(
        `${row.where}: instruction ${place} has no difficulty in ${own.text("gamed")}; both must be AlpacaEval's`,
      );
    return { instruction: filled(task.prompt ?? "{instruction}", row), output: row.text("output"), difficulty };
  });
  if (rows.length < 2) throw new InputError(`${own.where}: a regression on lengths takes two rows at least`);
  const answer = prepareAnswers(
    task,
    rows.map(({ instruction }) => instruction),
    [],
    about,
  );
  return async (model, keeping) => {
    const { answers, truncated } = await answer(model, keeping);
    const requests = rows.map(({ instruction, output }, i) =>
      preferRequest(template, instruction, isFirst(instruction) ? [answers[i], output] : [output, answers[i]]),
    );
    const replies = await verdicts(chat, requests, { most: 1, logprobs: true }, keeping);
    const preferences = replies.map((reply, i) => {
      const second = secondIsBetter(reply);
      return second !== undefined && isFirst(rows[i].instruction) ? 1 - second : second;
    });
    const judged = preferences.filter((preference) => preference !== undefined);
    if (judged.length === 0) throw new InputError(`${chat.name}: has named neither "m" nor "M" once`);
    const comparisons = rows.map(({ output, difficulty }, i) => ({
      lengths: [lengthOf(output), lengthOf(answers[i])] as const,
      ...{ preference: preferences[i], difficulty },
    }));
    const { winRate } = lengthControlled(comparisons, gamed);
    const win_rate = judged.reduce((a, b) => a + b, 0) / judged.length;
    const total = (all: readonly Scores[]): Scores => ({
      ...{ score: winRate, win_rate, unjudged: 1 - judged.length / all.length },
    });
    return { scores: preferences.map((preference) => ({ score: preference ?? 0.5 })), skipped: 0, truncated, total };
  };
};
