import { InputError } from "../../../core/errors.js";
import { show } from "../../../models/files/json.js";
import type { Fields } from "../rows/fields.js";
import { type AnswerKind, won } from "./kind.js";
import { lastNumber, lastValue, written } from "./numbers.js";

const goldNumber = (row: Fields, key: string, read: (text: string) => number | undefined): number => {
  const given = row.raw(key);
  const found = typeof given === "number" ? given : typeof given === "string" ? read(given) : undefined;
  if (found === undefined || !Number.isFinite(found))
    throw new InputError(`${row.where}: "${key}" is ${show(given)}; it must hold a number`);
  return found;
};

const afterMarks = (text: string): number | undefined => lastNumber(text.split("####").at(-1) as string);

/** The last number of the answer is that of `answer`. */
export const lastNumberKind: AnswerKind = {
  prompt: "{question}",
  keys: [],
  scorer: (row) => {
    const right = goldNumber(row, "answer", afterMarks);
    return (answer) => ({ score: won(lastNumber(answer) === right) });
  },
  example: (row) => row.text("answer"),
};

/** `extract_answer` of grade-school-math: what stands after the first ####, without commas. */
const marked = (text: string): string | undefined => /#### (-?[\d.,]+)/.exec(text)?.[1].trim().replaceAll(",", "");

/** GSM8K by its own script: the text after #### is right, to the letter; the last number beside.  Cobbe et al. 2021. */
export const gsm8k: AnswerKind = {
  prompt: 'Question: {question}\nThink step by step, and end with a line "#### " and the number that answers it.',
  keys: [],
  measures: ["last_number"],
  scorer: (row) => {
    const right = marked(row.text("answer"));
    if (right === undefined)
      throw new InputError(`${row.where}: "answer" is ${show(row.raw("answer"))}; it must hold #### and a number`);
    const number = goldNumber(row, "answer", afterMarks);
    return (answer) => ({ score: won(marked(answer) === right), last_number: won(lastNumber(answer) === number) });
  },
  example: (row) => row.text("answer"),
};

/**
 * MATH 401: the number of the answer is less than 1e-3 from the right one; beside it the mean of min(10, |ŷ−y| / max(|y|, 1)),
 * 10 where there is no number, and the share of answers without one.  Yuan et al. 2023.
 */
export const math401: AnswerKind = {
  prompt: "{query}",
  keys: [],
  measures: ["relative_error", "no_number"],
  scorer: (row) => {
    const right = goldNumber(row, "response", lastNumber);
    return (answer) => {
      const number = lastNumber(answer);
      const off = number === undefined ? Number.POSITIVE_INFINITY : Math.abs(number - right);
      return {
        score: won(off < 1e-3),
        relative_error: Math.min(10, off / Math.max(Math.abs(right), 1)),
        no_number: won(number === undefined),
      };
    };
  },
  example: (row) => row.text("response"),
};

/** Math23K: the last value of the answer is less than 1e-4 from the right one, as its solvers' scripts have it.  Wang et al. 2017. */
export const math23k: AnswerKind = {
  prompt: "{original_text}",
  keys: [],
  scorer: (row) => {
    const right = goldNumber(row, "ans", written);
    return (answer) => {
      const value = lastValue(answer);
      return { score: won(value !== undefined && Math.abs(value - right) < 1e-4) };
    };
  },
  example: (row) => row.text("ans"),
};
