import { createContext, Script } from "node:vm";
import { InputError } from "../core/errors.js";

/** Longest that one pattern may take over all names, in ms. */
const LIMIT = 5000;

/** What Python's expressions have and JavaScript's have not, or spell otherwise. */
const PYTHON_ONLY = /\(\?P|\(\?[aiLmsux]+[:)-]|\\[AZ]|\(\?#|\(\?\(/;

/**
 * Which of `names` a regular expression of an adapter's configuration matches as a whole (Python's `re.fullmatch`). The
 * expression comes from a file: one that takes too long is stopped.
 * Errors: InputError naming the setting, for an expression that is none, that only Python reads, or that takes too long.
 */
export const fullMatches = (pattern: string, names: readonly string[], what: string): ReadonlySet<string> => {
  const refuse = (why: string): InputError =>
    new InputError(`${what}: ${JSON.stringify(pattern)} ${why}; name the modules instead`);
  if (PYTHON_ONLY.test(pattern)) throw refuse("is an expression of Python's that is not read here");
  let whole: RegExp;
  try {
    whole = new RegExp(`^(?:${pattern})$`);
  } catch {
    throw refuse("is no regular expression");
  }
  const context = createContext({ whole, names });
  try {
    const matched: string[] = new Script("names.filter((name) => whole.test(name))").runInContext(context, {
      timeout: LIMIT,
    });
    return new Set(matched);
  } catch {
    throw refuse(`takes more than ${LIMIT} ms to match`);
  }
};
