import { InputError } from "../../core/errors.js";
import { amongst } from "../../core/suggest.js";
import { isObject, type JsonObject, show, suspectKey } from "../../models/files/json.js";
import { parseJson } from "../../models/files/written-json.js";

/**
 * One option: how it is read, from a command line's text, a YAML value or a program's, and what --help says of it. T is what it is
 * then, G what a program may give for it.
 */
export interface Option<T, G = NonNullable<T>> {
  /** A flag needs no value on the command line; it may take one if `value` says what. */
  readonly flag: boolean;
  /** What stands for the value in --help. */
  readonly value: string;
  readonly about: string;
  readonly fallback: T;
  /** May be given several times on a command line: `read` then gets the list of what was given. */
  readonly many?: boolean;
  /** The value. `where` names option and source for the message. Errors: InputError. */
  readonly read: (given: unknown, where: string) => NonNullable<T>;
  /** Never there: it carries G. */
  readonly given?: G;
}

/** Bounds of a number; without `from` and `above` it may be anything. */
interface Range {
  readonly from?: number;
  readonly above?: number;
  readonly to?: number;
  readonly below?: number;
  /** Above it, it is a slip of the hand. */
  readonly most?: number;
}

const refuse = (where: string, given: unknown, must: string): InputError =>
  new InputError(`${where} is ${show(given)}; it must be ${must}`);

/** A builder of options that differ in whether they have a fallback. */
type Build<A extends readonly unknown[], T, G = T> = {
  (...args: A): Option<T | undefined, G>;
  (...args: [...A, fallback: T]): Option<T, G>;
};

/** Text that is not empty: a path, a prompt. */
export const text = ((value: string, about: string, fallback?: string) => ({
  flag: false,
  value,
  about,
  fallback,
  read: (given: unknown, where: string) => {
    if (typeof given !== "string") throw refuse(where, given, "text");
    if (given.includes("\0")) throw refuse(where, given, "text without a NUL character");
    if (given.trim() === "") throw new InputError(`${where} is empty; give ${value}`);
    return given;
  },
})) as Build<[value: string, about: string], string>;

/** Texts as they are, blanks and all, but never empty: given once each, or as a YAML list. */
export const texts = (
  value: string,
  about: string,
): Option<readonly string[] | undefined, string | readonly string[]> => ({
  ...{ flag: false, value, about, fallback: undefined, many: true },
  read: (given, where) => {
    const list = Array.isArray(given) ? given : [given];
    const wrong = list.find((part) => typeof part !== "string");
    if (wrong !== undefined) throw refuse(where, wrong, "text");
    if (list.includes("")) throw new InputError(`${where} is empty; give ${value}`);
    return list as readonly string[];
  },
});

/** What a YAML file holds, or what a text says as JSON; undefined for a text that is none. Errors: InputError for a name that is there twice. */
const asObject = (given: unknown, where: string): unknown => {
  if (typeof given !== "string") return given;
  let object: unknown;
  try {
    object = parseJson(given);
  } catch {
    return undefined;
  }
  const twice = suspectKey(given);
  if (twice !== undefined)
    throw new InputError(
      `${where} is ${show(given)}; no name may be there twice, nor be __proto__, and ${show(twice)} is; leave it out`,
    );
  return object;
};

/** Named values: a YAML mapping, or a JSON object as text. */
export const named = (about: string, example: string): Option<JsonObject | undefined> => ({
  ...{ flag: false, value: "JSON", about, fallback: undefined },
  read: (given, where) => {
    const value = asObject(given, where);
    if (!isObject(value)) throw refuse(where, given, `a JSON object, such as ${example}`);
    return value;
  },
});

/** A number from 0 on, or a name. */
export const numberOrName = (value: string, about: string): Option<number | string | undefined> => ({
  ...{ flag: false, value, about, fallback: undefined },
  read: (given: unknown, where: string) => {
    const isNumber = typeof given === "number" || (typeof given === "string" && /^\s*\d+\s*$/.test(given));
    if (!isNumber) return text(value, about).read(given, where);
    if (!Number.isSafeInteger(Number(given)) || Number(given) < 0)
      throw refuse(where, given, "a whole number from 0 on, or a name");
    return Number(given);
  },
});

