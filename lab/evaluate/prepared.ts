import type { Keeping } from "./answers.js";
import type { AnswerKind, Scores } from "./kinds/kind.js";
import type { Subject } from "./model.js";

/** What a task has to be told before it can be scored, and what came of it. */
export interface Outcome {
  readonly scores: readonly Scores[];
  readonly skipped: number;
  readonly truncated: number;
  readonly total?: AnswerKind["total"];
}

/** A task whose rows are read, checked and tokenized. Errors are found before anything is computed. */
export type Prepared = (model: Subject, keeping: Keeping) => Promise<Outcome>;
