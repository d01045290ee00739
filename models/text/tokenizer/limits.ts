import { isObject, type JsonObject } from "../../files/json.js";
import { isPublished } from "./published.js";

/** Longest text, in UTF-16 units, given or made of one: four times the longest row of a data file. */
export const LONGEST_TEXT = 2 ** 23;
/** What steps may make of a text or of ids: so many of each, and so many beside. */
const [GROWTH, BESIDE] = [32, 4096];
/** Longest text that a step puts in, longest added token, and characters of all of those. */
export const [LONGEST_PIECE, LONGEST_PIECES] = [1024, 2 ** 20];
/** Longest expression that a text is searched for, and all of them: making one ready takes time that nothing stops. */
export const [LONGEST_PATTERN, LONGEST_PATTERNS] = [4096, 8192];
/** Steps of all parts together. */
const MOST_STEPS = 256;
/** Texts up to here are quick, whatever the model. */
const SHORT = 2 ** 16;
/** Longest that a text may take, in ms, and beside it for each of its characters. */
const [TIME, TIME_EACH] = [5000, 0.01];

/** Errors: whatever `refuse` makes, if steps have made far more of a text (or ids) than there was. */
export const checkGrown = (length: number, from: number, refuse: (why: string) => Error): void => {
  const most = Math.min(LONGEST_TEXT, BESIDE + GROWTH * from);
  if (length > most) throw refuse(`makes more than ${most} of ${from} characters or tokens`);
};

/** A text that a step puts in. Errors: whatever `refuse` makes, if it is none, or far too long. */
export const pieceOf = (value: unknown, name: string, refuse: (why: string) => Error): string => {
  if (typeof value !== "string") throw refuse(`${name} must be a text`);
  if (value.length > LONGEST_PIECE)
    throw refuse(`${name} has ${value.length} characters, at most ${LONGEST_PIECE} are taken`);
  return value;
};

const PARTS = ["normalizer", "pre_tokenizer", "post_processor", "decoder"] as const;

/** All objects within a value. */
const objectsIn = (value: unknown): readonly JsonObject[] => {
  if (Array.isArray(value)) return value.flatMap(objectsIn);
  return isObject(value) ? [value, ...Object.values(value).flatMap(objectsIn)] : [];
};

/** Whether a model merges pairs of bytes, which takes a time in proportion to the text: said, or told by its fields. */
const isPairs = (model: unknown): boolean =>
  isObject(model) &&
  (model.type === undefined ? "merges" in model && !Array.isArray(model.vocab) : model.type === "BPE");

/**
 * How long a text may take with a tokenizer, in ms, by the text's length; undefined where its parts are known to be quick.
 * Errors: whatever `refuse` makes, for more steps or longer expressions than any tokenizer has.
 */
export const timeOf = (
  definition: JsonObject,
  refuse: (why: string) => Error,
): ((length: number) => number | undefined) => {
  const objects = PARTS.flatMap((part) => objectsIn(definition[part]));
  const steps = objects.filter(({ type }) => typeof type === "string").length;
  if (steps > MOST_STEPS) throw refuse(`has ${steps} steps, at most ${MOST_STEPS} are taken`);
  const patterns = objects.flatMap(({ Regex: regex }) => (typeof regex === "string" ? [regex] : []));
  const all = patterns.reduce((sum, { length }) => sum + length, 0);
  if (all > LONGEST_PATTERNS)
    throw refuse(`has regular expressions of ${all} characters, at most ${LONGEST_PATTERNS} are taken`);
  const isQuick = isPairs(definition.model) && patterns.every(isPublished);
  return (length) => (isQuick && length <= SHORT ? undefined : TIME + TIME_EACH * length);
};
