import { joinAll, type Tools } from "./arguments.js";
import { pay, payCopied } from "./budget.js";
import { filter } from "./filters.js";
import { method } from "./methods.js";
import { arithmetic, compare, slice } from "./operators.js";
import type { CallArgs, Expression } from "./syntax.js";
import { test } from "./tests.js";
import {
  type Args,
  defined,
  isA,
  isFloat,
  isList,
  isNumber,
  itemsOf,
  iterate,
  key,
  nothing,
  numberOf,
  truth,
  tuple,
  typeName,
  type Undefined,
  type Value,
} from "./values.js";

/** Names and their values; what is not here is looked for around it. */
export interface Scope {
  readonly get: (name: string) => Value | undefined;
  readonly set: (name: string, value: Value) => void;
}

export const scope = (around?: Scope, start: Iterable<readonly [string, Value]> = []): Scope => {
  const own = new Map<string, Value>(start);
  return {
    get: (name) => (own.has(name) ? own.get(name) : around?.get(name)),
    set: (name, value) => void own.set(name, value),
  };
};

/** Evaluates expressions; each step is paid for. */
export type Evaluate = (expression: Expression, scope: Scope) => Value;

const missing = (value: Value, name: Value): Undefined => {
  if ((isNumber(value) || typeof value === "boolean") && NUMBERS.includes(String(name)))
    throw new Error(`${typeName(value)}.${name} is not supported`);
  return nothing(`'${typeName(value)} object' has no attribute ${JSON.stringify(name)}`);
};
/** Attributes that numbers have in Python. */
const NUMBERS = "real imag numerator denominator conjugate bit_length bit_count is_integer as_integer_ratio hex".split(
  " ",
);

/** value.name: Python's attribute, else the item. */
const attribute = (value: Value, name: string): Value => {
  const own = defined(value);
  if (name.startsWith("_")) return nothing(`access to attribute "${name}" of ${typeName(own)} is unsafe`);
  if (isA("fields", own)) return orElse(own.get(name), () => nothing(`'${own.kind}' has no attribute "${name}"`));
  return orElse(method(own, name, field), () => orElse(itemOnly(own, name), () => missing(own, name)));
};

const orElse = (value: Value | undefined, otherwise: () => Value): Value => (value === undefined ? otherwise() : value);

/** value[name]: Python's item, else the attribute. */
const item = (value: Value, name: Value): Value => {
  const own = defined(value);
  const found = itemOnly(own, name);
  if (found !== undefined) return found;
  if (typeof name === "string") {
    if (isA("fields", own) || name.startsWith("_")) return attribute(own, name);
    const bound = method(own, name, field);
    if (bound !== undefined) return bound;
  }
  return missing(own, isA("undefined", name) ? "" : name);
};

const itemOnly = (value: Value, name: Value): Value | undefined => {
  if (value instanceof Map) return isA("undefined", name) || isList(name) ? undefined : value.get(key(name));
  const at = isFloat(name) ? undefined : numberOf(name);
  if (at === undefined || value === null || typeof value === "boolean") return undefined;
  const isIndexed = typeof value === "string" || isList(value) || isA("tuple", value);
  if (!isIndexed && !(isA("view", value) && value.kind === "range")) return undefined;
  const items = itemsOf(value) ?? iterate(value);
  return items[at < 0 ? at + items.length : at];
};

const field = (value: Value, name: string, isItem: boolean): Value =>
  isItem ? item(value, /^\d+$/.test(name) ? Number(name) : name) : attribute(value, name);

/** Calls what can be called. Errors: Error for anything else. */
export const call = (callee: Value, args: Args): Value => {
  const own = defined(callee);
  if (isA("callable", own)) return own.call(args);
  if (isA("fields", own) && own.call !== undefined) return own.call(args);
  throw new Error(`'${typeName(own)}' object is not callable`);
};

/** +value or −value. Errors: Error for what is no number. */
const signed = (value: Value, sign: 1 | -1): Value => {
  if (numberOf(defined(value)) === undefined)
    throw new Error(`bad operand type for unary ${sign < 0 ? "-" : "+"}: '${typeName(value)}'`);
  return arithmetic("*", value, sign);
};

