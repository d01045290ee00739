import { InputError } from "../../../core/errors.js";
import { isObject, type JsonObject, show } from "../../../models/files/json.js";
import { asWritten } from "../../../models/files/written-json.js";
import type { Column, Columns } from "./columns.js";
import { fromJson } from "./messages.js";

/** What a chat template is told beside the messages, by name. */
export type Variables = Readonly<Record<string, unknown>>;

/** What a renderer decides itself, so that a row's `chat_template_kwargs` must not. */
const OWN = [
  "messages",
  "conversation",
  "add_generation_prompt",
  "continue_final_message",
  "chat_template",
  "tokenize",
];

/** A column's value, or what its JSON text says; undefined where it is empty. */
const columnValue = (row: Columns, column: Column): unknown => {
  if (row.find(column) === undefined) return undefined;
  const { value } = row.take(column);
  if (value === "") return undefined;
  return typeof value === "string" ? (fromJson(value) ?? value) : value;
};

/** A list of objects; undefined where it is empty. */
const listOf = (row: Columns, column: Column, at: string): readonly JsonObject[] | undefined => {
  const value = columnValue(row, column);
  const list = isObject(value) ? [value] : (value ?? []);
  if (!Array.isArray(list) || !list.every(isObject))
    throw new InputError(`${at}: "${column}" must be a list of objects, or its JSON, is ${show(value)}`);
  return list.length === 0 ? undefined : (list as readonly JsonObject[]);
};

/** ShareGPT's and Alpaca's tools are bare functions; chat templates read {type: "function", function}. */
const wrapped = (tool: JsonObject): JsonObject =>
  "name" in tool && !("function" in tool) ? { type: "function", function: tool } : tool;

/**
 * `tools`, `documents` and the entries of `chat_template_kwargs`, as values or as JSON; undefined if a row has none of them.
 * `flat`: the row is of a layout whose tools are bare functions. Errors: InputError that begins with `at`.
 */
export const templateVariables = (row: Columns, flat: boolean, at: string): Variables | undefined => {
  const kwargs = columnValue(row, "kwargs") ?? {};
  if (!isObject(kwargs)) throw new InputError(`${at}: "chat_template_kwargs" must be an object, is ${show(kwargs)}`);
  const taken = OWN.find((name) => name in kwargs);
  if (taken !== undefined)
    throw new InputError(`${at}: "chat_template_kwargs" must not hold "${taken}", which is not the row's to say`);
  const [tools, documents] = [listOf(row, "tools", at), listOf(row, "documents", at)];
  const own = { ...(tools && { tools: flat ? tools.map(wrapped) : tools }), ...(documents && { documents }) };
  const variables = asWritten({ ...own, ...kwargs }, kwargs);
  return Object.keys(variables).length === 0 ? undefined : variables;
};
