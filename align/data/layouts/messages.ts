import { InputError } from "../../../core/errors.js";
import { isObject, type JsonObject, show } from "../../../models/files/json.js";
import { asWritten, parseJson } from "../../../models/files/written-json.js";
import type { ChatMessage, ContentPart } from "../../../models/text/chat-message.js";

/** What ShareGPT and its kin call the roles that chat templates know. Other names stay; a template has to know them. */
const ROLES: Readonly<Record<string, string>> = {
  human: "user",
  gpt: "assistant",
  chatgpt: "assistant",
  bing: "assistant",
  bard: "assistant",
  observation: "tool",
  tool_response: "tool",
  function_response: "tool",
};

/** Roles whose text is the JSON of calls, {name, arguments} or a list of them: an assistant's turn. */
const CALLS: readonly string[] = ["function_call", "tool_call"];

/** Fields by which data sets switch a turn's loss, and what says on and off. */
const SWITCHES: Readonly<Record<string, { readonly on: readonly unknown[]; readonly off: readonly unknown[] }>> = {
  weight: { on: [1], off: [0] },
  train: { on: [true, 1], off: [false, 0] },
  loss: { on: [true, 1], off: [false, 0] },
};

/** What stands before the JSON of a call. */
const THOUGHT = /^\s*(<think>[\s\S]*?<\/think>)?\s*/;

/** A list of messages, {role, content} or ShareGPT's {from, value}. Errors: InputError that begins with `at`. */
export const messagesOf = (given: unknown, key: string, at: string): readonly ChatMessage[] => {
  const value = typeof given === "string" ? fromJson(given) : given;
  if (!Array.isArray(value))
    throw new InputError(`${at}: "${key}" must be text or a list of messages, is ${show(given)}`);
  if (value.length === 0) throw new InputError(`${at}: "${key}" holds no messages`);
  return value.map((message: unknown, i) => messageOf(message, `${at}: "${key}" message ${i + 1}`));
};

/** Whether a list of messages is spelled as ShareGPT spells it. */
export const isShareGpt = (value: unknown): boolean =>
  Array.isArray(value) && value.some((message) => isObject(message) && "from" in message);

/** JSON in a column of text; undefined if it is none. */
export const fromJson = (text: string): unknown => {
  try {
    return parseJson(text);
  } catch {
    return undefined;
  }
};

const messageOf = (given: unknown, where: string): ChatMessage => {
  const own = isObject(given) ? present(given) : ({} as JsonObject);
  const [who, what] = ["role" in own ? "role" : "from", "content" in own ? "content" : "value"];
  const { [who]: role, [what]: content, ...fields } = own;
  if (typeof role === "string" && CALLS.includes(role))
    return asWritten({ ...calling(content, where), ...switched(fields, "assistant", where) }, own);
  const known = typeof role === "string" && Object.hasOwn(ROLES, role) ? ROLES[role] : role;
  const rest = switched(fields, known, where);
  const said = content === undefined ? undefined : contentOf(content, where);
  const saysNothing = said === undefined && (known !== "assistant" || Object.keys(rest).length === 0);
  if (typeof known !== "string" || known === "" || saysNothing || said === null)
    throw new InputError(`${where} must be {role, content} with text in both, is ${show(given)}`);
  return asWritten({ role: known, ...(said === undefined ? nothingSaid(given) : { content: said }), ...rest }, own);
};

/** Fields that are null count as absent, as TRL's `remove_none_values` has it. */
const present = (object: JsonObject): JsonObject =>
  asWritten(Object.fromEntries(Object.entries(object).filter(([, field]) => field !== null)), object);

/** `content: null` stays null for the template; what is absent stays absent. */
const nothingSaid = (given: unknown): { content?: null } =>
  isObject(given) && (given.content === null || given.value === null) ? { content: null } : {};

/** Text, or a list of parts; null for anything else. Errors: InputError for parts that are no text. */
const contentOf = (content: unknown, where: string): string | readonly ContentPart[] | null => {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return null;
  return content.map((part: unknown) => {
    const { type = "text", text, ...rest } = isObject(part) ? present(part) : ({} as JsonObject);
    if (type !== "text")
      throw new InputError(`${where} holds a part of type ${show(type)}; only text can be learned here`);
    if (typeof text !== "string")
      throw new InputError(`${where} holds ${show(part)}; a part must be {type: "text", text}`);
    return isObject(part) ? asWritten({ type, text, ...rest }, part) : { type, text, ...rest };
  });
};

/** Fields without those that switch the loss on, which it is. Errors: InputError for an answer that says anything else. */
const switched = (fields: JsonObject, role: unknown, where: string): JsonObject =>
  Object.fromEntries(
    Object.entries(fields).filter(([name, value]) => {
      if (!Object.hasOwn(SWITCHES, name)) return true;
      const { on, off } = SWITCHES[name];
      if (on.includes(value)) return false;
      if (role !== "assistant") return true;
      const why = off.includes(value)
        ? "so it is not to be learned, but every answer of a conversation is; end the row before it, or leave"
        : "but every answer of a conversation is learned alike; leave";
      throw new InputError(`${where} has ${name} ${show(value)}, ${why} ${name} out`);
    }),
  );

/** An assistant's turn out of ShareGPT's function_call. */
const calling = (content: unknown, where: string): ChatMessage => {
  const [before, thought = ""] = typeof content === "string" ? (THOUGHT.exec(content) ?? [""]) : [""];
  const parsed = typeof content === "string" ? fromJson(content.slice(before.length)) : content;
  const calls = Array.isArray(parsed) ? parsed : [parsed];
  return {
    role: "assistant",
    content: thought,
    tool_calls: calls.map((call: unknown) => {
      if (!isObject(call) || typeof call.name !== "string" || call.arguments === undefined)
        throw new InputError(`${where} must be a call in JSON, {"name": …, "arguments": {…}}, is ${show(content)}`);
      const { name, arguments: given } = call;
      const read = typeof given === "string" ? fromJson(given) : given;
      return { type: "function", function: { name, arguments: isObject(read) ? read : given } };
    }),
  };
};
