import { type Filter, flagOf, intOf, joinAll, type Tools } from "./arguments.js";
import { pay } from "./budget.js";
import { sorted } from "./methods.js";
import { arithmetic, order } from "./operators.js";
import {
  type Args,
  defined,
  equal,
  isA,
  iterate,
  lazy,
  nothing,
  str,
  type Tuple,
  truth,
  tuple,
  typeName,
  type Value,
} from "./values.js";

/** Reads a.b.0 of a value: an attribute by name, or an item by number. */
const getter = (attribute: Value | undefined, tools: Tools, otherwise?: Value) => {
  if (attribute === undefined || attribute === null) return (value: Value) => value;
  const parts: readonly Value[] =
    typeof attribute === "string"
      ? attribute.split(".").map((part) => (/^\d+$/.test(part) ? Number(part) : part))
      : [attribute];
  return (value: Value): Value =>
    parts.reduce<Value>((at, part) => {
      const inner = tools.item(at, part);
      return isA("undefined", inner) && otherwise !== undefined && otherwise !== null ? otherwise : inner;
    }, value);
};

const folded = (value: Value, keepsCase: boolean): Value =>
  typeof value === "string" && !keepsCase ? value.toLowerCase() : value;

const extreme =
  (sign: number): Filter[1] =>
  (value, [keepsCase, attribute], tools) => {
    const read = getter(attribute, tools);
    const items = iterate(defined(value));
    if (items.length === 0) return nothing("No aggregated item, sequence was empty.");
    const keyOf = (item: Value) => folded(read(item), flagOf(keepsCase));
    return items.reduce((best, item) => (sign * order(keyOf(item), keyOf(best)) > 0 ? item : best));
  };

