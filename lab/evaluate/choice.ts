import { InputError } from "../../core/errors.js";
import { show } from "../../models/files/json.js";
import type { Scores } from "./kinds/kind.js";
import type { Subject } from "./model.js";
import { promptIds, rowsOf, shotsOf } from "./prompts.js";
import type { Fields } from "./rows/fields.js";
import { filled } from "./rows/filled.js";
import type { Task } from "./tasks.js";

/** A question whose answer is one of its choices. */
interface Question {
  readonly text: string;
  readonly choices: readonly string[];
  readonly right: number;
}

const LETTERS = "ABCDEFGHIJ";

/** MMLU's row: { question, choices: […], answer: index or letter }, or choices under the keys A, B, C, … */
const questionOf = (row: Fields, text: string): Question => {
  const listed = row.optionalTexts("choices");
  const lettered = [...LETTERS].filter((letter) => row.raw(letter) !== undefined).map((letter) => row.text(letter));
  const choices = listed ?? lettered;
  if (choices.length < 2 || choices.length > LETTERS.length)
    throw new InputError(
      `${row.where}: has ${choices.length} choices; give 2 to ${LETTERS.length} as "choices" or "A", "B", …`,
    );
  const given = row.raw("answer");
  const said = typeof given === "string" ? given.trim() : given;
  const right =
    typeof said === "string" && /^[A-Ja-j]$/.test(said)
      ? LETTERS.indexOf(said.toUpperCase())
      : Number(said ?? Number.NaN);
  if (!Number.isInteger(right) || right < 0 || right >= choices.length || said === "")
    throw new InputError(
      `${row.where}: "answer" is ${show(given)}; it must be the letter or the number (from 0) of one of ${choices.length} choices`,
    );
  return { text, choices, right };
};

/** The question and, where letters are compared, its choices: "…\nA. …\nB. …\nAnswer:".  Hendrycks et al. 2021 (MMLU). */
const asked = ({ text, choices }: Question, byLetter: boolean): string =>
  byLetter ? [text, ...choices.map((choice, i) => `${LETTERS[i]}. ${choice}`), "Answer:"].join("\n") : text;

const candidates = ({ choices }: Question, byLetter: boolean): readonly string[] =>
  byLetter ? [...LETTERS.slice(0, choices.length)] : choices;

/** How many tokens two sequences begin with in common, at least one and not all of the longer. */
const commonStart = (prompt: readonly number[], whole: readonly number[]): number => {
  let n = 0;
  while (n < prompt.length && n < whole.length - 1 && prompt[n] === whole[n]) n++;
  return Math.max(1, n);
};

/** One candidate of one question, as tokens: the log-probability of what comes from `start` on counts. */
export interface Candidate {
  readonly ids: readonly number[];
  readonly start: number;
}

export interface ChoiceRow {
  readonly candidates: readonly Candidate[];
  /** Scores from the candidates' log-probabilities. */
  readonly scores: (logps: readonly number[]) => Scores;
}

/**
 * Rows of a multiple-choice task. `choices: letters` (default) asks for the letter, as MMLU does; `choices: texts` for the
 * whole choice, as ARC and HellaSwag do, and then `normalize: true` divides by the choice's length in bytes.
 */
export const choiceRows = (task: Task, { tokenizer }: Pick<Subject, "tokenizer">): readonly ChoiceRow[] => {
  const how = task.own.text("choices", "letters");
  if (how !== "letters" && how !== "texts")
    throw new InputError(`${task.own.where}: "choices" is "${how}"; it must be letters or texts`);
  const [byLetter, normalize] = [how === "letters", task.own.flag("normalize", false)];
  const read = (row: Fields) => questionOf(row, filled(task.prompt ?? "{question}", row));
  const shots = shotsOf(task, (row) => {
    const question = read(row);
    return { question: asked(question, byLetter), answer: candidates(question, byLetter)[question.right] };
  });
  return rowsOf(task).map((row): ChoiceRow => {
    const question = read(row);
    const prompt = asked(question, byLetter);
    const chat = task.chat ?? false;
    const ids = promptIds(task, shots, prompt, tokenizer, chat);
    const options = candidates(question, byLetter).map((option): Candidate => {
      // A plain continuation is tokenized with its prompt, since tokens may reach over the blank between them.
      const whole = chat
        ? [...ids, ...tokenizer.encode(option, { addSpecialTokens: false })]
        : promptIds(task, shots, `${prompt} ${option}`, tokenizer, false);
      return { ids: whole, start: chat ? ids.length : commonStart(ids, whole) };
    });
    const bytes = question.choices.map((choice) => Buffer.byteLength(choice));
    return {
      candidates: options,
      scores: (logps) => {
        const values = normalize && !byLetter ? logps.map((logp, i) => logp / Math.max(1, bytes[i])) : logps;
        return { score: values.indexOf(Math.max(...values)) === question.right ? 1 : 0 };
      },
    };
  });
};
