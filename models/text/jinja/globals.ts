import { bind, bounded, intOf, textOf } from "./arguments.js";
import { pay } from "./budget.js";
import { type Args, callable, type Fields, iterate, key, object, type Value, view } from "./values.js";

const pairs = ({ list, named }: Args, name: string): Map<string, Value> => {
  const [from] = bind(name, ["/mapping"], { list, named: new Map() });
  const start = from === undefined ? [] : from instanceof Map ? [...from] : iterate(from).map((pair) => iterate(pair));
  return new Map([...start.map(([k, v]) => [String(key(k as Value)), v as Value] as const), ...named]);
};

const fields = (kind: "Namespace" | "Cycler", own: Map<string, Value>, isOpen: boolean): Fields =>
  object(
    kind,
    (name) => (own.has(name) ? (own.get(name) ?? null) : undefined),
    isOpen ? (name, value) => void own.set(name, value) : undefined,
  );

/** What Jinja2 declares, and what transformers adds: by name. Source: jinja2/defaults.py, chat_template_utils.py. */
export const globals = (now: (format: string) => string): Map<string, Value> => {
  const functions: Readonly<Record<string, (args: Args) => Value>> = {
    range: (args) => {
      const [a, b, c] = bind("range", ["/start", "/stop", "/step"], args);
      const [start, stop] = b === undefined ? [0, intOf(a, "range's end")] : [intOf(a, "start"), intOf(b, "stop")];
      const step = intOf(c, "step", 1);
      if (step === 0) throw new Error("range() arg 3 must not be zero");
      const length = Math.max(0, Math.ceil((stop - start) / step));
      pay(length);
      const text = `range(${start}, ${stop}${step === 1 ? "" : `, ${step}`})`;
      return view(
        "range",
        Array.from({ length }, (_, i) => start + i * step),
        text,
      );
    },
    dict: (args) => pairs(args, "dict"),
    namespace: (args) => fields("Namespace", pairs(args, "namespace"), true),
    joiner: (args) => {
      const [between = ", "] = bind("joiner", ["sep"], args);
      let isFirst = true;
      return callable("joiner", () => {
        const text = isFirst ? "" : between;
        isFirst = false;
        return text;
      });
    },
    cycler: ({ list }) => {
      if (list.length === 0) throw new Error("at least one item has to be provided");
      let at = 0;
      const own: Readonly<Record<string, () => Value>> = {
        current: () => list[at],
        next: () =>
          callable("next", () => {
            at = (at + 1) % list.length;
            return list[(at + list.length - 1) % list.length];
          }),
        reset: () =>
          callable("reset", () => {
            at = 0;
            return null;
          }),
      };
      return object("Cycler", (name) => (Object.hasOwn(own, name) ? own[name]() : undefined));
    },
    raise_exception: (args) => {
      throw new Error(textOf(bind("raise_exception", ["message"], args)[0] ?? "", "message"));
    },
    strftime_now: (args) => bounded(now(textOf(bind("strftime_now", ["format"], args)[0], "format"))),
    lipsum: () => {
      throw new Error("lipsum is not supported");
    },
  };
  return new Map(Object.entries(functions).map(([name, run]) => [name, callable(name, run)]));
};
