import { bounded, checkLength } from "./arguments.js";
import { pay, payCopied } from "./budget.js";
import { percent } from "./format.js";
import {
  characters,
  defined,
  equal,
  float,
  isA,
  isFloat,
  isList,
  itemsOf,
  iterate,
  key,
  numberOf,
  tuple,
  typeName,
  type Value,
} from "./values.js";

/** A result that is a float if either operand is. */
const number = (value: number, a: Value, b: Value): Value => {
  if (isFloat(a) || isFloat(b)) return float(value);
  if (!Number.isSafeInteger(value)) throw new Error(`integer ${value} is beyond 2^53`);
  return value === 0 ? 0 : value;
};

const divided = (a: number, b: number): number => {
  if (b === 0) throw new Error("division by zero");
  return a / b;
};

/** Python's % of numbers: the sign is the divisor's. */
const modulo = (a: number, b: number): number => {
  divided(a, b);
  const rest = a % b;
  return rest !== 0 && rest < 0 !== b < 0 ? rest + b : rest;
};

/** Most items that a repeated list may have. */
const MOST_ITEMS = 100_000;

const repeated = (value: Value, times: number): Value | undefined => {
  const count = Math.max(0, times);
  if (typeof value === "string") {
    checkLength(value.length * count);
    return bounded(value === "" ? "" : value.repeat(count));
  }
  const items = isList(value) ? value : isA("tuple", value) ? value.items : undefined;
  if (items === undefined) return undefined;
  if (items.length * count > MOST_ITEMS || count > MOST_ITEMS) throw new Error("it makes too long a list");
  const all = Array.from({ length: count }, () => items).flat();
  return isList(value) ? all : tuple(all);
};

const both = (a: readonly Value[], b: readonly Value[]): readonly Value[] => {
  pay(a.length + b.length);
  return [...a, ...b];
};

const OPERATORS: Readonly<Record<string, (a: Value, b: Value) => Value | undefined>> = {
  "+": (a, b) => {
    const [x, y] = [numberOf(a), numberOf(b)];
    if (x !== undefined && y !== undefined) return number(x + y, a, b);
    if (typeof a === "string" && typeof b === "string") return bounded(a + b);
    if (isList(a) && isList(b)) return both(a, b);
    return isA("tuple", a) && isA("tuple", b) ? tuple(both(a.items, b.items)) : undefined;
  },
  "-": (a, b) => numbers(a, b, (x, y) => number(x - y, a, b)),
  "*": (a, b) => {
    const [x, y] = [numberOf(a), numberOf(b)];
    if (x !== undefined && y !== undefined) return number(x * y, a, b);
    if (y !== undefined && !isFloat(b)) return repeated(a, y);
    return x !== undefined && !isFloat(a) ? repeated(b, x) : undefined;
  },
  "/": (a, b) => numbers(a, b, (x, y) => float(divided(x, y))),
  "//": (a, b) => numbers(a, b, (x, y) => number(Math.floor(divided(x, y)), a, b)),
  "%": (a, b) => (typeof a === "string" ? percent(a, b) : numbers(a, b, (x, y) => number(modulo(x, y), a, b))),
  "**": (a, b) => numbers(a, b, (x, y) => (y < 0 ? float(x ** y) : number(x ** y, a, b))),
};

const numbers = (a: Value, b: Value, of: (x: number, y: number) => Value): Value | undefined => {
  const [x, y] = [numberOf(a), numberOf(b)];
  return x === undefined || y === undefined ? undefined : of(x, y);
};

/** Python's arithmetic. Errors: Error for operands that do not go together. */
export const arithmetic = (operator: string, a: Value, b: Value): Value => {
  const result = OPERATORS[operator](defined(a), defined(b));
  if (result === undefined)
    throw new Error(`unsupported operand types for ${operator}: '${typeName(a)}' and '${typeName(b)}'`);
  return result;
};

/** Less than 0, 0, or more: Python's order. Errors: Error for values without one. */
export const order = (a: Value, b: Value): number => {
  pay(1);
  const [x, y] = [numberOf(defined(a)), numberOf(defined(b))];
  if (x !== undefined && y !== undefined) return x - y;
  if (typeof a === "string" && typeof b === "string") return textOrder(a, b);
  const [left, right] = [sequence(a), sequence(b)];
  if (left !== undefined && right !== undefined && isList(a) === isList(b)) {
    const at = left.findIndex((value, i) => i >= right.length || !equal(value, right[i]));
    if (at < 0) return left.length - right.length;
    return at >= right.length ? 1 : order(left[at], right[at]);
  }
  throw new Error(`'<' not supported between instances of '${typeName(a)}' and '${typeName(b)}'`);
};

const sequence = (value: Value): readonly Value[] | undefined => (isA("view", value) ? undefined : itemsOf(value));

/** By code points, not by UTF-16 units. */
const textOrder = (a: string, b: string): number => {
  if (a === b) return 0;
  const [x, y] = [characters(a), characters(b)];
  const at = x.findIndex((char, i) => char !== y[i]);
  if (at < 0 || at >= y.length) return x.length - y.length;
  return (x[at].codePointAt(0) as number) - (y[at].codePointAt(0) as number);
};

/** Python's `in`. */
export const contains = (container: Value, value: Value): boolean => {
  if (typeof container === "string") {
    if (typeof value !== "string")
      throw new Error(`'in <string>' requires string as left operand, not ${typeName(defined(value))}`);
    payCopied(container.length);
    return container.includes(value);
  }
  if (container instanceof Map) return container.has(key(value));
  if (isA("view", container) && container.kind === "dict_keys") key(value);
  return iterate(container).some((item) => equal(item, value));
};

export const compare = (operator: string, a: Value, b: Value): boolean => {
  switch (operator) {
    case "==":
      return equal(a, b);
    case "!=":
      return !equal(a, b);
    case "<":
      return order(a, b) < 0;
    case "<=":
      return order(a, b) <= 0;
    case ">":
      return order(a, b) > 0;
    case ">=":
      return order(a, b) >= 0;
    default:
      return contains(b, a) === (operator === "in");
  }
};

/** Python's slice of a text, a list, a tuple or a range. */
export const slice = (value: Value, start?: number, stop?: number, step = 1): Value => {
  if (step === 0) throw new Error("slice step cannot be zero");
  if (value instanceof Map || isA("lazy", value) || (isA("view", value) && value.kind !== "range"))
    throw new Error(`'${typeName(value)}' object cannot be cut into slices`);
  const items = itemsOf(value) ?? iterate(defined(value));
  const size = items.length;
  const place = (at: number | undefined, otherwise: number): number => {
    if (at === undefined) return otherwise;
    const from = at < 0 ? at + size : at;
    return step > 0 ? Math.min(Math.max(from, 0), size) : Math.min(Math.max(from, -1), size - 1);
  };
  const [from, to] = [place(start, step > 0 ? 0 : size - 1), place(stop, step > 0 ? size : -1)];
  const cut: Value[] = [];
  for (let i = from; step > 0 ? i < to : i > to; i += step) cut.push(items[i]);
  if (typeof value === "string") return cut.join("");
  return isA("tuple", value) ? tuple(cut) : cut;
};
