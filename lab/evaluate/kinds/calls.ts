import { isDeepStrictEqual } from "node:util";
import { InputError } from "../../../core/errors.js";
import { isObject, type JsonObject, show } from "../../../models/files/json.js";
import { parseBounded } from "../../../models/files/parse-json.js";
import type { ChatMessage } from "../../../models/text/chat-message.js";
import type { Fields } from "../rows/fields.js";
import { type AnswerKind, won } from "./kind.js";

/** A function and what it is called with. */
interface Call {
  readonly name: string;
  readonly arguments: JsonObject;
}

const parsed = (text: string): unknown => {
  try {
    return parseBounded(text);
  } catch {
    return undefined;
  }
};

/** OpenAI's { function: { name, arguments } } or { name, arguments }, the arguments an object or its JSON. */
const callOf = (given: unknown): Call | undefined => {
  if (!isObject(given)) return undefined;
  if (isObject(given.function)) return callOf(given.function);
  const { name } = given;
  const inside = given.arguments ?? given.parameters ?? {};
  const values = typeof inside === "string" ? parsed(inside) : inside;
  return typeof name === "string" && isObject(values) ? { name, arguments: values } : undefined;
};

/** Ways to write calls, each the calls that it finds in a text. */
const ways: readonly ((text: string) => readonly (Call | undefined)[])[] = [
  // Hermes' and Qwen's.
  (text) => [...text.matchAll(/<tool_call>([\s\S]*?)(?:<\/tool_call>|$)/g)].map(([, inside]) => callOf(parsed(inside))),
  // ReAct's.
  (text) =>
    [
      ...text.matchAll(/Action:[ \t]*([^\n]+)\n+Action Input:\s*([\s\S]*?)(?=\n(?:Observation|Thought|Action):|$)/g),
    ].map(([, name, inside]) => callOf({ name: name.trim(), arguments: inside.trim() })),
  // JSON alone, or in fences.
  (text) => {
    const value = parsed(/```(?:json)?\s*([\s\S]*?)```/.exec(text)?.[1] ?? text);
    return (Array.isArray(value) ? value : [value]).map(callOf);
  },
];

/** The calls of an answer, in order; one that cannot be read is undefined. */
export const callsIn = (answer: string): readonly (Call | undefined)[] =>
  ways.map((way) => way(answer)).find((calls) => calls.some((call) => call !== undefined)) ?? [];

/** A row's conversation up to the first answer that calls, and that answer; names of roles are OpenAI's or ShareGPT's. */
const conversation = (row: Fields): { asked: readonly ChatMessage[]; answer: string } | undefined => {
  const key = ["conversations", "messages"].find((name) => row.raw(name) !== undefined);
  if (key === undefined) return undefined;
  const turns = row.objects(key).map((turn) => {
    const role = turn.optionalText("from") ?? turn.text("role");
    return { role: ROLES[role] ?? role, content: turn.optionalText("value") ?? turn.text("content", "") };
  });
  const at = turns.findIndex(({ role, content }) => role === "assistant" && callsIn(content).length > 0);
  return at < 0 ? undefined : { asked: turns.slice(0, at), answer: turns[at].content };
};

const ROLES: Readonly<Record<string, string>> = { human: "user", gpt: "assistant" };

const goldCalls = (row: Fields): readonly Call[] => {
  const given = row.raw("calls") ?? row.raw("answer") ?? conversation(row)?.answer;
  const listed: readonly unknown[] = Array.isArray(given) ? given : [given];
  const calls = typeof given === "string" ? callsIn(given) : listed.map(callOf);
  if (calls.length === 0 || calls.some((call) => call === undefined))
    throw new InputError(
      `${row.where}: "${row.raw("calls") === undefined ? "answer" : "calls"}" is ${show(given)}; it must hold calls, {"name", "arguments"}`,
    );
  return calls as readonly Call[];
};

/** Function calls: names and arguments are those of the row, all and no other; beside it the names alone. */
export const functionCalls: AnswerKind = {
  prompt: "{prompt}",
  keys: [],
  asked: (row) => conversation(row)?.asked,
  measures: ["name"],
  scorer: (row) => {
    const right = goldCalls(row);
    return (answer) => {
      const calls = callsIn(answer);
      const names = (list: readonly (Call | undefined)[]) => list.map((call) => call?.name);
      return { score: won(isDeepStrictEqual(calls, right)), name: won(isDeepStrictEqual(names(calls), names(right))) };
    };
  },
  example: (row) =>
    goldCalls(row)
      .map((call) => `<tool_call>\n${JSON.stringify(call)}\n</tool_call>`)
      .join("\n"),
};
