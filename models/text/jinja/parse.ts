import { tokens } from "./lexer.js";
import { expressions, reader } from "./parse-expression.js";
import type { Block, Parameter, Statement, Target } from "./syntax.js";

/** Statements that need other templates, or an extension that transformers does not load. */
const REFUSED = ["extends", "include", "import", "from", "block", "do", "trans", "debug", "autoescape"];

/**
 * A template as statements. Errors: Error, with the line, for what Jinja2 does not parse, and for statements that need other
 * templates. Source: jinja2/parser.py; `generation` is transformers' own.
 */
export const parse = (source: string): Block => {
  const read = reader(source, tokens(source));
  const { choice, tuple, filters, primary } = expressions(read);
  let loops = 0;

  /** Statements until one of these tags, whose name comes back. */
  const block = (...ends: readonly string[]): { body: Block; end: string } => {
    const body: Statement[] = [];
    for (;;) {
      const { type, value } = read.at();
      if (type === "eof") {
        if (ends.length > 0) throw read.fail(`the template ends where ${ends.join(" or ")} is missing`);
        return { body, end: "" };
      }
      read.take();
      if (type === "data") body.push({ type: "data", text: value });
      else if (value === "variable") {
        body.push({ type: "print", value: tuple() });
        close();
      } else {
        const name = read.name();
        if (ends.includes(name)) return { body, end: name };
        body.push(...statement(name));
        close();
      }
    }
  };
  const close = (): void => {
    if (read.at().type !== "end") throw read.fail(`unexpected "${read.at().value}"`);
    read.take();
  };
  /** The rest of an opening tag, and statements until `end`'s name, whose tag is still open. */
  const inner = (...ends: readonly string[]): { body: Block; end: string } => {
    read.skip(":");
    close();
    return block(...ends);
  };
  const target = (ends: readonly string[] = []): Target => {
    const one = (): Target => {
      const value = primary();
      if (value.type === "tuple") return { type: "targets", items: value.items.map(named) };
      if (value.type !== "name" || !read.skip(".")) return named(value);
      return { type: "field", name: value.name, field: read.name() };
    };
    const named = (value: { type: string; name?: string }): Target => {
      if (value.type !== "name" || value.name === undefined) throw read.fail(`cannot assign to a ${value.type}`);
      return { type: "name", name: value.name };
    };
    const items = [one()];
    let isTuple = false;
    while (read.skip(",")) {
      isTuple = true;
      if (read.is("=", ...ends) || read.at().type === "end") break;
      items.push(one());
    }
    return isTuple ? { type: "targets", items } : items[0];
  };
  const parameters = (): readonly Parameter[] => {
    const list: Parameter[] = [];
    read.expect("(");
    while (!read.is(")")) {
      if (list.length > 0) read.expect(",");
      const name = read.name();
      const value = read.skip("=") ? choice() : undefined;
      if (value === undefined && list.some((before) => before.default !== undefined))
        throw read.fail("a parameter without a default follows one with a default");
      list.push({ name, default: value });
    }
    read.expect(")");
    return list;
  };
  const branch = (): Statement => {
    const test = tuple({ choices: false });
    const { body: yes, end } = inner("elif", "else", "endif");
    if (end === "elif") return { type: "if", test, yes, no: [branch()] };
    return { type: "if", test, yes, no: end === "else" ? inner("endif").body : [] };
  };

  const kinds: Readonly<Record<string, () => Statement | readonly Statement[]>> = {
    if: branch,
    for: () => {
      const own = target(["in"]);
      read.expect("in");
      const items = tuple({ choices: false, end: "recursive" });
      const test = read.skip("if") ? choice() : undefined;
      const isRecursive = read.skip("recursive");
      loops++;
      const { body, end } = inner("endfor", "else");
      loops--;
      return {
        type: "for",
        ...{ target: own, items, test, isRecursive, body, none: end === "else" ? inner("endfor").body : [] },
      };
    },
    set: () => {
      const own = target();
      if (read.skip("=")) return { type: "set", target: own, value: tuple() };
      const filter = filters(undefined);
      return { type: "capture", target: own, filter, body: inner("endset").body };
    },
    print: () => {
      const values: Statement[] = [];
      while (read.at().type !== "end") {
        if (values.length > 0) read.expect(",");
        values.push({ type: "print", value: choice() });
      }
      return values;
    },
    with: () => {
      const sets: (readonly [Target, ReturnType<typeof choice>])[] = [];
      while (read.at().type !== "end") {
        if (sets.length > 0) read.expect(",");
        const own = target();
        read.expect("=");
        sets.push([own, choice()]);
      }
      return { type: "with", sets, body: inner("endwith").body };
    },
    filter: () => {
      const filter = filters(undefined, true);
      if (filter === undefined) throw read.fail("a filter is missing");
      return { type: "filtered", filter, body: inner("endfilter").body };
    },
    macro: () => ({ type: "macro", name: read.name(), routine: routine(parameters(), "endmacro") }),
    call: () => {
      const own = read.is("(") ? parameters() : [];
      const call = choice();
      if (call.type !== "call") throw read.fail("call needs a call of a macro");
      return { type: "callBlock", call, routine: routine(own, "endcall") };
    },
    generation: () => ({ type: "generation", body: outside(() => inner("endgeneration").body) }),
    break: () => jump("break"),
    continue: () => jump("continue"),
  };
  /** Statements that belong to no loop around them. */
  const outside = <T>(run: () => T): T => {
    const around = loops;
    loops = 0;
    const result = run();
    loops = around;
    return result;
  };
  const routine = (own: readonly Parameter[], end: string) => ({
    parameters: own,
    body: outside(() => inner(end).body),
  });
  const jump = (type: "break" | "continue"): Statement => {
    if (loops === 0) throw read.fail(`${type} outside of a loop`);
    return { type };
  };
  const statement = (name: string): readonly Statement[] => {
    if (!Object.hasOwn(kinds, name))
      throw read.fail(
        REFUSED.includes(name) ? `{% ${name} %} is not supported` : `{% ${name} %} is not known, or closes nothing`,
      );
    const made = kinds[name]();
    return Array.isArray(made) ? made : [made as Statement];
  };
  return block().body;
};
