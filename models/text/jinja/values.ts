import { writtenAs } from "../../files/written-json.js";
import { pay, payCopied, payWalked } from "./budget.js";
import { floatText, quoted } from "./text.js";

/** A float that Python would write with a point: whole numbers of JavaScript are ints here, all others floats anyway. */
export interface Float {
  readonly tag: "float";
  readonly value: number;
}

/** What has no value; printing it prints nothing, most else raises its message. */
export interface Undefined {
  readonly tag: "undefined";
  readonly message: string;
}

export interface Tuple {
  readonly tag: "tuple";
  readonly items: readonly Value[];
}

/** What Python makes item by item: true whether or not it is empty, without a length, gone through once. */
export interface Lazy {
  readonly tag: "lazy";
  readonly kind: string;
  /** All that are left, or the next; they are gone then. */
  readonly take: () => readonly Value[];
  readonly next: () => Value | undefined;
}

/** A dict's keys, values or items, or a range: a length, gone through as often as one likes. */
export interface View {
  readonly tag: "view";
  readonly kind: "dict_keys" | "dict_values" | "dict_items" | "range";
  readonly items: readonly Value[];
  /** How it prints, if not by its items. */
  readonly text: string | undefined;
}

/** Text that `safe` marked; it prints, and nothing else is done with it. */
export interface Safe {
  readonly tag: "safe";
  readonly text: string;
}

/** Positional and named arguments. */
export interface Args {
  readonly list: readonly Value[];
  readonly named: ReadonlyMap<string, Value>;
}

export interface Callable {
  readonly tag: "callable";
  readonly name: string;
  readonly call: (args: Args) => Value;
}

/** An object with attributes: a namespace, whose attributes a template may set, or `loop`. */
export interface Fields {
  readonly tag: "fields";
  readonly kind: "Namespace" | "LoopContext" | "Cycler";
  readonly get: (name: string) => Value | undefined;
  readonly set: ((name: string, value: Value) => void) | undefined;
  readonly call: ((args: Args) => Value) | undefined;
}

export const float = (value: number): Float => ({ tag: "float", value });
export const nothing = (message: string): Undefined => ({ tag: "undefined", message });
export const tuple = (items: readonly Value[]): Tuple => ({ tag: "tuple", items });
export const view = (kind: View["kind"], items: readonly Value[], text?: string): View => ({
  tag: "view",
  kind,
  items,
  text,
});
export const safe = (text: string): Safe => ({ tag: "safe", text });
export const callable = (name: string, call: Callable["call"]): Callable => ({ tag: "callable", name, call });
export const object = (
  kind: Fields["kind"],
  get: Fields["get"],
  set?: Fields["set"],
  call?: Fields["call"],
): Fields => ({
  tag: "fields",
  ...{ kind, get, set, call },
});
export const lazy = (kind: string, items: readonly Value[]): Lazy => {
  let at = 0;
  const take = (): readonly Value[] => {
    const left = items.slice(at);
    at = items.length;
    return left;
  };
  return { tag: "lazy", kind, take, next: () => items[at++] };
};

export type Dict = Map<Key, Value>;
export type Key = string | number | boolean | null;

/** A value of a template, as Python has it. */
export type Value =
  | null
  | boolean
  | number
  | string
  | Float
  | Undefined
  | Tuple
  | Lazy
  | View
  | Safe
  | Callable
  | Fields
  | readonly Value[]
  | Dict;

export const isList = (value: Value): value is readonly Value[] => Array.isArray(value);
type Tagged = Extract<Value, { readonly tag: string }>;
/** Whether a value is of such a kind. */
export const isA = <T extends Tagged["tag"]>(tag: T, value: Value): value is Extract<Value, { readonly tag: T }> =>
  typeof value === "object" && value !== null && "tag" in value && value.tag === tag;
export const isNumber = (value: Value): value is number | Float => typeof value === "number" || isA("float", value);
/** The number of an int, float or bool; undefined for anything else. */
export const numberOf = (value: Value): number | undefined =>
  typeof value === "number"
    ? value
    : isA("float", value)
      ? value.value
      : typeof value === "boolean"
        ? Number(value)
        : undefined;
export const isFloat = (value: Value): boolean =>
  isA("float", value) || (typeof value === "number" && !Number.isInteger(value));

/** Python's name of a value's type. */
export const typeName = (value: Value): string => {
  if (value === null) return "NoneType";
  if (typeof value === "boolean") return "bool";
  if (isNumber(value)) return isFloat(value) ? "float" : "int";
  if (typeof value === "string") return "str";
  if (value instanceof Map) return "dict";
  if (isList(value)) return "list";
  if (isA("lazy", value) || isA("view", value) || isA("fields", value)) return value.kind;
  return isA("callable", value)
    ? "function"
    : isA("tuple", value)
      ? "tuple"
      : isA("safe", value)
        ? "Markup"
        : "Undefined";
};

/** Errors: Error for what is undefined, in Jinja's words. */
export const defined = <T extends Value>(value: T): Exclude<T, Undefined> => {
  if (isA("undefined", value)) throw new Error(value.message);
  return value as Exclude<T, Undefined>;
};

export const truth = (value: Value): boolean => {
  if (value === null || isA("undefined", value)) return false;
  if (typeof value === "string") return value !== "";
  if (isA("float", value)) return value.value !== 0;
  if (value instanceof Map) return value.size > 0;
  if (isList(value)) return value.length > 0;
  if (isA("tuple", value) || isA("view", value)) return value.items.length > 0;
  if (isA("safe", value)) return value.text !== "";
  return Boolean(value);
};

