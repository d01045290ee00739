import { InputError } from "../../../core/errors.js";
import { fields } from "../rows/fields.js";
import { benchmarkRows } from "../rows/rows.js";
import type { ChatReply, ChatRequest } from "./chat.js";
import type { Match } from "./judge.js";

/** FastChat's prompt "pair-v2", by which a model compares two answers. */
export interface PairPrompt {
  readonly system: string;
  readonly template: string;
}

/** Errors: InputError for a file without it. */
export const pairPrompt = (path: string): PairPrompt => {
  const row = benchmarkRows(path)
    .map(({ at, row }) => fields(row, at))
    .find((row) => row.raw("name") === "pair-v2");
  if (row === undefined)
    throw new InputError(`${path}: has no prompt "pair-v2", as FastChat's judge_prompts.jsonl has`);
  return { system: row.text("system_prompt"), template: row.text("prompt_template") };
};

export const pairRequest = ({ system, template }: PairPrompt, match: Match): ChatRequest => ({
  system,
  user: template.replace(/\{(question|answer_a|answer_b)\}/g, (_, key: string) =>
    key === "question" ? match.prompt : match[key as "answer_a" | "answer_b"],
  ),
});

/** Points of the first answer, from [[A]], [[B]] or [[C]]; half for a verdict that is none of them. */
export const pairPoints = ({ text }: ChatReply): number => {
  if (text.includes("[[A]]")) return 1;
  return text.includes("[[B]]") ? 0 : 0.5;
};
