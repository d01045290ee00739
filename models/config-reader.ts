import { InputError } from "../core/errors.js";
import { type JsonObject, show } from "./files/json.js";

/** Checked access to the fields of one object; null counts as absent, as in transformers. */
export interface Reader {
  readonly object: JsonObject;
  /** What to throw for a field: path, key, value, and why. */
  readonly refuse: (key: string, why: string) => InputError;
  readonly count: (key: string, fallback?: number) => number;
  readonly natural: (key: string, fallback?: number) => number;
  readonly positive: (key: string, fallback?: number) => number;
  readonly flag: (key: string, fallback: boolean) => boolean;
  readonly oneOf: <const T extends string>(key: string, options: readonly T[], fallback?: T) => T;
  /** A list of so many positive numbers. */
  readonly numbers: (key: string, length: number) => readonly number[];
}

/**
 * `path` names the object in messages, and what is not in `given` is told as a default. Errors (of what it reads): InputError naming path, key, value and what is
 * supported.
 */
export const reader = (object: JsonObject, path: string, given = object): Reader => {
  const refuse = (key: string, why: string): InputError => {
    const assumed = object[key] !== undefined && given[key] === undefined ? " by default" : "";
    return new InputError(`${path}: ${key} is ${show(object[key])}${assumed}: ${why}`);
  };
  const number = (key: string, fallback: number | undefined, fits: (x: number) => boolean, kind: string): number => {
    const value = object[key] ?? fallback;
    if (value === undefined) throw new InputError(`${path}: ${key} is missing (${kind})`);
    if (typeof value !== "number" || !fits(value)) throw refuse(key, `must be ${kind}`);
    return value;
  };
  const integer = (least: number) => (x: number) => Number.isInteger(x) && x >= least && x <= 2 ** 31;
  const isPositive = (x: unknown): x is number => typeof x === "number" && x > 0 && Number.isFinite(x);
  return {
    object,
    refuse,
    count: (key, fallback) => number(key, fallback, integer(1), "a positive integer"),
    natural: (key, fallback) => number(key, fallback, integer(0), "an integer ≥ 0"),
    positive: (key, fallback) => number(key, fallback, isPositive, "a positive number"),
    flag: (key, fallback) => {
      const value = object[key] ?? fallback;
      if (typeof value !== "boolean") throw refuse(key, "must be true or false");
      return value;
    },
    oneOf: (key, options, fallback) => {
      const value = object[key] ?? fallback;
      const found = options.find((option) => option === value);
      if (found === undefined) throw refuse(key, `supported are ${options.map((option) => `"${option}"`).join(", ")}`);
      return found;
    },
    numbers: (key, length) => {
      const value = object[key];
      if (!Array.isArray(value) || value.length !== length || !value.every(isPositive))
        throw refuse(key, `must be a list of ${length} positive numbers`);
      return value;
    },
  };
};

/** One id, a list of ids, or none. Old Llama configs write -1 for "none". */
export const tokenIds = (value: unknown, key: string, vocabSize: number, read: Reader): readonly number[] => {
  if (value == null || value === -1) return [];
  const list = Array.isArray(value) ? value : [value];
  const wrong = list.find((id) => !Number.isInteger(id) || id < 0);
  if (wrong !== undefined) throw read.refuse(key, "must be a token id or a list of them");
  const outside = list.find((id) => id >= vocabSize);
  if (outside !== undefined) throw read.refuse(key, `token id ${outside} is outside of the vocabulary of ${vocabSize}`);
  return list as readonly number[];
};