/** Names: a YAML list, or text with commas. */
export const names = ((value: string, about: string, fallback?: readonly string[]) => ({
  flag: false,
  value,
  about,
  fallback,
  read: (given: unknown, where: string) => {
    const parts = typeof given === "string" || Array.isArray(given) ? listed(given) : [];
    if (parts.length === 0 || parts.some((part) => typeof part !== "string" || part === ""))
      throw refuse(where, given, "names, such as q_proj,v_proj");
    return parts as readonly string[];
  },
})) as Build<[value: string, about: string], readonly string[], string | readonly string[]>;

/** True or false. */
export const flag = (about: string, fallback: boolean): Option<boolean> => ({
  flag: true,
  value: "",
  about,
  fallback,
  read: (given, where) => {
    if (typeof given === "boolean") return given;
    const said = typeof given === "string" ? given.toLowerCase() : "";
    if (said !== "true" && said !== "false") throw refuse(where, given, "true or false");
    return said === "true";
  },
});

/** True or false, or neither. */
export const flagOrUnset = (about: string): Option<boolean | undefined> => {
  const { read, ...option } = flag(about, false);
  return { ...option, fallback: undefined, read };
};

const UNITS: Readonly<Record<string, number>> = {
  ...{ "": 1, b: 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 },
  ...{ kib: 2 ** 10, mib: 2 ** 20, gib: 2 ** 30, tib: 2 ** 40 },
  ...{ kb: 1e3, mb: 1e6, gb: 1e9, tb: 1e12 },
};

/** Bytes, written with a unit or without: 24GiB, 80 GB, 8589934592. */
export const bytes = (about: string): Option<number | undefined, number | string> => ({
  flag: false,
  value: "BYTES",
  about,
  fallback: undefined,
  read: (given, where) => {
    const [, number = "", unit = ""] = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(String(given)) ?? [];
    const size = Number(number) * (UNITS[unit.toLowerCase()] ?? Number.NaN);
    if (number === "" || !(size >= 1)) throw refuse(where, given, "bytes, such as 24GiB, 80GB or 8589934592");
    return Math.floor(size);
  },
});

/** True, false, or what the program finds best. */
export type Automatic = boolean | "auto";

export const automatic = (about: string): Option<Automatic> => ({
  flag: true,
  value: "auto|true|false",
  about,
  fallback: "auto",
  read: (given, where) => {
    const said = typeof given === "string" ? given.toLowerCase() : given;
    if (said === "auto") return said;
    if (said === true || said === "true") return true;
    if (said === false || said === "false") return false;
    throw refuse(where, given, "auto, true or false");
  },
});

/** True, false, or a text that says more. */
export const flagOr = (value: string, about: string): Option<boolean | string | undefined> => ({
  flag: true,
  value,
  about,
  fallback: undefined,
  read: (given, where) => {
    if (typeof given === "boolean") return given;
    const said = typeof given === "string" ? given.toLowerCase() : "";
    return said === "true" || said === "false" ? said === "true" : text(value, about).read(given, where);
  },
});

/** One of a few names. */
export const choice = <const T extends string, F extends T | undefined>(
  names: readonly T[],
  about: string,
  fallback: F,
): Option<T | F> => ({
  flag: false,
  // A long list would push the second column of --help off the screen.
  value: names.join("|").length > 28 ? "NAME" : names.join("|"),
  about: names.join("|").length > 28 ? `${about}: ${names.join(", ")}` : about,
  fallback,
  read: (given, where) => {
    const found = names.find((name) => name === given);
    if (found === undefined) throw new InputError(`${where} is ${show(given)}; ${amongst(given, names)}`);
    return found as NonNullable<T | F>;
  },
});

/** What a YAML list, or text with commas, holds. */
const listed = (given: unknown): readonly unknown[] =>
  typeof given === "string" ? given.split(",").map((part) => part.trim()) : Array.isArray(given) ? given : [given];

/** One or several of a few names: a YAML list, or text with commas. */
export const choices = <const T extends string>(
  names: readonly T[],
  about: string,
  fallback: readonly T[],
): Option<readonly T[], T | readonly T[]> => ({
  flag: false,
  value: "NAMES",
  about: `${about}: ${names.join(", ")}`,
  fallback,
  read: (given, where) =>
    listed(given).map((one) => {
      const found = names.find((name) => name === one);
      if (found === undefined)
        throw new InputError(`${where} is ${show(one)}; ${amongst(one, names, "one or several")}`);
      return found;
    }),
});

