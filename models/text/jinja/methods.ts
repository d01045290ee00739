import { bind, bounded, checkLength, flagOf, type Given, intOf, joinAll, optionalText, textOf } from "./arguments.js";
import { pay, payCopied, payWalked } from "./budget.js";
import { format } from "./format.js";
import { order } from "./operators.js";
import { capitalize, lines, replace, SPACES, split, strip, title } from "./text.js";
import { callable, characters, equal, isA, isList, iterate, key, tuple, typeName, type Value, view } from "./values.js";

/** Parameters ("/x": without a name), and what becomes of a value. */
type Method<T> = readonly [parameters: readonly string[], run: (value: T, given: Given) => Value];

const pad = (text: string, width: Value | undefined, fill: Value | undefined, left: (missing: number) => number) => {
  const missing = Math.max(0, intOf(width, "width") - characters(text).length);
  const char = fill === undefined ? " " : textOf(fill, "the fill character");
  if (characters(char).length !== 1) throw new Error("the fill character must be exactly one character long");
  return bounded(
    char.repeat(Math.min(left(missing), 1e6)) + text + char.repeat(Math.min(missing - left(missing), 1e6)),
  );
};

/** Where a text is in another, in characters, between two places; −1 if it is not. */
const find = (text: string, [sub, start, end]: Given, last: boolean): number => {
  const chars = characters(text);
  const clip = (at: number): number => Math.min(Math.max(at < 0 ? at + chars.length : at, 0), chars.length);
  const [from, to] = [clip(intOf(start ?? 0, "start")), clip(intOf(end ?? chars.length, "end"))];
  const wanted = textOf(sub, "what is looked for");
  if (from > to) return -1;
  const inside = chars.slice(from, to).join("");
  const at = last ? inside.lastIndexOf(wanted) : inside.indexOf(wanted);
  return at < 0 ? -1 : from + characters(inside.slice(0, at)).length;
};

const found = (at: number): number => {
  if (at < 0) throw new Error("substring not found");
  return at;
};

const ends = (text: string, [wanted]: Given, side: "startsWith" | "endsWith", name: string): boolean => {
  const list = wanted !== undefined && isA("tuple", wanted) ? wanted.items : [wanted];
  return list.some((part) => text[side](textOf(part, `${name}'s argument, or each of its tuple,`)));
};

const all = (pattern: RegExp) => (text: string) => {
  payWalked(4 * text.length);
  return text !== "" && characters(text).every((char) => pattern.test(char));
};
const swapcase = (text: string): string => {
  payWalked(4 * text.length);
  return Array.from(text, (char) => (LOWER.test(char) ? char.toUpperCase() : char.toLowerCase())).join("");
};
const cased = (own: RegExp, other: RegExp) => (text: string) => own.test(text) && !other.test(text);
const UPPER = /[\p{Uppercase}]/u;
const LOWER = /[\p{Lowercase}]/u;
const TITLE = /\p{Lt}/u;

/** Whether a text has small, or capital, letters and none of the other. */
export const isLower = (text: string): boolean => cased(LOWER, UPPER)(text) && !TITLE.test(text);
export const isUpper = (text: string): boolean => cased(UPPER, LOWER)(text) && !TITLE.test(text);

const parted = (text: string, [separator]: Given, last: boolean): Value => {
  const wanted = textOf(separator, "the separator");
  const at = last ? text.lastIndexOf(wanted) : text.indexOf(wanted);
  if (at < 0) return tuple(last ? ["", "", text] : [text, "", ""]);
  return tuple([text.slice(0, at), wanted, text.slice(at + wanted.length)]);
};

