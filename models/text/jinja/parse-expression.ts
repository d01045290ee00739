import { lineOf, type Token, unescaped } from "./lexer.js";
import type { CallArgs, Expression } from "./syntax.js";
import { float } from "./values.js";

/** The tokens that are still to be read. */
export interface Reader {
  readonly at: () => Token;
  readonly ahead: () => Token;
  readonly take: () => Token;
  /** Whether the next token is such an operator or word. */
  readonly is: (...texts: readonly string[]) => boolean;
  /** Takes it if it is. */
  readonly skip: (text: string) => boolean;
  readonly expect: (text: string) => void;
  readonly name: () => string;
  readonly fail: (what: string) => Error;
}

export const reader = (source: string, list: readonly Token[]): Reader => {
  let position = 0;
  const at = () => list[position];
  const is = (...texts: readonly string[]): boolean =>
    (at().type === "operator" || at().type === "name") && texts.includes(at().value);
  const take = () => list[position < list.length - 1 ? position++ : position];
  const fail = (what: string): Error => new Error(`line ${lineOf(source, at().at)}: ${what}`);
  const found = (): string => (at().type === "end" || at().type === "eof" ? "the end of the tag" : `"${at().value}"`);
  return {
    at,
    ahead: () => list[Math.min(position + 1, list.length - 1)],
    take,
    is,
    skip: (text) => is(text) && take() !== undefined,
    expect: (text) => {
      if (!is(text)) throw fail(`expected "${text}", found ${found()}`);
      take();
    },
    name: () => {
      if (at().type !== "name") throw fail(`expected a name, found ${found()}`);
      return take().value;
    },
    fail,
  };
};

const NONE: CallArgs = { list: [], named: [] };
const COMPARISONS = ["==", "!=", "<", "<=", ">", ">="] as const;

