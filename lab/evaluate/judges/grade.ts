import { InputError } from "../../../core/errors.js";
import { show } from "../../../models/files/json.js";
import { fields } from "../rows/fields.js";
import { benchmarkRows } from "../rows/rows.js";
import type { ChatRequest } from "./chat.js";

/** Prompts of FastChat's llm_judge: single-v1 and its three relatives, for one turn or two, with references or without. */
export type GradePrompts = Readonly<Record<string, { readonly system: string; readonly template: string }>>;

/** Categories whose answers are compared with references. */
const REFERENCED = ["math", "reasoning", "coding", "arena-hard-200"];

/** A question of two turns, its answers, and the references where its category has them. */
export interface Graded {
  readonly category: string;
  readonly turns: readonly string[];
  readonly answers: readonly string[];
  readonly references: readonly string[] | undefined;
}

const NAMES = ["single-v1", "single-math-v1", "single-v1-multi-turn", "single-math-v1-multi-turn"];

/** FastChat's judge_prompts.jsonl. Errors: InputError for a file without the prompts that grade one answer. */
export const gradePrompts = (path: string): GradePrompts => {
  const rows = benchmarkRows(path).map(({ at, row }) => fields(row, at));
  return Object.fromEntries(
    NAMES.map((name) => {
      const row = rows.find((row) => row.raw("name") === name);
      if (row === undefined)
        throw new InputError(`${path}: has no prompt "${name}", as FastChat's judge_prompts.jsonl has`);
      return [name, { system: row.text("system_prompt"), template: row.text("prompt_template") }];
    }),
  );
};

/** FastChat's reference answers, by question. */
export const references = (path: string): ReadonlyMap<number, readonly string[]> =>
  new Map(
    benchmarkRows(path).map(({ at, row }) => {
      const f = fields(row, at);
      const [choice] = f.objects("choices");
      return [f.count("question_id", 0), choice.texts("turns")];
    }),
  );

export const needsReference = (category: string): boolean => REFERENCED.includes(category);

/** What is asked of the judge about the answer to a turn (0 or 1). */
export const gradeRequest = (prompts: GradePrompts, graded: Graded, turn: number): ChatRequest => {
  const { category, turns, answers, references } = graded;
  const name = `single-${references !== undefined && needsReference(category) ? "math-v1" : "v1"}${turn === 0 ? "" : "-multi-turn"}`;
  const values: Readonly<Record<string, string | undefined>> = {
    ...{ question: turns[0], answer: answers[0] },
    ...{ question_1: turns[0], question_2: turns[1], answer_1: answers[0], answer_2: answers[1] },
    ...{ ref_answer_1: references?.[0], ref_answer_2: references?.[1] },
  };
  const { system, template } = prompts[name];
  const user = template.replace(/\{(\w+)\}/g, (_, key: string) => {
    const value = values[key];
    if (value === undefined) throw new InputError(`prompt "${name}" has ${show(key)}, which a question has not`);
    return value;
  });
  return { system, user };
};

/** The rating in a judgment, [[7]] or [7.5]; undefined: there is none. */
export const ratingIn = (judgment: string): number | undefined => {
  const found = /\[\[(\d+\.?\d*)\]\]/.exec(judgment) ?? /\[(\d+\.?\d*)\]/.exec(judgment);
  return found === null ? undefined : Number(found[1]);
};
