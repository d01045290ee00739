import { InputError } from "../../../core/errors.js";
import { isObject, sameJson, show } from "../../../models/files/json.js";
import type { ChatMessage } from "../../../models/text/chat-message.js";
import type { Column, Columns } from "./columns.js";
import { messagesOf } from "./messages.js";

/** A prompt or a completion: plain text, or turns of a conversation. */
export type Turns = string | readonly ChatMessage[];

/** A column that must be text; "" where the row has none and need not. */
const text = (row: Columns, column: Column, at: string): string => {
  const { name, value } = row.take(column);
  if (typeof value !== "string") throw new InputError(`${at}: "${name}" must be text, is ${show(value)}`);
  return value;
};

const textOr = (row: Columns, column: Column, at: string): string =>
  row.find(column) === undefined ? "" : text(row, column, at);

/** A column that is text, one message, or a list of messages. */
export const turns = (row: Columns, column: Column, at: string): Turns => {
  const { name, value } = row.take(column);
  if (typeof value === "string") return value;
  return messagesOf(isObject(value) ? [value] : value, name, at);
};

/** Text as the one turn of somebody. */
const turn = (role: string, content: string): readonly ChatMessage[] => [{ role, content }];

/** Turns of a conversation; text becomes one of `role`. */
export const asTurns = (said: Turns, role: "user" | "assistant"): readonly ChatMessage[] =>
  typeof said === "string" ? turn(role, said) : said;

/** A conversation after the system prompt that stands in a column of its own. Errors: InputError for two that differ. */
export const withSystem = (row: Columns, said: readonly ChatMessage[], at: string): readonly ChatMessage[] => {
  const system = textOr(row, "system", at);
  if (system === "") return said;
  if (said[0].role !== "system") return [...turn("system", system), ...said];
  if (said[0].content === system) return said;
  throw new InputError(`${at}: has a system prompt in a column of its own and another as its first message; keep one`);
};

/** The messages of `messages` or ShareGPT's `conversations`, after the row's system prompt. */
export const conversation = (row: Columns, at: string): readonly ChatMessage[] => {
  const { name, value } = row.take("conversation");
  return withSystem(row, messagesOf(value, name, at), at);
};

/** Alpaca: instruction, and its input on the next line; `history` are earlier [question, answer] pairs. */
export const question = (row: Columns, at: string): readonly ChatMessage[] => {
  const instruction = text(row, "question", at);
  const input = textOr(row, "context", at);
  const history = row.find("history") === undefined ? [] : row.take("history").value;
  if (!Array.isArray(history))
    throw new InputError(`${at}: "history" must be a list of [question, answer], is ${show(history)}`);
  const earlier = history.flatMap((pair: unknown): ChatMessage[] => {
    const [asked, reply] = Array.isArray(pair) ? (pair as unknown[]) : [];
    if (typeof asked !== "string" || typeof reply !== "string")
      throw new InputError(`${at}: "history" must be a list of [question, answer], holds ${show(pair)}`);
    return [...turn("user", asked), ...turn("assistant", reply)];
  });
  return withSystem(
    row,
    [...earlier, ...turn("user", [instruction, input].filter((part) => part !== "").join("\n"))],
    at,
  );
};

/** The answer to a question, one turn. */
export const reply = (row: Columns, at: string): readonly ChatMessage[] => turn("assistant", text(row, "answer", at));

/** A column of plain text. */
export const document = (row: Columns, at: string): string => text(row, "text", at);

/** Whether turns begin with a prompt of their own, and not with an answer. */
export const isWhole = (said: Turns): said is readonly ChatMessage[] =>
  typeof said !== "string" && (said[0].role === "user" || said[0].role === "system");

/** Whether a conversation begins with the messages of another, and goes on. */
export const beginsWith = (said: readonly ChatMessage[], prompt: readonly ChatMessage[]): boolean =>
  said.length > prompt.length && prompt.every((message, i) => sameJson(message, said[i]));

/**
 * What two answers begin with, whole messages or characters (a space before the difference goes to the answers, since
 * tokenizers put it there), and what is left of each. If one is the beginning of the other, its last part stays an answer.
 * Source: `extract_prompt` of huggingface/trl 1.x.
 */
export const sharedPrompt = (chosen: Turns, rejected: Turns, at: string): readonly [Turns, Turns, Turns] => {
  if (typeof chosen === "string" && typeof rejected === "string") {
    const [a, b] = [[...chosen], [...rejected]];
    let shared = commonPrefix(a, b);
    if (shared > 0 && shared < Math.min(a.length, b.length) && a[shared - 1] === " ") shared--;
    else if (shared === Math.min(a.length, b.length)) shared = Math.max(0, shared - 1);
    const cut = a.slice(0, shared).join("").length;
    return [chosen.slice(0, cut), chosen.slice(cut), rejected.slice(cut)];
  }
  const [a, b] = [asTurns(chosen, "assistant"), asTurns(rejected, "assistant")];
  const same = commonPrefix(a, b);
  const shared = same === Math.min(a.length, b.length) ? same - 1 : same;
  if (shared < 1)
    throw new InputError(
      `${at}: "chosen" and "rejected" share no first message, so there is no prompt; add a "prompt"`,
    );
  return [a.slice(0, shared), a.slice(shared), b.slice(shared)];
};

const commonPrefix = (a: readonly unknown[], b: readonly unknown[]): number => {
  let n = 0;
  while (n < Math.min(a.length, b.length) && sameJson(a[n], b[n])) n++;
  return n;
};
