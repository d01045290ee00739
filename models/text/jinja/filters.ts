import {
  bind,
  bounded,
  checkLength,
  type Filter,
  flagOf,
  intOf,
  optionalText,
  type Tools,
  textOf,
} from "./arguments.js";
import { payCopied, payWalked } from "./budget.js";
import { percent } from "./format.js";
import { dumps, indentation } from "./json.js";
import { method } from "./methods.js";
import { mapped, sequenceFilters } from "./sequence-filters.js";
import { capitalize, lines, replace, strip } from "./text.js";
import {
  type Args,
  type Callable,
  characters,
  defined,
  float,
  isA,
  isFloat,
  isList,
  length,
  numberOf,
  safe,
  str,
  truth,
  tuple,
  type Value,
} from "./values.js";

const WORD_START = /([-\s({[<]+)/u;

/** Text of a value, as filters for texts take it. Errors: Error for what `safe` marked. */
const soft = (value: Value): string => {
  if (isA("safe", value)) throw new Error("filters after safe are not supported");
  const text = str(value);
  payCopied(text.length);
  return text;
};

const tried = (run: () => number, otherwise: () => Value): Value => {
  const number = run();
  return Number.isFinite(number) ? number : otherwise();
};

/** Python's int(text, base), or NaN. */
const parsedInt = (text: string, base: number): number => {
  payWalked(text.length);
  const plain = strip(text, "both").replace(/(?<=\w)_(?=\w)/g, "");
  const [, sign, digits] = /^([-+]?)(.*)$/s.exec(plain) as RegExpExecArray;
  const letters = "0123456789abcdefghijklmnopqrstuvwxyz".slice(0, base);
  const bare =
    base === 16
      ? digits.replace(/^0x/i, "")
      : base === 8
        ? digits.replace(/^0o/i, "")
        : base === 2
          ? digits.replace(/^0b/i, "")
          : digits;
  if (bare === "" || Array.from(bare.toLowerCase()).some((char) => !letters.includes(char))) return Number.NaN;
  return (sign === "-" ? -1 : 1) * Number.parseInt(bare, base);
};

const FLOAT = /^[-+]?(?:\d[\d_]*(?:\.\d*)?|\.\d+)(?:e[-+]?\d+)?$/i;
const parsedFloat = (text: string): number | undefined => {
  const plain = strip(text, "both");
  if (FLOAT.test(plain)) return Number(plain.replaceAll("_", ""));
  const word = /^([-+]?)(inf|infinity|nan)$/i.exec(plain);
  if (word === null) return undefined;
  return word[2].toLowerCase() === "nan"
    ? Number.NaN
    : word[1] === "-"
      ? Number.NEGATIVE_INFINITY
      : Number.POSITIVE_INFINITY;
};

/** Python's round to so many places: to even where the double is exactly between two. */
const rounded = (value: number, places: number): number => {
  if (places <= 0) return toEven(value / 10 ** -places) * 10 ** -places;
  if (Math.abs(value) >= 1e21 || places > 60) return value;
  const [whole, digits] = value.toFixed(100).split(".");
  const nearest = Number(value.toFixed(places));
  if (!/^50*$/.test(digits.slice(places))) return nearest;
  const down = Number(`${whole}.${digits.slice(0, places)}`);
  const isEven = Number(digits[places - 1]) % 2 === 0;
  return isEven ? down : nearest === down ? Number((2 * value - down).toFixed(places)) : nearest;
};
const toEven = (value: number): number => {
  const low = Math.floor(value);
  return value - low === 0.5 ? low + (low % 2 === 0 ? 0 : 1) : Math.round(value);
};

const TEXTS: Readonly<Record<string, Filter>> = {
  upper: [[], (value) => soft(value).toUpperCase()],
  lower: [[], (value) => soft(value).toLowerCase()],
  capitalize: [[], (value) => capitalize(soft(value))],
  title: [
    [],
    (value) =>
      soft(value)
        .split(WORD_START)
        .map((part) => capitalize(part))
        .join(""),
  ],
  trim: [["chars"], (value, [chars]) => strip(soft(value), "both", optionalText(chars, "trim's argument"))],
  replace: [
    ["old", "new", "count"],
    (value, [old, by, most]) =>
      bounded(
        replace(
          soft(value),
          soft(old ?? ""),
          soft(by ?? ""),
          most === null ? -1 : intOf(most, "count", -1),
          checkLength,
        ),
      ),
  ],
  center: [["width"], (value, [width = 80]) => callMethod(soft(value), "center", [width])],
  indent: [
    ["width", "first", "blank"],
    (value, [width = 4, first, blank]) => {
      const by = typeof width === "string" ? width : " ".repeat(Math.max(0, Math.min(intOf(width, "width"), 1e4)));
      const [start = "", ...rest] = lines(`${textOf(value, "indent's value")}\n`);
      checkLength(rest.length * by.length);
      const indented = rest.map((line) => (line !== "" || flagOf(blank) ? by + line : line));
      return bounded([(flagOf(first) ? by : "") + start, ...indented].join("\n"));
    },
  ],
  truncate: [
    ["length", "killwords", "end", "leeway"],
    (value, [size, kill, end = "...", leeway]) => {
      const [chars, most, tail] = [
        characters(textOf(value, "truncate's value")),
        intOf(size, "length", 255),
        soft(end),
      ];
      if (most < characters(tail).length) throw new Error(`expected length >= ${characters(tail).length}, got ${most}`);
      if (chars.length <= most + intOf(leeway ?? 5, "leeway")) return value;
      const cut = chars.slice(0, most - characters(tail).length).join("");
      const space = cut.lastIndexOf(" ");
      return (flagOf(kill) || space < 0 ? cut : cut.slice(0, space)) + tail;
    },
  ],
  wordcount: [
    [],
    (value) => {
      const text = soft(value);
      payWalked(text.length);
      return (text.match(/[\p{L}\p{N}_]+/gu) ?? []).length;
    },
  ],
  string: [[], (value) => (isA("safe", value) ? value : str(value))],
  safe: [[], (value) => (isA("safe", value) ? value : safe(str(value)))],
};

const callMethod = (text: string, name: string, list: readonly Value[]): Value =>
  (method(text, name, () => null) as Callable).call({ list, named: new Map() });

const NUMBERS: Readonly<Record<string, Filter>> = {
  abs: [
    [],
    (value) => {
      const number = numberOf(defined(value));
      if (number === undefined) throw new Error("abs needs a number");
      return isFloat(value) ? float(Math.abs(number)) : Math.abs(number);
    },
  ],
  int: [
    ["default", "base"],
    (value, [otherwise = 0, base]) => {
      defined(value);
      if (typeof value !== "string")
        return tried(
          () => Math.trunc(numberOf(value) ?? Number.NaN),
          () => otherwise,
        );
      return tried(
        () => parsedInt(value, intOf(base, "base", 10)),
        () =>
          tried(
            () => Math.trunc(parsedFloat(value) ?? Number.NaN),
            () => otherwise,
          ),
      );
    },
  ],
  float: [
    ["default"],
    (value, [otherwise = float(0)]) => {
      defined(value);
      const number = typeof value === "string" ? parsedFloat(value) : numberOf(value);
      return number === undefined ? otherwise : float(number);
    },
  ],
  round: [
    ["precision", "method"],
    (value, [precision, how = "common"]) => {
      const [number, places] = [numberOf(defined(value)), intOf(precision, "precision", 0)];
      if (number === undefined) throw new Error("round needs a number");
      if (how !== "common" && how !== "ceil" && how !== "floor")
        throw new Error("method must be common, ceil or floor");
      if (how !== "common") return float(Math[how](number * 10 ** places) / 10 ** places);
      return isFloat(value) ? float(rounded(number, places)) : rounded(number, Math.min(0, places));
    },
  ],
};

const OTHERS: Readonly<Record<string, Filter>> = {
  default: [
    ["default_value", "boolean"],
    (value, [otherwise = "", boolean]) =>
      isA("undefined", value) || (flagOf(boolean) && !truth(value)) ? otherwise : value,
  ],
  length: [[], length],
  tojson: [
    ["ensure_ascii", "indent", "separators", "sort_keys"],
    (value, [ascii, indent = null, separators = null, sort]) => {
      const own = isA("tuple", separators) ? separators.items : separators;
      const [item, colon] = isList(own)
        ? own.map((part) => textOf(part, "separators"))
        : [indent === null ? ", " : ",", ": "];
      return dumps(value, {
        asciiOnly: flagOf(ascii),
        indent: indentation(indent),
        separators: [item, colon],
        sortKeys: flagOf(sort),
      });
    },
  ],
};

/** Other names of filters. */
const ALIASES: Readonly<Record<string, string>> = { d: "default", count: "length" };
/** Filters that Jinja2 has and this does not. */
const MISSING =
  "attr e escape forceescape filesizeformat pprint random striptags urlencode urlize wordwrap xmlattr".split(" ");

const FILTERS: Readonly<Record<string, Filter>> = { ...TEXTS, ...NUMBERS, ...OTHERS, ...sequenceFilters };

/** Applies a filter. Errors: Error for one that Jinja2 does not have, or that is not supported here. */
export const filter = (name: string, value: Value, args: Args, tools: Tools): Value => {
  const own = Object.hasOwn(ALIASES, name) ? ALIASES[name] : name;
  if (MISSING.includes(own)) throw new Error(`filter "${name}" is not supported`);
  if (own === "format") {
    if (args.list.length > 0 && args.named.size > 0)
      throw new Error("format takes positional or named arguments, not both");
    return percent(soft(value), args.named.size > 0 ? new Map(args.named) : tuple(args.list));
  }
  if (own === "map" || /^(?:select|reject)(?:attr)?$/.test(own)) return mapped(own, value, args, tools);
  if (!Object.hasOwn(FILTERS, own)) throw new Error(`no filter is named "${name}"`);
  const [parameters, run] = FILTERS[own];
  return run(value, bind(name, parameters, args), tools);
};