/** Filters that go through a value. Source: jinja2/filters.py. */
export const sequenceFilters: Readonly<Record<string, Filter>> = {
  list: [[], (value) => [...iterate(value)]],
  items: [
    [],
    (value) => {
      if (isA("undefined", value)) return lazy("generator", []);
      if (!(value instanceof Map)) throw new Error("Can only get item pairs from a mapping.");
      return lazy(
        "generator",
        [...value].map((pair) => tuple(pair)),
      );
    },
  ],
  first: [
    [],
    (value) => {
      const [first] = isA("lazy", value) ? [value.next()] : iterate(value);
      return first ?? (first === null ? null : nothing("No first item, sequence was empty."));
    },
  ],
  last: [
    [],
    (value) => {
      if (isA("lazy", value)) throw new Error(`'${value.kind}' object is not reversible`);
      const items = iterate(defined(value));
      return items.length > 0 ? items[items.length - 1] : nothing("No last item, sequence was empty.");
    },
  ],
  join: [
    ["d", "attribute"],
    (value, [between = "", attribute], tools) => joinAll(iterate(value).map(getter(attribute, tools)), str(between)),
  ],
  reverse: [
    [],
    (value) => {
      const items = [...iterate(defined(value))].reverse();
      return typeof value === "string" ? items.join("") : lazy("list_reverseiterator", items);
    },
  ],
  sort: [
    ["reverse", "case_sensitive", "attribute"],
    (value, [reverse, keepsCase, attribute], tools) => {
      const parts = typeof attribute === "string" ? attribute.split(",") : [attribute];
      const read = parts.map((part) => getter(part, tools));
      const by = (item: Value): Value => read.map((get) => folded(get(item), flagOf(keepsCase)));
      return sorted(iterate(value), by, flagOf(reverse));
    },
  ],
  unique: [
    ["case_sensitive", "attribute"],
    (value, [keepsCase, attribute], tools) => {
      const read = getter(attribute, tools);
      const seen: Value[] = [];
      const items = iterate(value).filter((item) => {
        const own = folded(read(item), flagOf(keepsCase));
        const isNew = !seen.some((other) => equal(other, own));
        if (isNew) seen.push(own);
        return isNew;
      });
      return lazy("generator", items);
    },
  ],
  min: [["case_sensitive", "attribute"], extreme(-1)],
  max: [["case_sensitive", "attribute"], extreme(1)],
  sum: [
    ["attribute", "start"],
    (value, [attribute, start = 0], tools) => {
      const read = getter(attribute, tools);
      return iterate(value).reduce<Value>((total, item) => arithmetic("+", total, read(item)), start);
    },
  ],
  batch: [
    ["linecount", "fill_with"],
    (value, [count, fill = null]) => {
      const [items, size] = [iterate(value), intOf(count, "linecount")];
      if (!(size >= 1 && size <= 100_000)) throw new Error(`batch into lines of ${size}`);
      const lines = Array.from({ length: Math.ceil(items.length / size) }, (_, i) =>
        items.slice(i * size, (i + 1) * size),
      );
      const filled = lines.map((line) => (fill === null ? line : [...line, ...Array(size - line.length).fill(fill)]));
      return lazy("generator", filled);
    },
  ],
  slice: [
    ["slices", "fill_with"],
    (value, [count, fill = null]) => {
      const [items, slices] = [iterate(value), intOf(count, "slices")];
      if (!(slices >= 1 && slices <= 10_000)) throw new Error(`slice into ${slices} lists`);
      pay(slices);
      const [each, more] = [Math.floor(items.length / slices), items.length % slices];
      const cut = Array.from({ length: slices }, (_, i) => {
        const from = i * each + Math.min(i, more);
        const own = items.slice(from, from + each + (i < more ? 1 : 0));
        return fill !== null && i >= more ? [...own, fill] : own;
      });
      return lazy("generator", cut);
    },
  ],
  groupby: [
    ["attribute", "default", "case_sensitive"],
    (value, [attribute, otherwise, keepsCase], tools) => {
      const read = getter(attribute, tools, otherwise);
      const by = (item: Value) => folded(read(item), flagOf(keepsCase));
      const groups: Value[][] = [];
      for (const item of sorted(iterate(value), by, false)) {
        const last = groups[groups.length - 1];
        if (last !== undefined && equal(by(last[0]), by(item))) last.push(item);
        else groups.push([item]);
      }
      return groups.map((group) => tuple([read(group[0]), group]));
    },
  ],
  dictsort: [
    ["case_sensitive", "by", "reverse"],
    (value, [keepsCase, by = "key", reverse]) => {
      if (by !== "key" && by !== "value") throw new Error('You can only sort by either "key" or "value"');
      if (!(value instanceof Map)) throw new Error(`dictsort needs a mapping, not '${typeName(defined(value))}'`);
      const pairs = [...value].map((pair) => tuple(pair));
      const at = by === "key" ? 0 : 1;
      return sorted(pairs, (pair) => folded((pair as Tuple).items[at], flagOf(keepsCase)), flagOf(reverse));
    },
  ],
};

/** map, select, reject, selectattr, rejectattr: filters that name another filter, a test or an attribute. */
export const mapped = (name: string, value: Value, { list, named }: Args, tools: Tools): Value => {
  const items = iterate(value);
  if (name === "map") {
    if (list.length === 0 && named.has("attribute")) {
      const other = [...named.keys()].find((given) => given !== "attribute" && given !== "default");
      if (other !== undefined) throw new Error(`map takes no argument "${other}"`);
      return lazy("generator", items.map(getter(named.get("attribute"), tools, named.get("default"))));
    }
    const [inner, ...rest] = list;
    if (typeof inner !== "string") throw new Error("map needs a filter's name, or attribute=");
    return lazy(
      "generator",
      items.map((item) => tools.filter(inner, item, { list: rest, named })),
    );
  }
  const isAttribute = name.endsWith("attr");
  if (isAttribute && list.length === 0) throw new Error(`${name} needs an attribute's name`);
  const read = isAttribute ? getter(list[0], tools) : (item: Value) => item;
  const [inner, ...rest] = isAttribute ? list.slice(1) : list;
  if (inner !== undefined && typeof inner !== "string") throw new Error(`${name} needs a test's name`);
  if (named.size > 0) throw new Error(`${name} takes no named arguments`);
  const passes = (item: Value): boolean =>
    inner === undefined ? truth(read(item)) : tools.test(inner, read(item), rest);
  return lazy(
    "generator",
    items.filter((item) => passes(item) === name.startsWith("select")),
  );
};
