import { isLower, isUpper } from "./methods.js";
import { compare } from "./operators.js";
import { defined, equal, isA, isFloat, isList, isNumber, numberOf, str, type Value } from "./values.js";

const int = (value: Value, name: string): number => {
  const number = numberOf(defined(value));
  if (number === undefined) throw new Error(`test "${name}" needs a number`);
  return number;
};

type Test = (value: Value, args: readonly Value[]) => boolean;

const comparing =
  (operator: string): Test =>
  (value, [other]) =>
    compare(operator, value, other);

/** Python's %, whose sign is the divisor's. */
const rest = (a: number, b: number): number => ((a % b) + b) % b;

const COMPARISONS: Readonly<Record<string, readonly string[]>> = {
  "==": ["eq", "equalto"],
  "!=": ["ne"],
  ">": ["gt", "greaterthan"],
  ">=": ["ge"],
  "<": ["lt", "lessthan"],
  "<=": ["le"],
};

const isSequence: Test = (value) =>
  typeof value === "string" ||
  isList(value) ||
  isA("tuple", value) ||
  value instanceof Map ||
  isA("undefined", value) ||
  (isA("view", value) && value.kind === "range");

/** Jinja2's tests, by how many arguments they take beside the value. Source: jinja2/tests.py. */
const TESTS: Readonly<Record<string, readonly [count: number, test: Test]>> = {
  defined: [0, (value) => !isA("undefined", value)],
  undefined: [0, (value) => isA("undefined", value)],
  none: [0, (value) => value === null],
  boolean: [0, (value) => typeof value === "boolean"],
  true: [0, (value) => value === true],
  false: [0, (value) => value === false],
  integer: [0, (value) => isNumber(value) && !isFloat(value)],
  float: [0, isFloat],
  number: [0, (value) => isNumber(value) || typeof value === "boolean"],
  string: [0, (value) => typeof value === "string"],
  mapping: [0, (value) => value instanceof Map],
  sequence: [0, isSequence],
  iterable: [
    0,
    (value) =>
      !(
        value === null ||
        typeof value === "boolean" ||
        isNumber(value) ||
        isA("callable", value) ||
        isA("fields", value)
      ),
  ],
  callable: [0, (value) => isA("callable", value) || (isA("fields", value) && value.call !== undefined)],
  escaped: [0, () => false],
  lower: [0, (value) => isLower(str(value))],
  upper: [0, (value) => isUpper(str(value))],
  odd: [0, (value) => rest(int(value, "odd"), 2) === 1],
  even: [0, (value) => rest(int(value, "even"), 2) === 0],
  divisibleby: [1, (value, [by]) => rest(int(value, "divisibleby"), int(by, "divisibleby")) === 0],
  sameas: [
    1,
    (value, [other]) =>
      value === other ||
      (isNumber(value) && isNumber(other) && isFloat(value) === isFloat(other) && equal(value, other)),
  ],
  in: [1, comparing("in")],
  ...Object.fromEntries(
    Object.entries(COMPARISONS).flatMap(([operator, names]) =>
      [operator, ...names].map((name) => [name, [1, comparing(operator)] as const]),
    ),
  ),
};

/** Errors: Error for a test that Jinja2 does not have, or a wrong number of arguments. */
export const test = (name: string, value: Value, args: readonly Value[]): boolean => {
  if (!Object.hasOwn(TESTS, name)) throw new Error(`no test is named "${name}"`);
  const [count, run] = TESTS[name];
  if (args.length !== count) throw new Error(`test "${name}" takes ${count} arguments, ${args.length} were given`);
  return run(value, args);
};