const TEXTS: Readonly<Record<string, Method<string>>> = {
  upper: [[], (text) => text.toUpperCase()],
  lower: [[], (text) => text.toLowerCase()],
  casefold: [[], (text) => text.toLowerCase().replaceAll("ß", "ss")],
  title: [[], title],
  capitalize: [[], capitalize],
  swapcase: [[], swapcase],
  strip: [["/chars"], (text, [chars]) => strip(text, "both", optionalText(chars, "strip's argument"))],
  lstrip: [["/chars"], (text, [chars]) => strip(text, "left", optionalText(chars, "lstrip's argument"))],
  rstrip: [["/chars"], (text, [chars]) => strip(text, "right", optionalText(chars, "rstrip's argument"))],
  split: [
    ["sep", "maxsplit"],
    (text, [sep, most]) => split(text, optionalText(sep, "sep"), intOf(most, "maxsplit", -1)),
  ],
  rsplit: [
    ["sep", "maxsplit"],
    (text, [sep, most]) => split(text, optionalText(sep, "sep"), intOf(most, "maxsplit", -1), true),
  ],
  splitlines: [["keepends"], (text, [keep]) => lines(text, flagOf(keep))],
  partition: [["/sep"], (text, given) => parted(text, given, false)],
  rpartition: [["/sep"], (text, given) => parted(text, given, true)],
  startswith: [["/prefix"], (text, given) => ends(text, given, "startsWith", "startswith")],
  endswith: [["/suffix"], (text, given) => ends(text, given, "endsWith", "endswith")],
  removeprefix: [
    ["/prefix"],
    (text, [p]) => (text.startsWith(textOf(p, "prefix")) ? text.slice((p as string).length) : text),
  ],
  removesuffix: [
    ["/suffix"],
    (text, [s]) => (s !== "" && text.endsWith(textOf(s, "suffix")) ? text.slice(0, -(s as string).length) : text),
  ],
  replace: [
    ["/old", "/new", "count"],
    (text, [old, by, most]) =>
      bounded(replace(text, textOf(old, "old"), textOf(by, "new"), intOf(most, "count", -1), checkLength)),
  ],
  find: [["/sub", "/start", "/end"], (text, given) => find(text, given, false)],
  rfind: [["/sub", "/start", "/end"], (text, given) => find(text, given, true)],
  index: [["/sub", "/start", "/end"], (text, given) => found(find(text, given, false))],
  rindex: [["/sub", "/start", "/end"], (text, given) => found(find(text, given, true))],
  count: [
    ["/sub"],
    (text, [sub]) => (sub === "" ? characters(text).length + 1 : text.split(textOf(sub, "sub")).length - 1),
  ],
  join: [
    ["/items"],
    (text, [items]) =>
      joinAll(
        iterate(items ?? null).map((item) => textOf(item, "each item of join")),
        text,
      ),
  ],
  zfill: [
    ["/width"],
    (text, [width]) => {
      const sign = /^[-+]/.exec(text)?.[0] ?? "";
      return sign + pad(text.slice(sign.length), intOf(width, "width") - sign.length, "0", (missing) => missing);
    },
  ],
  ljust: [["/width", "/fill"], (text, [width, fill]) => pad(text, width, fill, () => 0)],
  rjust: [["/width", "/fill"], (text, [width, fill]) => pad(text, width, fill, (missing) => missing)],
  // Where both sides cannot be equal, Python gives the left one more if the width is odd.
  center: [
    ["/width", "/fill"],
    (text, [width, fill]) => pad(text, width, fill, (m) => (m >> 1) + (m & intOf(width, "width") & 1)),
  ],
  isdigit: [[], all(/[\p{Nd}²³¹⁰⁴-⁹₀-₉]/u)],
  isdecimal: [[], all(/\p{Nd}/u)],
  isnumeric: [[], all(/\p{N}/u)],
  isalpha: [[], all(/\p{L}/u)],
  isalnum: [[], all(/[\p{L}\p{N}]/u)],
  isspace: [[], all(new RegExp(`[${SPACES}]`))],
  isascii: [[], (text) => !/[^\0-\x7f]/.test(text)],
  isupper: [[], isUpper],
  islower: [[], isLower],
  istitle: [[], (text) => title(text) === text && (UPPER.test(text) || LOWER.test(text))],
};

const DICTS: Readonly<Record<string, Method<Map<string, Value>>>> = {
  get: [["/key", "/default"], (dict, [name, otherwise]) => dict.get(key(name ?? null) as string) ?? otherwise ?? null],
  keys: [[], (dict) => view("dict_keys", [...dict.keys()])],
  values: [[], (dict) => view("dict_values", [...dict.values()])],
  items: [
    [],
    (dict) =>
      view(
        "dict_items",
        [...dict].map((pair) => tuple(pair)),
      ),
  ],
  copy: [[], (dict) => new Map(dict)],
};

const LISTS: Readonly<Record<string, Method<readonly Value[]>>> = {
  count: [["/value"], (list, [value]) => list.filter((item) => equal(item, value ?? null)).length],
  index: [["/value"], (list, [value]) => found(list.findIndex((item) => equal(item, value ?? null)))],
  copy: [[], (list) => [...list]],
};

/** What would change a value; transformers' sandbox refuses it too. */
const CHANGING = "append extend insert pop remove clear sort reverse update setdefault popitem add discard".split(" ");
/** Methods that Python has and this does not. */
const MISSING = "encode expandtabs format_map isidentifier isprintable maketrans translate fromkeys".split(" ");

/** A method of a text, dict, list or tuple, or undefined. Errors: Error for one that is refused. */
export const method = (value: Value, name: string, get: Parameters<typeof format>[3]): Value | undefined => {
  const kind = typeof value === "string" ? TEXTS : value instanceof Map ? DICTS : LISTS;
  const items = isA("tuple", value) ? value.items : value;
  if (typeof value !== "string" && !(value instanceof Map) && !isList(items)) return undefined;
  const label = `${typeName(value)}.${name}`;
  if (name === "format" && typeof value === "string")
    return callable(label, ({ list, named }) => format(value, list, named, get));
  if (Object.hasOwn(kind, name) && !(isA("tuple", value) && name === "copy")) {
    const [parameters, run] = kind[name] as Method<never>;
    return callable(label, (args) => {
      const given = bind(label, parameters, args);
      if (typeof value === "string") payCopied(value.length);
      else pay(value instanceof Map ? value.size : (items as readonly Value[]).length);
      return run(items as never, given);
    });
  }
  if (CHANGING.includes(name) && typeof value !== "string" && !isA("tuple", value))
    throw new Error(`${label} would change what the template was given; access to it is unsafe`);
  if (MISSING.includes(name) && typeof value === "string") throw new Error(`${label} is not supported`);
  return undefined;
};

/** Sorted as Python sorts: stably. */
export const sorted = (values: readonly Value[], by: (value: Value) => Value, reverse: boolean): Value[] => {
  const keyed = values.map((value) => ({ value, key: by(value) }));
  keyed.sort((a, b) => (reverse ? order(b.key, a.key) : order(a.key, b.key)));
  return keyed.map(({ value }) => value);
};
