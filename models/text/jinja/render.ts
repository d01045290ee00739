import { bounded } from "./arguments.js";
import { pay } from "./budget.js";
import { call, evaluator, type Scope, scope } from "./evaluate.js";
import { loopFields } from "./loop.js";
import type { Block, Expression, Routine, Statement, Target } from "./syntax.js";
import {
  type Args,
  type Callable,
  callable,
  defined,
  isA,
  iterate,
  nothing,
  str,
  truth,
  tuple,
  type Value,
} from "./values.js";

/** Where text goes, piece by piece. */
interface Sink {
  readonly write: (text: string) => void;
  readonly text: () => string;
  readonly length: () => number;
}

const sink = (): Sink => {
  const parts: string[] = [];
  let length = 0;
  return {
    write: (text) => {
      length += text.length;
      parts.push(text);
      if (length > 1 << 21) bounded(parts.join(""));
    },
    text: () => bounded(parts.join("")),
    length: () => length,
  };
};

/** A stretch of the rendered text, in UTF-16 units. */
export type Span = readonly [start: number, end: number];

const mentioned = new WeakMap<Routine, readonly boolean[]>();

/** Whether a macro reads varargs, kwargs, and its caller. */
const mentions = (routine: Routine): readonly boolean[] => {
  const known = mentioned.get(routine);
  if (known !== undefined) return known;
  const reads = JSON.stringify(routine.body);
  const found = ["varargs", "kwargs", "caller"].map((word) => reads.includes(`{"type":"name","name":"${word}"}`));
  mentioned.set(routine, found);
  return found;
};

/** How a loop's body ended. */
type Jump = "break" | "continue" | undefined;

/**
 * Renders a template's statements; `{% generation %}` blocks come back as spans of the text. As in transformers, a span starts
 * where the text outside of macros and set blocks has come to. Errors: Error for whatever Jinja2 raises, and what is not
 * supported. Source: jinja2/compiler.py, transformers/utils/chat_template_utils.py.
 */
