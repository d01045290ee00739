import { bounded } from "./arguments.js";
import { pay, payCopied, payWalked } from "./budget.js";
import { order } from "./operators.js";
import { floatText } from "./text.js";
import { characters, isA, isFloat, isList, type Key, numberOf, typeName, type Value } from "./values.js";

export interface JsonOptions {
  readonly asciiOnly: boolean;
  /** Text of one step of indentation; undefined for one line. */
  readonly indent: string | undefined;
  readonly separators: readonly [item: string, key: string];
  readonly sortKeys: boolean;
}

const SHORT: Readonly<Record<string, string>> = {
  '"': '\\"',
  "\\": "\\\\",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\b": "\\b",
  "\f": "\\f",
};

const CONTROLS = /["\\]|(?![\x7f-\x9f])\p{Cc}/gu;

const quoted = (text: string, asciiOnly: boolean): string => {
  payWalked(text.length);
  const inner = text.replace(asciiOnly ? /["\\]|[^ -~]/g : CONTROLS, (unit) =>
    Object.hasOwn(SHORT, unit) ? SHORT[unit] : `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return `"${inner}"`;
};

const numberText = (value: Value): string => {
  const number = numberOf(value) as number;
  if (Number.isNaN(number)) return "NaN";
  if (!Number.isFinite(number)) return number < 0 ? "-Infinity" : "Infinity";
  return isFloat(value) ? floatText(number) : String(number);
};

const keyText = (key: Key): string => (typeof key === "string" ? key : plain(key));
const plain = (value: Value): string =>
  value === null ? "null" : typeof value === "boolean" ? String(value) : numberText(value);

/** Python's json.dumps. Errors: Error for what JSON does not hold, what is undefined above all. */
export const dumps = (value: Value, options: JsonOptions): string => {
  const { asciiOnly, indent, separators, sortKeys } = options;
  const around = (open: string, close: string, parts: readonly string[], depth: number): string => {
    if (parts.length === 0) return open + close;
    payCopied(parts.length * separators[0].length);
    if (indent === undefined) return open + parts.join(separators[0]) + close;
    payCopied(parts.length * (depth + 1) * (1 + indent.length));
    const line = `\n${indent.repeat(depth + 1)}`;
    return `${open}${line}${parts.join(separators[0] + line)}\n${indent.repeat(depth)}${close}`;
  };
  const write = (at: Value, depth: number): string => {
    pay(1);
    if (typeof at === "string") return quoted(at, asciiOnly);
    if (at === null || numberOf(at) !== undefined) return plain(at);
    const items = isA("tuple", at) ? at.items : at;
    if (isList(items))
      return around(
        "[",
        "]",
        items.map((item) => write(item, depth + 1)),
        depth,
      );
    if (!(at instanceof Map)) throw new Error(`Object of type ${typeName(at)} is not JSON serializable`);
    const entries = [...at];
    if (sortKeys) entries.sort(([a], [b]) => order(a, b));
    const parts = entries.map(
      ([name, inner]) => quoted(keyText(name), asciiOnly) + separators[1] + write(inner, depth + 1),
    );
    return around("{", "}", parts, depth);
  };
  return bounded(write(value, 0));
};

/** A step of indentation as Python's `indent` gives it: so many spaces, or a text. */
export const indentation = (value: Value): string | undefined => {
  if (value === null) return undefined;
  if (typeof value === "string") return value;
  return " ".repeat(Math.max(0, Math.min(numberOf(value) ?? 0, characters(" ".repeat(64)).length)));
};
