/** Rows of files that hold one JSON value for many questions, as their data sets are published. */
import { isObject, type JsonObject } from "../../../models/files/json.js";

/** A file's rows, where its value is of a data set's shape; undefined: it is not. */
export type Unroll = (value: unknown) => readonly JsonObject[] | undefined;

const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const textAt = (value: unknown, key: string): string => {
  const found = isObject(value) ? value[key] : undefined;
  return typeof found === "string" ? found : "";
};

/**
 * coqa-dev-v1.0.json: a row a turn, { story, history, question, answers, turn, turns }: what was asked and answered before it, and
 * all golden answers.
 */
export const coqaRows: Unroll = (value) => {
  const stories = isObject(value) ? value.data : undefined;
  if (!Array.isArray(stories)) return undefined;
  return stories.filter(isObject).flatMap((story) => {
    const [questions, golds] = [list(story.questions), list(story.answers)];
    const more = Object.values(isObject(story.additional_answers) ? story.additional_answers : {});
    const said = (i: number): string[] => [golds, ...more.map(list)].map((answers) => textAt(answers[i], "input_text"));
    const turn = (i: number): string => `Q: ${textAt(questions[i], "input_text")}\nA: ${said(i)[0]}\n`;
    return questions.map((question, i) => ({
      ...{ story: textAt(story, "story"), question: textAt(question, "input_text"), answers: said(i) },
      ...{
        history: questions
          .slice(0, i)
          .map((_, j) => turn(j))
          .join(""),
        turn: i + 1,
        turns: questions.length,
      },
    }));
  });
};

/** drop_dataset_dev.json: a row a question, with its passage. */
export const dropRows: Unroll = (value) => {
  const passages = isObject(value) ? Object.values(value) : [];
  const whole = passages.filter(isObject).filter(({ qa_pairs }) => Array.isArray(qa_pairs));
  if (whole.length === 0 || whole.length < passages.length) return undefined;
  return whole.flatMap(({ passage, qa_pairs }) =>
    list(qa_pairs)
      .filter(isObject)
      .map((pair, i, pairs) => ({ ...pair, passage, turn: i + 1, turns: pairs.length })),
  );
};