/** Numbers: a YAML list, or text with commas. */
export const numbers = (
  value: string,
  about: string,
): Option<readonly number[] | undefined, number | readonly number[]> => {
  const each = number({}, about);
  return {
    flag: false,
    value,
    about,
    fallback: undefined,
    read: (given, where) => listed(given).map((one) => each.read(one, where)),
  };
};

/** A choice that may also be spelled true and false, as the released code's option was. */
export const onOff = <T, G>(
  { given: _, ...option }: Option<T, G>,
  { on, off }: { readonly on: string; readonly off: string },
): Option<T, G | boolean> => ({
  ...option,
  read: (given, where) => {
    const said = typeof given === "string" ? given.toLowerCase() : given;
    return option.read(said === true || said === "true" ? on : said === false || said === "false" ? off : given, where);
  },
});

const wordsFor = ({ from, above, to, below }: Range, kind: string): string => {
  const low = from ?? above;
  const high = to ?? below;
  if (low !== undefined && high !== undefined)
    return `${kind} in ${above === undefined ? "[" : "("}${low}, ${high}${below === undefined ? "]" : ")"}`;
  return low === undefined ? kind : `${kind} ${above === undefined ? "≥" : ">"} ${low}`;
};

/** A number as YAML 1.1 and command lines spell it. */
export const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

const numeric = (integer: boolean, range: Range, about: string, fallback?: number) => ({
  flag: false,
  value: integer ? "N" : "X",
  about,
  fallback,
  read: (given: unknown, where: string) => {
    // YAML 1.1 writers spell 1e-5 as text, so text that is a number counts as one.
    const x = typeof given === "string" && NUMBER.test(given.trim()) ? Number(given) : given;
    const { from = Number.NEGATIVE_INFINITY, above = Number.NEGATIVE_INFINITY } = range;
    const { to = Number.POSITIVE_INFINITY, below = Number.POSITIVE_INFINITY, most = Number.POSITIVE_INFINITY } = range;
    const fits =
      typeof x === "number" &&
      (integer ? Number.isSafeInteger(x) : Number.isFinite(x)) &&
      x >= from &&
      x > above &&
      x <= to &&
      x < below;
    if (!fits) throw refuse(where, given, wordsFor(range, integer ? "an integer" : "a number"));
    if (x > most) throw refuse(where, given, `at most ${most}`);
    return x;
  },
});

export const integer = ((range: Range, about: string, fallback?: number) =>
  numeric(true, range, about, fallback)) as Build<[range: Range, about: string], number>;

/** A number of steps, or below 1 a share of all steps. */
export const stepsOrShare = ((
  range: { readonly from: 0 } | { readonly above: 0 },
  about: string,
  fallback?: number,
) => ({
  ...numeric(false, range, about, fallback),
  value: "N|SHARE",
  read: (given: unknown, where: string) => {
    const x = numeric(false, range, about).read(given, where);
    if (x >= 1 && !Number.isSafeInteger(x)) throw refuse(where, given, "an integer, or below 1 a share of all steps");
    return x;
  },
})) as Build<[range: { readonly from: 0 } | { readonly above: 0 }, about: string], number>;

/** Numbers and names under names: a YAML map, or JSON. */
export const settings = (about: string): Option<Readonly<Record<string, number | string>> | undefined> => ({
  ...{ flag: false, value: "JSON", about, fallback: undefined },
  read: (given, where) => {
    const object = asObject(given, where);
    const isPlain = (value: unknown) => typeof value === "string" || Number.isFinite(value);
    if (!isObject(object) || !Object.values(object).every(isPlain))
      throw refuse(where, given, "names with a number or a name each, such as {min_lr_rate: 0.1}");
    // YAML 1.1 writers spell 1e-5 as text.
    const entries = Object.entries(object).map(([name, value]) => [
      name,
      typeof value === "string" && NUMBER.test(value.trim()) ? Number(value) : value,
    ]);
    return Object.fromEntries(entries) as Readonly<Record<string, number | string>>;
  },
});

export const number = ((range: Range, about: string, fallback?: number) =>
  numeric(false, range, about, fallback)) as Build<[range: Range, about: string], number>;
