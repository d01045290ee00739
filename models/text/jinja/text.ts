import { payWalked } from "./budget.js";

/** Python's white space (str.isspace), as the inside of a character class. */
export const SPACES = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const START = new RegExp(`^[${SPACES}]+`);
const WORDS = new RegExp(`[^${SPACES}]+`, "g");
const BREAKS = "\\n\\r\\v\\f\\x1c\\x1d\\x1e\\x85\\u2028\\u2029";
const LINES = new RegExp(`\\r\\n|[${BREAKS}]`);

/** Ends to strip from. */
export type Side = "left" | "right" | "both";

/** str.strip and its kin: white space, or the characters given. */
export const strip = (text: string, side: Side, chars?: string): string => {
  const set = chars === undefined ? undefined : new Set(Array.from(chars));
  payWalked(chars?.length ?? 0);
  const goes = (char: string): boolean => (set === undefined ? START.test(char) : set.has(char));
  let [from, to] = [0, text.length];
  while (side !== "right" && from < to) {
    const char = String.fromCodePoint(text.codePointAt(from) as number);
    if (!goes(char)) break;
    from += char.length;
  }
  while (side !== "left" && to > from) {
    const isPair = to - from > 1 && (text.codePointAt(to - 2) as number) > 0xffff;
    const char = text.slice(isPair ? to - 2 : to - 1, to);
    if (!goes(char)) break;
    to -= char.length;
  }
  payWalked(text.length - (to - from));
  return text.slice(from, to);
};

/** str.split and str.rsplit: at most `most` cuts, from the left or the right; without a separator at white space. */
export const split = (text: string, separator: string | undefined, most: number, fromRight = false): string[] => {
  if (separator === "") throw new Error("empty separator");
  if (separator !== undefined) {
    const parts = text.split(separator);
    if (most < 0 || parts.length <= most + 1) return parts;
    return fromRight
      ? [parts.slice(0, parts.length - most).join(separator), ...parts.slice(parts.length - most)]
      : [...parts.slice(0, most), parts.slice(most).join(separator)];
  }
  const words = [...text.matchAll(WORDS)].map((match) => ({ at: match.index, word: match[0] }));
  if (most < 0 || words.length <= most) return words.map(({ word }) => word);
  if (fromRight) {
    const rest = words.slice(words.length - most).map(({ word }) => word);
    const last = words[words.length - most - 1];
    return last === undefined ? rest : [text.slice(0, last.at + last.word.length), ...rest];
  }
  const rest = words[most];
  return [...words.slice(0, most).map(({ word }) => word), text.slice(rest.at)];
};

/** str.splitlines. */
export const lines = (text: string, keepEnds = false): string[] => {
  const out: string[] = [];
  for (let rest = text; rest !== ""; ) {
    const match = LINES.exec(rest);
    const end = match === null ? rest.length : match.index;
    const next = match === null ? rest.length : end + match[0].length;
    out.push(rest.slice(0, keepEnds ? next : end));
    rest = rest.slice(next);
  }
  return out;
};

/** str.replace: the first `most`, or all for a negative number; `check` hears how long the text will be. */
export const replace = (
  text: string,
  old: string,
  by: string,
  most: number,
  check: (length: number) => void,
): string => {
  const parts = old === "" ? ["", ...Array.from(text), ""] : text.split(old);
  payWalked(8 * parts.length);
  const cuts = most < 0 ? parts.length - 1 : Math.min(most, parts.length - 1);
  check(text.length + cuts * (by.length - old.length));
  return parts.map((part, i) => (i === 0 ? part : (i <= cuts ? by : old) + part)).join("");
};

const CASED = /[\p{Uppercase}\p{Lowercase}\p{Lt}]/u;

/** A character as a word's first: of what becomes two letters, the second is small. */
const titled = (char: string): string => {
  const [first = "", ...rest] = Array.from(char.toUpperCase());
  return first + rest.join("").toLowerCase();
};

/** str.title: a capital at the start of every run of letters that have one. */
export const title = (text: string): string => {
  payWalked(4 * text.length);
  let inside = false;
  return Array.from(text, (char) => {
    const cased = CASED.test(char);
    const done = !cased ? char : inside ? char.toLowerCase() : titled(char);
    inside = cased;
    return done;
  }).join("");
};

export const capitalize = (text: string): string => {
  payWalked(1 + text.length);
  const [first = "", ...rest] = Array.from(text);
  return titled(first) + rest.join("").toLowerCase();
};

/** Python's repr of a float. */
export const floatText = (value: number): string => {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value < 0 ? "-inf" : "inf";
  if (Object.is(value, -0)) return "-0.0";
  const [mantissa, power] = value.toExponential().split("e");
  const exponent = Number(power);
  if (exponent < -4 || exponent >= 16)
    return `${mantissa}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
  if (exponent >= 0) return Number.isInteger(value) ? `${BigInt(value)}.0` : String(value);
  const [whole, digits = ""] = mantissa.replace("-", "").split(".");
  return `${value < 0 ? "-" : ""}0.${"0".repeat(-exponent - 1)}${whole}${digits}`;
};

const NAMED: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\" };

/** Python's repr of a str. */
export const quoted = (text: string): string => {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const inner = Array.from(text, (char) => {
    if (char === quote) return `\\${char}`;
    if (Object.hasOwn(NAMED, char)) return NAMED[char];
    if (char === " " || !/[\p{C}\p{Z}]/u.test(char)) return char;
    const code = char.codePointAt(0) as number;
    if (code < 0x100) return `\\x${code.toString(16).padStart(2, "0")}`;
    return code < 0x10000 ? `\\u${code.toString(16).padStart(4, "0")}` : `\\U${code.toString(16).padStart(8, "0")}`;
  });
  return quote + inner.join("") + quote;
};
