import { SPACES, strip } from "./text.js";

/** A token of a template; `at` is where it ends. */
export interface Token {
  readonly type: "data" | "name" | "string" | "integer" | "float" | "operator" | "begin" | "end" | "eof";
  /** For `begin` and `end`: "block" or "variable". */
  readonly value: string;
  readonly at: number;
}

const ROOT = new RegExp(
  `([\\s\\S]*?)(?:(\\{%[-+]?[${SPACES}]*raw[${SPACES}]*(?:-%\\}[${SPACES}]*|%\\}))|(\\{\\{|\\{%|\\{#)([-+]?))`,
  "y",
);
const RAW_END = new RegExp(
  `([\\s\\S]*?)\\{%([-+]?)[${SPACES}]*endraw[${SPACES}]*(?:\\+%\\}|-%\\}[${SPACES}]*|%\\}\\n?)`,
  "y",
);
const COMMENT_END = new RegExp(`[\\s\\S]*?(?:\\+#\\}|-#\\}[${SPACES}]*|#\\}\\n?)`, "y");
const ENDS = {
  block: new RegExp(`\\+%\\}|-%\\}[${SPACES}]*|%\\}\\n?`, "y"),
  variable: new RegExp(`-\\}\\}[${SPACES}]*|\\}\\}`, "y"),
};
const SPACE = new RegExp(`[${SPACES}]+`, "y");
const BLANK = new RegExp(`^[${SPACES}]+$`);
const NUMBER_FLOAT = /(?:\d+_)*\d+(?:(?:\.(?:\d+_)*\d+)?e[+-]?(?:\d+_)*\d+|\.(?:\d+_)*\d+)/iy;
const NUMBER_INTEGER = /0b(?:_?[01])+|0o(?:_?[0-7])+|0x(?:_?[\da-f])+|[1-9](?:_?\d)*|0(?:_?0)*/iy;
const NAME = /[\p{L}\p{Nl}\p{M}\p{Nd}\p{Pc}]+/uy;
const STRING = /'(?:[^'\\]|\\[\s\S])*'|"(?:[^"\\]|\\[\s\S])*"/y;
const OPERATOR = /\/\/|\*\*|==|!=|>=|<=|[-+/*%~[\](){}><=.:|,;]/y;

/** Token kinds inside of a tag, in the order in which they are tried. */
const INSIDE = [
  ["float", NUMBER_FLOAT],
  ["integer", NUMBER_INTEGER],
  ["name", NAME],
  ["string", STRING],
  ["operator", OPERATOR],
] as const;

const CLOSES: Readonly<Record<string, string>> = { "(": ")", "[": "]", "{": "}" };

/** The line, from 1, of a place in a template. */
export const lineOf = (template: string, at: number): number => template.slice(0, at).split("\n").length;

/**
 * Tokens of a template, with trim_blocks and lstrip_blocks on, as transformers sets them: a block tag takes the white space
 * before it on its line, and the line break after it, unless `+` keeps them; `-` takes all white space.
 * Errors: Error, with the line, for what Jinja2 does not read. Source: jinja2/lexer.py.
 */
export const tokens = (template: string): Token[] => {
  const source = template.replace(/\r\n|\r/g, "\n").replace(/\n$/, "");
  const out: Token[] = [];
  let [at, atLineStart] = [0, true];
  const fail = (what: string): Error => new Error(`line ${lineOf(source, at)}: ${what}`);
  const match = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const found = pattern.exec(source);
    if (found !== null) {
      at = pattern.lastIndex;
      atLineStart = found[0].endsWith("\n");
    }
    return found;
  };
  const data = (text: string, sign: string, isVariable: boolean, lineStart: boolean): void => {
    const from = text.lastIndexOf("\n") + 1;
    const strips = sign === "" && !isVariable && (from > 0 || lineStart) && BLANK.test(text.slice(from));
    const kept = sign === "-" ? strip(text, "right") : strips ? text.slice(0, from) : text;
    if (kept !== "") out.push({ type: "data", value: kept, at });
  };

  const tag = (kind: "block" | "variable"): void => {
    out.push({ type: "begin", value: kind, at });
    const open: string[] = [];
    for (;;) {
      if (open.length === 0 && match(ENDS[kind]) !== null) break;
      if (match(SPACE) !== null) continue;
      const dotted = source[at - 1] === ".";
      let [type, text]: [Token["type"], string | undefined] = ["eof", undefined];
      for (const [kind, pattern] of INSIDE) {
        if (text !== undefined || (kind === "float" && dotted)) continue;
        text = match(pattern)?.[0];
        type = kind;
      }
      if (text === undefined)
        throw fail(at >= source.length ? "a tag is not closed" : `unexpected ${JSON.stringify(source[at])}`);
      if (type === "operator" && Object.hasOwn(CLOSES, text)) open.push(CLOSES[text]);
      else if (type === "operator" && ")]}".includes(text) && open.pop() !== text) throw fail(`unexpected "${text}"`);
      out.push({ type, value: text, at });
    }
    out.push({ type: "end", value: kind, at });
  };

  while (at < source.length) {
    const lineStart = atLineStart;
    const root = match(ROOT);
    if (root === null) {
      out.push({ type: "data", value: source.slice(at), at });
      break;
    }
    const [, text, raw, opening, sign = ""] = root;
    data(text, raw === undefined ? sign : (/^\{%([-+]?)/.exec(raw)?.[1] ?? ""), opening === "{{", lineStart);
    if (raw !== undefined) {
      const start = atLineStart;
      const body = match(RAW_END);
      if (body === null) throw fail("raw is not closed");
      data(body[1], body[2], false, start);
    } else if (opening === "{#") {
      if (match(COMMENT_END) === null) throw fail("comment is not closed");
    } else tag(opening === "{%" ? "block" : "variable");
  }
  out.push({ type: "eof", value: "", at });
  return out;
};

const ESCAPES: Readonly<Record<string, string>> = {
  "\n": "",
  "\\": "\\",
  "'": "'",
  '"': '"',
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
};

const ESCAPE = /\\(?:([0-7]{1,3})|x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|([\s\S]))/g;

/** The text that a string token stands for: Python's escapes; an unknown one stays as it is. */
export const unescaped = (token: string): string =>
  token.slice(1, -1).replace(ESCAPE, (whole, octal?: string, ...rest) => {
    const [x, u, long, letter] = rest as (string | undefined)[];
    if (octal !== undefined) return String.fromCodePoint(Number.parseInt(octal, 8));
    const hex = x ?? u ?? long;
    if (hex !== undefined) return String.fromCodePoint(Number.parseInt(hex, 16));
    if (letter === undefined || "xuUN".includes(letter))
      throw new Error(`escape ${whole} is not complete, or not supported`);
    return Object.hasOwn(ESCAPES, letter) ? ESCAPES[letter] : whole;
  });
