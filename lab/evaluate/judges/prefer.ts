import { InputError } from "../../../core/errors.js";
import { readText } from "../../../models/files/json.js";
import { tableRows } from "../rows/rows.js";
import type { ChatReply, ChatRequest } from "./chat.js";
import type { Gamed } from "./length.js";

/** AlpacaEval's template: a conversation in ChatML with {instruction}, {output_1} and {output_2}. */
export interface PreferTemplate {
  readonly system: string;
  readonly user: string;
}

/** Errors: InputError for a text without the three places. */
export const preferTemplate = (path: string): PreferTemplate => {
  const text = readText(path);
  const turn = (role: string): string =>
    new RegExp(`<\\|im_start\\|>${role}\n([\\s\\S]*?)\n?<\\|im_end\\|>`).exec(text)?.[1].trim() ?? "";
  const [system, user] = [turn("system"), turn("user")];
  const missing = ["instruction", "output_1", "output_2"].find((key) => !user.includes(`{${key}}`));
  if (missing !== undefined)
    throw new InputError(`${path}: its user's turn has no {${missing}}, as AlpacaEval's alpaca_eval_clf.txt has`);
  return { system, user };
};

export const preferRequest = (
  { system, user }: PreferTemplate,
  instruction: string,
  outputs: readonly [string, string],
): ChatRequest => ({
  system,
  user: user.replace(/\{(instruction|output_1|output_2)\}/g, (_, key: string) =>
    key === "instruction" ? instruction : outputs[key === "output_1" ? 0 : 1],
  ),
});

/**
 * The probability that the second output is better, from the judge's "m" (the first) and "M": by their log-probabilities, as
 * weighted_alpaca_eval_gpt4_turbo has it, else by what it says. Undefined: it names neither.
 */
export const secondIsBetter = ({ text, logprobs = {} }: ChatReply): number | undefined => {
  const [one, two] = ["m", "M"].map((token) => (Object.hasOwn(logprobs, token) ? Math.exp(logprobs[token]) : 0));
  if (one + two > 0) return two / (one + two);
  const said = text.trim();
  return said === "m" ? 0 : said === "M" ? 1 : undefined;
};

/** AlpacaEval's df_gamed.csv, and the difficulty of each instruction, by its number. */
export const gamedRows = (path: string): { gamed: readonly Gamed[]; difficulties: ReadonlyMap<number, number> } => {
  const rows = tableRows(path).map((row) => {
    const number = (key: string): number => {
      const value = Number(row.text(key));
      if (row.text(key).trim() === "" || !Number.isFinite(value))
        throw new InputError(`${row.where}: "${key}" is "${row.text(key)}"; it must be a number`);
      return value;
    };
    return {
      index: number("index"),
      ...{ preference: number("preference"), lengthDifference: number("std_delta_len") },
      difficulty: number("instruction_difficulty"),
    };
  });
  return {
    gamed: rows,
    difficulties: new Map(rows.map(({ index, difficulty }) => [index, difficulty]).reverse() as [number, number][]),
  };
};
