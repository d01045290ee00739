import { statSync } from "node:fs";
import { InputError } from "../../core/errors.js";
import { parseBounded } from "./parse-json.js";
import { readRegular } from "./regular.js";

/** A parsed JSON object whose fields are still to be checked. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** A JSON object: neither null nor an array. */
export const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Says in a few characters what a value is, for messages. */
export const show = (value: unknown): string => {
  if (value === undefined) return "nothing";
  if (typeof value === "number" || typeof value === "bigint") return String(value); // JSON has neither NaN nor bigint
  let text: string;
  try {
    text = JSON.stringify(value) ?? String(value);
  } catch {
    text = "a value nested too deeply to print"; // JSON.parse is iterative, JSON.stringify is not
  }
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
};

/** Largest text that is read whole, in bytes: a few times the largest tokenizer. */
export const LARGEST_TEXT = 128 * 2 ** 20;

/** The text that a file's bytes are. Errors: InputError if they are not UTF-8. */
export const textOf = (path: string, bytes: Uint8Array): string => {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new InputError(`${path}: is not UTF-8 text`);
  }
};

/** Text of a UTF-8 file. Errors: InputError if it is not there, no regular file, not UTF-8 or far too large. */
export const readText = (path: string): string => textOf(path, readRegular(path, LARGEST_TEXT));

/** Most lines and cells of a text that is read whole: those that are blank cost nothing to write, and some hundred bytes here. */
const MOST_PARTS = 2 ** 21;
const [LINE_FEED, RETURN, COMMA] = [10, 13, 44];

/** Errors: InputError naming `source`, if a text has more than 2²¹ lines, or `cells` between commas in them. */
export const checkParts = (text: string, source: string, cells = false): void => {
  let parts = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === LINE_FEED || code === RETURN || (cells && code === COMMA)) parts++;
  }
  if (parts > MOST_PARTS)
    throw new InputError(
      `${source}: has ${parts} lines${cells ? " and cells" : ""}, at most ${MOST_PARTS} are read; cut it into shorter files`,
    );
};

/** The JSON object that a text is. Errors: InputError with the parser's words. */
export const checkedJson = (path: string, text: string): JsonObject => {
  let value: unknown;
  try {
    value = parseBounded(text);
  } catch (error) {
    throw new InputError(`${path}: is not JSON (${error instanceof Error ? oneLine(error.message) : String(error)})`);
  }
  if (!isObject(value)) throw new InputError(`${path}: must hold a JSON object, holds ${show(value)}`);
  return value;
};

/** One JSON object from a file. Errors: InputError, as `readText`, and with the parser's words. */
export const readJsonObject = (path: string): JsonObject => checkedJson(path, readText(path));

/** A message on one line: V8 quotes the offending text, line breaks and all. */
export const oneLine = (message: string): string => message.replace(/\s+/g, " ");

/** Whether there is something at a path, other than a folder; if it is no regular file, whoever reads it says so. */
export const fileExists = (path: string): boolean => {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats !== undefined && !stats.isDirectory();
};

/** Whether a path is a folder. */
export const folderExists = (path: string): boolean =>
  statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;

/**
 * First key that an object in a *valid* JSON text holds twice, or `__proto__`, else undefined. JSON.parse keeps the
 * last of two equal keys in silence, and a file whose readers disagree on it is not to be trusted.
 */
export const suspectKey = (text: string): string | undefined => {
  const scopes: (Set<string> | null)[] = [];
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (char === "{") scopes.push(new Set());
    else if (char === "[") scopes.push(null);
    else if (char === "}" || char === "]") scopes.pop();
    if (char !== '"') continue;
    const start = at++;
    while (text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
    let next = at + 1;
    while (" \n\r\t".includes(text[next])) next++;
    if (text[next] !== ":") continue;
    const key = String(JSON.parse(text.slice(start, at + 1)));
    const seen = scopes[scopes.length - 1];
    if (key === "__proto__" || seen?.has(key)) return key;
    seen?.add(key);
  }
  return undefined;
};

/** Are two values of JSON the same, whatever the order of their keys? */
export const sameJson = (a: unknown, b: unknown): boolean => {
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((x, i) => sameJson(x, b[i]));
  if (!isObject(a) || !isObject(b)) return a === b;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && sameJson(a[key], b[key]))
  );
};