/** A value that was made, paid for by its size. */
const paid = (value: Value): Value => {
  if (typeof value === "string") payCopied(value.length);
  else if (isList(value)) pay(value.length);
  return value;
};

const place = (value: Value): number | undefined => {
  const number = value === null ? undefined : numberOf(value);
  if (value !== null && (number === undefined || isFloat(value)))
    throw new Error("slice indices must be integers or None");
  return number;
};

/** Makes the evaluation of expressions; every step is paid for. Source: jinja2/compiler.py, jinja2/sandbox.py. */
export const evaluator = (): {
  evaluate: Evaluate;
  applyArgs: (args: CallArgs, scope: Scope) => Args;
  tools: Tools;
} => {
  const tools: Tools = {
    item: (value, name) => {
      pay(1);
      return item(value, name);
    },
    test,
    filter: (name, value, args) => {
      pay(1);
      return paid(filter(name, value, args, tools));
    },
  };
  const all = (list: readonly Expression[], scope: Scope): Value[] => list.map((one) => evaluate(one, scope));
  const applyArgs = ({ list, named, spread, namedSpread }: CallArgs, scope: Scope): Args => {
    const more = spread === undefined ? [] : iterate(evaluate(spread, scope));
    const byName = new Map(named.map(([name, value]) => [name, evaluate(value, scope)] as const));
    const dict = namedSpread === undefined ? new Map() : evaluate(namedSpread, scope);
    if (!(dict instanceof Map)) throw new Error(`argument after ** must be a mapping, not ${typeName(dict)}`);
    for (const [name, value] of dict) byName.set(String(name), value);
    return { list: [...all(list, scope), ...more], named: byName };
  };
  const evaluate: Evaluate = (expression, scope) => {
    pay(1);
    const value = (inner: Expression): Value => evaluate(inner, scope);
    switch (expression.type) {
      case "constant":
        return expression.value;
      case "name":
        return orElse(scope.get(expression.name), () => nothing(`'${expression.name}' is undefined`));
      case "list":
        return all(expression.items, scope);
      case "tuple":
        return tuple(all(expression.items, scope));
      case "concat":
        return joinAll(all(expression.items, scope));
      case "dict":
        return new Map(expression.items.map(([name, inner]) => [key(value(name)), value(inner)]));
      case "attribute":
        return attribute(value(expression.of), expression.name);
      case "item":
        return item(value(expression.of), value(expression.key));
      case "slice": {
        const of = value(expression.of);
        const [start, stop, step] = expression.parts.map((part) =>
          part === undefined ? undefined : place(value(part)),
        );
        return paid(slice(of, start, stop, step));
      }
      case "call":
        return paid(call(value(expression.of), applyArgs(expression.args, scope)));
      case "filter":
        if (expression.of === undefined) throw new Error("a filter without a value");
        return tools.filter(expression.name, value(expression.of), applyArgs(expression.args, scope));
      case "test": {
        const tested = value(expression.of);
        const { list, named: given } = applyArgs(expression.args, scope);
        if (given.size > 0) throw new Error(`test "${expression.name}" takes no named arguments`);
        return test(expression.name, tested, list);
      }
      case "not":
        return !truth(value(expression.of));
      case "minus":
        return signed(value(expression.of), -1);
      case "plus":
        return signed(value(expression.of), 1);
      case "and": {
        const left = value(expression.left);
        return truth(left) ? value(expression.right) : left;
      }
      case "or": {
        const left = value(expression.left);
        return truth(left) ? left : value(expression.right);
      }
      case "binary":
        return paid(arithmetic(expression.operator, value(expression.left), value(expression.right)));
      case "compare": {
        let left = value(expression.of);
        for (const [operator, inner] of expression.with) {
          const right = value(inner);
          if (!compare(operator, left, right)) return false;
          left = right;
        }
        return true;
      }
      case "choice":
        if (truth(value(expression.test))) return value(expression.yes);
        return expression.no === undefined
          ? nothing("the inline if-expression evaluated to false and no else section was defined.")
          : value(expression.no);
    }
  };
  return { evaluate, applyArgs, tools };
};
