import assert from "node:assert/strict";
import type { AnswerKind, Scores } from "../../../lab/evaluate/kinds/kind.js";
import { type AnswerKindName, answerKinds } from "../../../lab/evaluate/kinds/kinds.js";
import { fields } from "../../../lab/evaluate/rows/fields.js";
import { toolsOf } from "../../../lab/evaluate/tools.js";

/** What a kind gives an answer to a row. */
export const scored = async (
  kind: AnswerKindName,
  row: object,
  answer: string,
  task: object = {},
  prompt = "",
): Promise<Scores> => {
  const { scorer: of }: AnswerKind = answerKinds[kind];
  const scorer = of(fields({ ...row }, "row 1"), fields({ ...task }, "task 1"), prompt);
  assert.ok(scorer);
  return scorer(answer, toolsOf());
};
