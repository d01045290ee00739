/** As much of node:assert/strict as laws use, for a page. */

export class AssertionError extends Error {
  name = "AssertionError";
}

const shown = (value) => {
  try {
    return (
      JSON.stringify(value, (_, x) => (typeof x === "bigint" ? `${x}n` : ArrayBuffer.isView(x) ? [...x] : x)) ??
      String(value)
    );
  } catch {
    return String(value);
  }
};
const failed = (message, fallback) => {
  if (message instanceof Error) throw message;
  throw new AssertionError(message ?? fallback());
};

const keysOf = (x) => [
  ...Object.keys(x),
  ...Object.getOwnPropertySymbols(x).filter((key) => Object.prototype.propertyIsEnumerable.call(x, key)),
];

/** Deep and strict: prototypes count, and the two zeros differ. */
const same = (a, b) => {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
  if (ArrayBuffer.isView(a)) return a.length === b.length && a.every((x, i) => Object.is(x, b[i]));
  if (a instanceof Map)
    return a.size === b.size && [...a].every(([key, value]) => b.has(key) && same(value, b.get(key)));
  if (a instanceof Set) return a.size === b.size && [...a].every((x) => b.has(x) || [...b].some((y) => same(x, y)));
  if (a instanceof Error && (a.name !== b.name || a.message !== b.message)) return false;
  if (a instanceof RegExp || a instanceof Date) return String(a) === String(b);
  if (Array.isArray(a) && a.length !== b.length) return false;
  const [ofA, ofB] = [keysOf(a), keysOf(b)];
  return ofA.length === ofB.length && ofA.every((key) => Object.hasOwn(b, key) && same(a[key], b[key]));
};

/** Is a thrown error what was expected: a pattern of its text, its class, a function that says so, or fields that it has? */
const fits = (error, expected) => {
  if (expected === undefined || typeof expected === "string") return true; // a string is what to say if nothing is thrown
  if (expected instanceof RegExp) return expected.test(String(error));
  if (typeof expected === "function")
    return expected.prototype !== undefined && error instanceof expected
      ? true
      : !(expected.prototype instanceof Error) && expected(error) === true;
  return Object.entries(expected).every(([key, value]) =>
    value instanceof RegExp ? value.test(error[key]) : same(error[key], value),
  );
};
const checkThrown = (error, expected, message) => {
  if (!fits(error, expected))
    failed(typeof message === "string" ? message : undefined, () => `unexpected: ${error?.stack ?? error}`);
};

const assert = (value, message) => value || failed(message, () => `${shown(value)} is not true`);
export const strict = Object.assign(assert, {
  AssertionError,
  ok: assert,
  fail: (message) => failed(message, () => "failed"),
  equal: (a, b, message) => Object.is(a, b) || failed(message, () => `${shown(a)} is not ${shown(b)}`),
  notEqual: (a, b, message) => !Object.is(a, b) || failed(message, () => `both are ${shown(a)}`),
  deepEqual: (a, b, message) => same(a, b) || failed(message, () => `${shown(a)} is not ${shown(b)}`),
  notDeepEqual: (a, b, message) => !same(a, b) || failed(message, () => `both are ${shown(a)}`),
  match: (text, pattern, message) => pattern.test(text) || failed(message, () => `${text} is not like ${pattern}`),
  doesNotMatch: (text, pattern, message) => !pattern.test(text) || failed(message, () => `${text} is like ${pattern}`),
  doesNotThrow: (body) => body(),
  throws: (body, expected, message) => {
    try {
      body();
    } catch (error) {
      return checkThrown(error, expected, message);
    }
    return failed(typeof message === "string" ? message : undefined, () => "nothing was thrown");
  },
  rejects: async (body, expected, message) => {
    try {
      await (typeof body === "function" ? body() : body);
    } catch (error) {
      return checkThrown(error, expected, message);
    }
    return failed(typeof message === "string" ? message : undefined, () => "nothing was rejected");
  },
});
