import { payCopied } from "./budget.js";
import { type Args, numberOf, str, truth, type Value } from "./values.js";

/** What a function was given for each of its parameters; undefined where it was not. */
export type Given = readonly (Value | undefined)[];

/**
 * Arguments by parameter. A parameter written "/x" takes no name, as in Python.
 * Errors: Error naming the function, for too many or unknown ones.
 */
export const bind = (name: string, parameters: readonly string[], { list, named }: Args): Given => {
  if (list.length > parameters.length)
    throw new Error(`${name}() takes at most ${parameters.length} arguments, ${list.length} were given`);
  const given: (Value | undefined)[] = parameters.map((_, i) => list[i]);
  for (const [key, value] of named) {
    const at = parameters.indexOf(key);
    if (at < 0) throw new Error(`${name}() takes no argument "${key}"`);
    if (at < list.length) throw new Error(`${name}() got two values for "${key}"`);
    given[at] = value;
  }
  return given;
};

/** Errors: Error for a value that is no text. */
export const textOf = (value: Value | undefined, what: string): string => {
  if (typeof value !== "string") throw new Error(`${what} must be a str`);
  return value;
};

/** A text, or undefined for what was not given, or is None. */
export const optionalText = (value: Value | undefined, what: string): string | undefined =>
  value === undefined || value === null ? undefined : textOf(value, what);

/** Errors: Error for a value that is no whole number. */
export const intOf = (value: Value | undefined, what: string, otherwise?: number): number => {
  if (value === undefined && otherwise !== undefined) return otherwise;
  const number = value === undefined ? undefined : numberOf(value);
  if (number === undefined || !Number.isInteger(number)) throw new Error(`${what} must be an int`);
  return number;
};

export const flagOf = (value: Value | undefined, otherwise = false): boolean =>
  value === undefined ? otherwise : truth(value);

/** Longest text that an operation may make. */
const LONGEST = 1 << 21;

/** Errors: Error for a text that is too long to be a conversation's. */
export const bounded = (text: string): string => {
  checkLength(text.length);
  payCopied(text.length);
  return text;
};

/** Errors: that of `bounded`, before so many characters are made. */
export const checkLength = (length: number): void => {
  if (length > LONGEST) throw new Error(`it makes more than ${LONGEST} characters of it`);
};

export const joinAll = (values: readonly Value[], between = ""): string => {
  let length = 0;
  const texts = values.map((value, i) => {
    const text = str(value);
    length += text.length + (i > 0 ? between.length : 0);
    checkLength(length);
    return text;
  });
  return bounded(texts.join(between));
};

/** What filters ask the interpreter for. */
export interface Tools {
  /** a[b] as Jinja reads it: an item, else an attribute, else undefined. */
  readonly item: (value: Value, name: Value) => Value;
  readonly filter: (name: string, value: Value, args: Args) => Value;
  readonly test: (name: string, value: Value, args: readonly Value[]) => boolean;
}

/** Parameters, and what becomes of the value. */
export type Filter = readonly [parameters: readonly string[], run: (value: Value, given: Given, tools: Tools) => Value];