/** Expressions as Jinja2 reads them, loosest first. Source: jinja2/parser.py. */
export const expressions = (read: Reader) => {
  const number = (text: string, isFloat: boolean) => {
    const plain = text.replaceAll("_", "");
    const value = Number(plain);
    if (!isFloat && !Number.isSafeInteger(value)) throw read.fail(`integer ${plain} is beyond 2^53`);
    return { type: "constant", value: isFloat ? float(value) : value } as const;
  };
  const choice = (): Expression => {
    let value = or();
    while (read.skip("if")) {
      const test = or();
      value = { type: "choice", test, yes: value, no: read.skip("else") ? choice() : undefined };
    }
    return value;
  };
  const or = (): Expression => {
    let left = and();
    while (read.skip("or")) left = { type: "or", left, right: and() };
    return left;
  };
  const and = (): Expression => {
    let left = not();
    while (read.skip("and")) left = { type: "and", left, right: not() };
    return left;
  };
  const not = (): Expression => (read.skip("not") ? { type: "not", of: not() } : compare());
  const compare = (): Expression => {
    const of = sum();
    const rest: [string, Expression][] = [];
    for (;;) {
      if (read.is(...COMPARISONS)) rest.push([read.take().value, sum()]);
      else if (read.skip("in")) rest.push(["in", sum()]);
      else if (read.is("not") && read.ahead().type === "name" && read.ahead().value === "in") {
        read.take();
        read.take();
        rest.push(["not in", sum()]);
      } else break;
    }
    return rest.length === 0 ? of : { type: "compare", of, with: rest };
  };
  const leftward = (operators: readonly string[], inner: () => Expression) => (): Expression => {
    let left = inner();
    while (read.at().type === "operator" && read.is(...operators))
      left = { type: "binary", operator: read.take().value, left, right: inner() };
    return left;
  };
  const power = leftward(["**"], () => unary(true));
  const product = leftward(["*", "/", "//", "%"], power);
  const concat = (): Expression => {
    const items = [product()];
    while (read.skip("~")) items.push(product());
    return items.length === 1 ? items[0] : { type: "concat", items };
  };
  const sum = leftward(["+", "-"], concat);
  const unary = (filters: boolean): Expression => {
    const sign = read.is("-") ? "minus" : read.is("+") ? "plus" : undefined;
    if (sign !== undefined) read.take();
    const value = postfix(sign === undefined ? primary() : { type: sign, of: unary(false) });
    return filters ? filtered(value) : value;
  };
  const primary = (): Expression => {
    const { type, value } = read.at();
    if (type === "name") {
      read.take();
      if (/^[tT]rue$/.test(value)) return { type: "constant", value: true };
      if (/^[fF]alse$/.test(value)) return { type: "constant", value: false };
      if (/^[nN]one$/.test(value)) return { type: "constant", value: null };
      return { type: "name", name: value };
    }
    if (type === "string") {
      let text = "";
      while (read.at().type === "string") text += unescaped(read.take().value);
      return { type: "constant", value: text };
    }
    if (type === "integer" || type === "float") return number(read.take().value, type === "float");
    if (read.skip("(")) {
      const inner = tuple({ empty: true });
      read.expect(")");
      return inner;
    }
    if (read.skip("[")) return { type: "list", items: until("]", choice) };
    if (read.skip("{")) {
      const pair = (): [Expression, Expression] => {
        const name = choice();
        read.expect(":");
        return [name, choice()];
      };
      return { type: "dict", items: until("}", pair) };
    }
    throw read.fail(type === "end" || type === "eof" ? "an expression is missing" : `unexpected "${value}"`);
  };
  /** Things with commas between them, and perhaps one at the end. */
  const until = <T>(end: string, one: () => T): T[] => {
    const items: T[] = [];
    while (!read.is(end)) {
      if (items.length > 0) read.expect(",");
      if (!read.is(end)) items.push(one());
    }
    read.expect(end);
    return items;
  };
  /** One expression, or several with commas: a tuple. */
  const tuple = ({ empty = false, choices = true, end = "" } = {}): Expression => {
    const items: Expression[] = [];
    let isTuple = false;
    for (;;) {
      if (read.at().type === "end" || read.is(")") || (end !== "" && read.is(end))) break;
      items.push(choices ? choice() : or());
      if (!read.skip(",")) break;
      isTuple = true;
    }
    if (!isTuple && items.length === 1) return items[0];
    if (items.length === 0 && !empty) throw read.fail("an expression is missing");
    return { type: "tuple", items };
  };
  const postfix = (start: Expression): Expression => {
    let value = start;
    for (;;) {
      if (read.skip(".")) {
        const { type, value: text } = read.take();
        if (type === "name") value = { type: "attribute", of: value, name: text };
        else if (type === "integer") value = { type: "item", of: value, key: number(text, false) };
        else throw read.fail("expected a name or a number after the point");
      } else if (read.skip("[")) value = subscript(value);
      else if (read.is("(")) value = { type: "call", of: value, args: args() };
      else return value;
    }
  };
  const subscript = (of: Expression): Expression => {
    const parts: (Expression | undefined)[] = [undefined];
    let isSlice = false;
    while (!read.is("]")) {
      if (read.skip(":")) {
        isSlice = true;
        parts.push(undefined);
      } else if (read.is(",") || parts[parts.length - 1] !== undefined || parts.length > 3)
        throw read.fail("expected ], or at most three parts of a slice");
      else parts[parts.length - 1] = choice();
    }
    read.expect("]");
    if (isSlice) return { type: "slice", of, parts };
    if (parts[0] === undefined) throw read.fail("an expression is missing");
    return { type: "item", of, key: parts[0] };
  };
  const args = (): CallArgs => {
    read.expect("(");
    const list: Expression[] = [];
    const named: [string, Expression][] = [];
    let [spread, namedSpread]: (Expression | undefined)[] = [];
    until(")", () => {
      const wrong = () => read.fail("arguments are in the wrong order");
      if (read.skip("**")) {
        if (namedSpread !== undefined) throw wrong();
        namedSpread = choice();
      } else if (read.skip("*")) {
        if (spread !== undefined || namedSpread !== undefined) throw wrong();
        spread = choice();
      } else if (read.at().type === "name" && read.ahead().type === "operator" && read.ahead().value === "=") {
        if (namedSpread !== undefined) throw wrong();
        const name = read.name();
        read.expect("=");
        named.push([name, choice()]);
      } else {
        if (spread !== undefined || namedSpread !== undefined || named.length > 0) throw wrong();
        list.push(choice());
      }
    });
    return { list, named, spread, namedSpread };
  };
  /** A filter's or test's name, which may have points. */
  const dotted = (): string => {
    let name = read.name();
    while (read.skip(".")) name += `.${read.name()}`;
    return name;
  };
  /** Filters after a value; with `inline` the first stands without its bar. */
  const filters = (start: Expression | undefined, inline = false): Expression | undefined => {
    let value = start;
    for (let first = inline; first || read.skip("|"); first = false)
      value = { type: "filter", of: value, name: dotted(), args: read.is("(") ? args() : NONE };
    return value;
  };
  const test = (of: Expression): Expression => {
    const negated = read.skip("not");
    const name = dotted();
    const { type } = read.at();
    let given = NONE;
    if (read.is("(")) given = args();
    else if (["name", "string", "integer", "float"].includes(type) || read.is("[", "{")) {
      if (!read.is("else", "or", "and")) {
        if (read.is("is")) throw read.fail("tests cannot be chained with is");
        given = { ...NONE, list: [postfix(primary())] };
      }
    }
    const tested: Expression = { type: "test", of, name, args: given };
    return negated ? { type: "not", of: tested } : tested;
  };
  const filtered = (start: Expression): Expression => {
    let value = start;
    for (;;) {
      if (read.is("|")) value = filters(value) as Expression;
      else if (read.skip("is")) value = test(value);
      else if (read.is("(")) value = { type: "call", of: value, args: args() };
      else return value;
    }
  };
  return { choice, tuple, filters, primary };
};