export const render = (
  statements: Block,
  names: ReadonlyMap<string, Value>,
): { readonly text: string; readonly spans: readonly Span[] } => {
  const { evaluate, applyArgs, tools } = evaluator();
  const top = sink();
  const spans: Span[] = [];

  const assign = (target: Target, value: Value, here: Scope): void => {
    if (target.type === "name") here.set(target.name, value);
    else if (target.type === "field") {
      const space = here.get(target.name);
      if (space === undefined || !isA("fields", space) || space.set === undefined)
        throw new Error(`cannot assign attribute "${target.field}" on what is no namespace: ${target.name}`);
      space.set(target.field, value);
    } else {
      const values = iterate(defined(value));
      if (values.length !== target.items.length)
        throw new Error(`${values.length} values for ${target.items.length} names`);
      target.items.forEach((one, i) => {
        assign(one, values[i], here);
      });
    }
  };

  const captured = (body: Block, here: Scope): string => {
    const inside = sink();
    run(body, scope(here), inside);
    return inside.text();
  };

  /** Applies filters, of which the innermost has no value of its own, to a text. */
  const filtered = (chain: Expression, text: Value, here: Scope): Value => {
    if (chain.type !== "filter") return evaluate(chain, here);
    const inner = chain.of === undefined ? text : filtered(chain.of, text, here);
    return tools.filter(chain.name, inner, applyArgs(chain.args, here));
  };

  const routine = (name: string, own: Routine, around: Scope): Callable => {
    const { parameters, body } = own;
    const [takesMore, takesNamed, takesCaller] = mentions(own);
    const known = parameters.map((parameter) => parameter.name);
    return callable(name, ({ list, named }: Args) => {
      pay(1);
      const here = scope(around);
      const rest = new Map(named);
      if (list.length > known.length && !takesMore)
        throw new Error(`macro '${name}' takes not more than ${known.length} argument(s)`);
      if (takesCaller && !known.includes("caller")) {
        here.set("caller", rest.get("caller") ?? nothing("No caller defined"));
        rest.delete("caller");
      }
      parameters.forEach((parameter, i) => {
        const given = i < list.length ? list[i] : rest.get(parameter.name);
        if (i >= list.length) rest.delete(parameter.name);
        const value = given !== undefined ? given : parameter.default && evaluate(parameter.default, here);
        here.set(
          parameter.name,
          value ?? (value === null ? null : nothing(`parameter '${parameter.name}' was not provided`)),
        );
      });
      const [other] = rest.keys();
      if (other !== undefined && !takesNamed) throw new Error(`macro '${name}' takes no keyword argument '${other}'`);
      if (takesNamed) here.set("kwargs", rest);
      if (takesMore) here.set("varargs", tuple(list.slice(known.length)));
      const inside = sink();
      run(body, here, inside);
      return inside.text();
    });
  };

  const loop = (
    statement: Statement & { type: "for" },
    values: Value,
    around: Scope,
    out: Sink,
    depth: number,
  ): void => {
    const { target, test, body, none, isRecursive } = statement;
    const bound = (value: Value): Scope => {
      const here = scope(around);
      assign(target, value, here);
      return here;
    };
    const all = iterate(values);
    const items = test === undefined ? all : all.filter((value) => truth(evaluate(test, bound(value))));
    const again = (inner: Value): Value => {
      const inside = sink();
      loop(statement, inner, around, inside, depth + 1);
      return inside.text();
    };
    const { fields, step } = loopFields(items, depth, isRecursive ? again : undefined);
    // As in Jinja2, else runs unless some round came to its end: one that all rounds leave early runs it too.
    let isDone = false;
    for (const [i, value] of items.entries()) {
      step(i);
      const here = scope(around, [["loop", fields]]);
      assign(target, value, here);
      const jump = run(body, here, out);
      if (jump === "break") break;
      isDone ||= jump === undefined;
    }
    if (!isDone) run(none, scope(around), out);
  };

  const perform = (statement: Statement, here: Scope, out: Sink): Jump => {
    switch (statement.type) {
      case "data":
        out.write(statement.text);
        return undefined;
      case "print":
        out.write(str(evaluate(statement.value, here)));
        return undefined;
      case "set":
        assign(statement.target, evaluate(statement.value, here), here);
        return undefined;
      case "capture": {
        const text = captured(statement.body, here);
        assign(statement.target, statement.filter === undefined ? text : filtered(statement.filter, text, here), here);
        return undefined;
      }
      case "filtered":
        out.write(str(filtered(statement.filter, captured(statement.body, here), here)));
        return undefined;
      case "if":
        return run(truth(evaluate(statement.test, here)) ? statement.yes : statement.no, here, out);
      case "for":
        loop(statement, evaluate(statement.items, here), here, out, 0);
        return undefined;
      case "break":
      case "continue":
        return statement.type;
      case "with": {
        const inside = scope(here);
        const values = statement.sets.map(([, value]) => evaluate(value, here));
        statement.sets.forEach(([target], i) => {
          assign(target, values[i], inside);
        });
        return run(statement.body, inside, out);
      }
      case "macro":
        here.set(statement.name, routine(statement.name, statement.routine, here));
        return undefined;
      case "callBlock": {
        const { of, args } = statement.call;
        const given = applyArgs(args, here);
        const caller = routine("caller", statement.routine, here);
        out.write(
          str(call(evaluate(of, here), { list: given.list, named: new Map([...given.named, ["caller", caller]]) })),
        );
        return undefined;
      }
      case "generation": {
        const text = captured(statement.body, here);
        spans.push([top.length(), top.length() + text.length]);
        out.write(text);
        return undefined;
      }
    }
  };

  const run = (body: Block, here: Scope, out: Sink): Jump => {
    for (const statement of body) {
      pay(1);
      const jump = perform(statement, here, out);
      if (jump !== undefined) return jump;
    }
    return undefined;
  };

  run(statements, scope(undefined, names), top);
  return { text: top.text(), spans };
};
