import { InputError } from "../../../core/errors.js";
import { instead } from "../../../core/suggest.js";
import { isObject, type JsonObject, show } from "../../../models/files/json.js";

/** Reads checked fields of an object from a file; `where` names the file and the place in it. */
export interface Fields {
  readonly where: string;
  /** The value as it is, or undefined. A null counts as absent. */
  readonly raw: (key: string) => unknown;
  /** Text. Errors: InputError if it is missing (and has no fallback) or no text. */
  readonly text: (key: string, fallback?: string) => string;
  readonly optionalText: (key: string) => string | undefined;
  readonly flag: (key: string, fallback: boolean) => boolean;
  /** A whole number ≥ `from`, and ≤ `to` where that is given. */
  readonly count: (key: string, from: number, fallback?: number, to?: number) => number;
  readonly number: (key: string, fallback: number) => number;
  /** A list of texts; one text counts as a list of one. */
  readonly texts: (key: string, fallback?: readonly string[]) => readonly string[];
  readonly optionalTexts: (key: string) => readonly string[] | undefined;
  /** A list of objects, at least one, each with its checked fields. */
  readonly objects: (key: string) => readonly Fields[];
  /** Errors: InputError naming the first key that is not among `known`. */
  readonly only: (known: readonly string[]) => void;
}

export const fields = (object: JsonObject, where: string): Fields => {
  const raw = (key: string): unknown => (Object.hasOwn(object, key) ? (object[key] ?? undefined) : undefined);
  const refuse = (key: string, must: string): InputError =>
    raw(key) === undefined
      ? new InputError(`${where}: "${key}" is missing; it must be ${must}`)
      : new InputError(`${where}: "${key}" is ${show(raw(key))}; it must be ${must}`);
  const checked =
    <T>(must: string, fits: (value: unknown) => value is T) =>
    (key: string, fallback?: T): T => {
      const value = raw(key) ?? fallback;
      if (!fits(value)) throw refuse(key, must);
      return value;
    };
  const isText = (value: unknown): value is string => typeof value === "string";
  const text = checked("text", isText);
  const texts = (key: string, fallback?: readonly string[]): readonly string[] => {
    const value = raw(key) ?? fallback;
    const list = isText(value) ? [value] : value;
    if (!Array.isArray(list) || list.length === 0 || !list.every(isText)) throw refuse(key, "text or a list of texts");
    return list;
  };
  return {
    where,
    raw,
    text,
    optionalText: (key) => (raw(key) === undefined ? undefined : text(key)),
    flag: checked("true or false", (value): value is boolean => typeof value === "boolean"),
    count: (key, from, fallback, to) =>
      checked(
        to === undefined ? `a whole number ≥ ${from}` : `a whole number from ${from} to ${to}`,
        (value): value is number =>
          Number.isSafeInteger(value) && (value as number) >= from && (value as number) <= (to ?? Infinity),
      )(key, fallback),
    number: checked("a number", (value): value is number => typeof value === "number" && Number.isFinite(value)),
    texts,
    optionalTexts: (key) => (raw(key) === undefined ? undefined : texts(key)),
    objects: (key) => {
      const list = raw(key);
      if (!Array.isArray(list) || list.length === 0 || !list.every(isObject)) throw refuse(key, "a list of objects");
      return list.map((value, i) => fields(value, `${where}: "${key}" ${i + 1}`));
    },
    only: (known) => {
      const other = Object.keys(object).find((key) => !known.includes(key));
      if (other !== undefined) throw new InputError(`${where}: unknown key "${other}"; ${instead(other, known)}`);
    },
  };
};
