/** node:test as a page has it: tests wait until `runAll`, and then run one after the other. */
import fc from "fast-check";

/** One of a page, whatever bundle asks: files of one page are run in turn, and share what they have opened. */
globalThis.laws ??= { tests: [], hooks: { before: [], beforeEach: [], after: [] } };
const { tests, hooks } = globalThis.laws;
const hooking = (kind) => (hook) => hooks[kind].push(hook);
export const [before, beforeEach, after] = ["before", "beforeEach", "after"].map(hooking);
export const test = (name, ...rest) => tests.push({ name, body: rest.at(-1), isSkipped: Boolean(rest[0]?.skip) });

/** An error, and what it came of: of a law that fails, its counterexample and why. */
const toldOf = (error) => {
  if (!(error instanceof Error)) return String(error);
  return `${error.stack}${error.cause === undefined ? "" : `\ncaused by ${toldOf(error.cause)}`}`;
};

/** What a test is given. */
const context = (name, told) => ({
  name,
  skip: (why = "") => {
    told.skipped = String(why);
  },
  diagnostic: () => {},
  test: async (_, body) => body(context(name, told)),
});

/**
 * Runs what was defined since the last call and has a title like `only`, but what is `leftOut`: { source, why } each. Resolves to what
 * each came to: { name, error?, skipped? }.
 */
export const runAll = async (seed, leftOut = [], only = "") => {
  const wanted = new RegExp(only);
  if (seed !== undefined) fc.configureGlobal({ ...fc.readConfigureGlobal(), seed });
  const results = [];
  for (const hook of hooks.before.splice(0)) await hook();
  for (const { name, body, isSkipped } of tests.splice(0).filter((one) => wanted.test(one.name))) {
    const told = { name };
    results.push(told);
    const not = leftOut.find(({ source }) => new RegExp(source).test(name));
    if (isSkipped || not !== undefined) {
      told.skipped = not?.why ?? "";
      continue;
    }
    try {
      for (const hook of hooks.beforeEach) await hook();
      await body(context(name, told));
    } catch (error) {
      told.error = toldOf(error);
    }
  }
  return results;
};

/** Gives back what the files of this page have opened. */
export const endAll = async () => {
  for (const hook of hooks.after.splice(0)) await hook();
};