/** The characters of a text, as Python counts them. */
export const characters = (text: string): readonly string[] => {
  payWalked(text.length);
  return Array.from(text);
};

/** The items of a list, a tuple or a view, as they lie there. */
export const itemsOf = (value: Value): readonly Value[] | undefined =>
  isList(value) ? value : isA("tuple", value) || isA("view", value) ? value.items : undefined;

/** The items that a loop goes through. Errors: Error for what cannot be gone through. */
export const iterate = (value: Value): readonly Value[] => {
  if (typeof value === "string") return characters(value);
  const items = itemsOf(value) ?? (isA("lazy", value) ? value.take() : undefined);
  if (items !== undefined) {
    pay(items.length);
    return items;
  }
  if (value instanceof Map) {
    pay(value.size);
    return [...value.keys()];
  }
  if (isA("undefined", value)) return [];
  throw new Error(`'${typeName(value)}' object is not iterable`);
};

/** Python's len. */
export const length = (value: Value): number => {
  if (isA("lazy", value) || isA("fields", value) || isA("safe", value))
    throw new Error(`object of type '${typeName(value)}' has no len()`);
  if (value === null || typeof value === "boolean" || isNumber(value) || isA("callable", value))
    throw new Error(`object of type '${typeName(value)}' has no len()`);
  return value instanceof Map ? value.size : (itemsOf(value) ?? iterate(value)).length;
};

const joined = (values: readonly Value[]): string => {
  const text = values.map(repr).join(", ");
  payCopied(text.length);
  return text;
};

/** Python's repr. Errors: Error for what Python would name by its address. */
export const repr = (value: Value): string => {
  pay(1);
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (isA("float", value)) return floatText(value.value);
  if (typeof value === "number") return Number.isInteger(value) ? intText(value) : floatText(value);
  if (typeof value === "string") {
    payWalked(value.length);
    return quoted(value);
  }
  if (isA("undefined", value)) return "Undefined";
  if (isList(value)) return `[${joined(value)}]`;
  if (isA("tuple", value)) return value.items.length === 1 ? `(${joined(value.items)},)` : `(${joined(value.items)})`;
  if (value instanceof Map) return `{${[...value].map(([k, v]) => `${repr(k)}: ${repr(v)}`).join(", ")}}`;
  if (isA("view", value)) return value.text ?? `${value.kind}([${joined(value.items)}])`;
  throw new Error(`a ${typeName(value)} cannot be printed; use |list, or its fields`);
};

const intText = (value: number): string => {
  if (!Number.isSafeInteger(value)) throw new Error(`integer ${value} is beyond 2^53`);
  return String(value);
};

/** Python's str. */
export const str = (value: Value): string => {
  if (typeof value === "string") return value;
  if (isA("safe", value)) return value.text;
  return isA("undefined", value) ? "" : repr(value);
};

/** Python's ==. */
export const equal = (a: Value, b: Value): boolean => {
  pay(1);
  if (typeof a === "string") payCopied(a.length);
  const [x, y] = [numberOf(a), numberOf(b)];
  if (x !== undefined || y !== undefined) return x === y;
  if (isList(a) && isList(b)) return same(a, b);
  if (isA("tuple", a) && isA("tuple", b)) return same(a.items, b.items);
  if (isA("view", a) && isA("view", b)) return a.kind === b.kind && same(a.items, b.items);
  if (a instanceof Map && b instanceof Map)
    return a.size === b.size && [...a].every(([key, value]) => b.has(key) && equal(value, b.get(key) as Value));
  if (isA("undefined", a)) return isA("undefined", b);
  return a === b || (isA("safe", a) && a.text === b) || (isA("safe", b) && b.text === a);
};

const same = (a: readonly Value[], b: readonly Value[]): boolean =>
  a.length === b.length && a.every((value, i) => equal(value, b[i]));

/** Characters and values within a value. */
export const sizeOf = (value: Value): number => {
  if (typeof value === "string") return 1 + value.length;
  if (isList(value)) return value.reduce<number>((sum, item) => sum + sizeOf(item), 1);
  if (!(value instanceof Map)) return 1;
  let sum = 1;
  for (const [name, item] of value) sum += String(name).length + sizeOf(item);
  return sum;
};

/** A value as a dict's key. Errors: Error for what Python cannot hash. */
export const key = (value: Value): Key => {
  if (value === null || typeof value === "string") return value;
  const number = numberOf(value);
  if (number === undefined)
    throw new Error(`unhashable type, or one that is not supported as a key: '${typeName(value)}'`);
  return number;
};

/**
 * JSON as a template sees it: floats and keys as they were written, where `parseJson` read them.
 * Errors: Error for an integer beyond 2^53, which JavaScript has rounded.
 */
export const fromJson = (value: unknown): Value => {
  if (value === undefined || value === null) return null;
  if (typeof value === "number") {
    if (Number.isInteger(value) && !Number.isSafeInteger(value)) throw new Error(`integer ${value} is beyond 2^53`);
    return value;
  }
  if (typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value !== "object") return String(value);
  const { floats, keys } = writtenAs(value) ?? { floats: undefined, keys: Object.keys(value) };
  const inner = (name: string): Value => {
    const own = (value as Readonly<Record<string, unknown>>)[name];
    return floats?.has(name) && typeof own === "number" ? float(own) : fromJson(own);
  };
  if (Array.isArray(value)) return value.map((_, i) => inner(String(i)));
  return new Map(keys.map((name) => [name, inner(name)]));
};
