import type { ChatMessage } from "../../../models/text/chat-message.js";
import type { Fields } from "../rows/fields.js";
import type { Unroll } from "../rows/published.js";
import type { Tools } from "../tools.js";

/** Numbers that an answer, or a task, earns; `score`, in [0, 1], is the one that counts. */
export type Scores = { readonly score: number } & Readonly<Record<string, number>>;

/** How a row's answer is scored. */
export type Scorer = (answer: string, tools: Tools) => Scores | Promise<Scores>;

/** One way to score generated answers. */
export interface AnswerKind {
  /** The prompt, with {fields} of the row in it, unless the task says otherwise. */
  readonly prompt: string | ((task: Fields) => string);
  /** Keys of its own that a task may have. */
  readonly keys: readonly string[];
  /** Rows of a file as the data set is published, where it is no list of them. */
  readonly unroll?: Unroll;
  /** A row's conversation, where it has one, in the prompt's place. */
  readonly asked?: (row: Fields) => readonly ChatMessage[] | undefined;
  /** Scores beside `score`, of which a task may have one count. */
  readonly measures?: readonly string[];
  /** Texts that end a continuation of the prompt, unless the task says otherwise. */
  readonly stop?: (task: Fields) => readonly string[];
  /** A row's scorer, with what the task says. Errors: InputError naming row and key. */
  readonly scorer: (row: Fields, task: Fields, prompt: string) => Scorer | undefined;
  /** The answer that an example shows, for few-shot prompts. */
  readonly example: (row: Fields, task: Fields) => string;
  /** A task's scores from its rows', where that is not their mean. */
  readonly total?: (rows: readonly Scores[]) => Scores;
  /** Tries what the rows' scorers will need, before anything is computed. Errors: InputError. */
  readonly ready?: (rows: readonly Fields[], task: Fields, tools: Tools) => Promise<void>;
}

export const sumOf = (rows: readonly Scores[], key: string): number => rows.reduce((sum, row) => sum + row[key], 0);

/** The mean of each score over rows; only 0 for none. */
export const meanScores = (rows: readonly Scores[]): Scores =>
  Object.fromEntries(
    Object.keys(rows[0] ?? { score: 0 }).map((key) => [key, rows.length === 0 ? 0 : sumOf(rows, key) / rows.length]),
  ) as Scores;

export const won = (yes: boolean): number => (yes ? 1 : 0);
