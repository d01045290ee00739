import { InputError } from "../../core/errors.js";
import type { JsonObject } from "../../models/files/json.js";
import { isObject, show } from "../../models/files/json.js";
import type { ChatMessage } from "../../models/text/chat-message.js";

/** A prompt or a completion: plain text, or turns of a conversation. */
export type Turns = string | readonly ChatMessage[];

/** A field that must be text. */
export const text = (row: JsonObject, key: string, at: string): string => {
  const value = row[key];
  if (typeof value !== "string") throw new InputError(`${at}: "${key}" must be text, is ${show(value)}`);
  return value;
};

/** A field that is text, one message, or a list of messages. */
export const turns = (row: JsonObject, key: string, at: string): Turns => {
  const value = row[key];
  if (value === undefined) throw new InputError(`${at}: "${key}" is missing`);
  if (typeof value === "string") return value;
  return messages(isObject(value) ? [value] : value, key, at);
};

/** The messages of a row, `messages` or ShareGPT's `conversations`, after its `system` text if it has one. */
export const conversation = (row: JsonObject, at: string): readonly ChatMessage[] => {
  const key = "messages" in row ? "messages" : "conversations";
  const said = messages(row[key], key, at);
  return "system" in row ? [...system(row, at), ...said] : said;
};

const roles: Readonly<Record<string, string>> = { human: "user", gpt: "assistant" };

const messages = (value: unknown, key: string, at: string): readonly ChatMessage[] => {
  if (!Array.isArray(value))
    throw new InputError(`${at}: "${key}" must be text or a list of messages, is ${show(value)}`);
  if (value.length === 0) throw new InputError(`${at}: "${key}" holds no messages`);
  return value.map((message, i) => {
    const [role, content] = isObject(message) ? [message.role ?? message.from, message.content ?? message.value] : [];
    if (typeof role !== "string" || typeof content !== "string") {
      throw new InputError(
        `${at}: "${key}" message ${i + 1} must be {role, content} with text in both, is ${show(message)}`,
      );
    }
    return { role: Object.hasOwn(roles, role) ? roles[role] : role, content };
  });
};

/** Text as the one turn of an assistant. */
export const answer = (content: string): readonly ChatMessage[] => [{ role: "assistant", content }];

const system = (row: JsonObject, at: string): readonly ChatMessage[] => {
  const content = "system" in row ? text(row, "system", at) : "";
  return content === "" ? [] : [{ role: "system", content }];
};

/** Alpaca: instruction, and its input on the next line; `history` are earlier [question, answer] pairs. */
export const alpacaPrompt = (row: JsonObject, at: string): readonly ChatMessage[] => {
  const input = "input" in row ? text(row, "input", at) : "";
  const instruction = text(row, "instruction", at);
  const { history = [] } = row;
  if (!Array.isArray(history))
    throw new InputError(`${at}: "history" must be a list of [question, answer], is ${show(history)}`);
  const earlier = history.flatMap((turn): ChatMessage[] => {
    const [question, reply] = Array.isArray(turn) ? turn : [];
    if (typeof question !== "string" || typeof reply !== "string") {
      throw new InputError(`${at}: "history" must be a list of [question, answer], holds ${show(turn)}`);
    }
    return [{ role: "user", content: question }, ...answer(reply)];
  });
  return [
    ...system(row, at),
    ...earlier,
    { role: "user", content: input === "" ? instruction : `${instruction}\n${input}` },
  ];
};
