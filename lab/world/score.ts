import { COUNTED, KINDS, type Kind, type Task } from "./skills.js";
import { isStyled, stripStyle } from "./style.js";
import { decode, END } from "./vocabulary.js";

/** Tokens that the model may spend on an answer, the end token included. */
export const ANSWER_TOKENS = 28;

/** One generated answer, judged. */
interface Mark {
  /** The plain answer, exactly, and the end token after it. */
  right: boolean;
  /** Opener, closer and end token are all there. */
  styled: boolean;
  /** Tokens before the end token. */
  length: number;
}

/** Judge the tokens that follow `<a>`; what comes after the first end token is not read. */
export const mark = (task: Task, generated: ArrayLike<number>): Mark => {
  const ids = Array.from(generated);
  const end = ids.indexOf(END);
  const answer = decode(end < 0 ? ids : ids.slice(0, end));
  return {
    right: end >= 0 && stripStyle(answer) === task.answer,
    styled: end >= 0 && isStyled(answer),
    length: end < 0 ? ids.length : end,
  };
};

/** Marks of many answers, as shares and means. */
export interface Score {
  /** Share of right answers, kind by kind. */
  right: Record<Kind, number>;
  /** Mean of `right` over the skills that count: not sums, nor small talk. */
  average: number;
  /** Share of styled answers, small talk included. */
  style: number;
  /** Mean tokens of an answer, small talk included. */
  length: number;
}

const mean = (numbers: readonly number[]): number => numbers.reduce((sum, x) => sum + x, 0) / numbers.length;

/** Judge generated[i] as the answer to tasks[i]. A kind that was not asked is NaN, and so is then the average. */
export const score = (tasks: readonly Task[], generated: readonly ArrayLike<number>[]): Score => {
  const marks = tasks.map((task, i) => mark(task, generated[i]));
  const shareRight = (kind: Kind): number =>
    mean(marks.filter((_, i) => tasks[i].kind === kind).map(({ right }) => Number(right)));
  const right = Object.fromEntries(KINDS.map((kind) => [kind, shareRight(kind)])) as Record<Kind, number>;
  return {
    right,
    average: mean(COUNTED.map((skill) => right[skill])),
    style: mean(marks.map((answer) => Number(answer.styled))),
    length: mean(marks.map((answer) => answer.length)),
  };
};
