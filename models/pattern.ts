import { InputError } from "../core/errors.js";
import { show } from "./files/json.js";
import { inTime } from "./platform/node/in-time.js";

/** Longest that one pattern may take over all names, in ms. */
const LIMIT = 2000;
/** Longest pattern, in characters: making a long one ready takes time that nothing stops. */
const LONGEST = 4096;

/** What Python's expressions have and JavaScript's have not, or spell otherwise. */
const PYTHON_ONLY = /\(\?P|\(\?[aiLmsux]+[:)-]|\\[AZ]|\(\?#|\(\?\(/;

/**
 * Which of `names` a regular expression of an adapter's configuration matches as a whole (Python's `re.fullmatch`). The
 * expression comes from a file: one that takes too long is stopped.
 * Errors: InputError naming the setting, for an expression that is none, that only Python reads, or that takes too long.
 */
export const fullMatches = (pattern: string, names: readonly string[], what: string): ReadonlySet<string> => {
  const refuse = (why: string): InputError =>
    new InputError(`${what}: ${show(pattern)} ${why}; name the modules instead`);
  if (pattern.length > LONGEST) throw refuse(`has ${pattern.length} characters, at most ${LONGEST} are read`);
  if (PYTHON_ONLY.test(pattern)) throw refuse("is an expression of Python's that is not read here");
  let whole: RegExp;
  try {
    whole = new RegExp(`^(?:${pattern})$`);
  } catch {
    throw refuse("is no regular expression");
  }
  try {
    return new Set(
      inTime(
        LIMIT,
        (why) => refuse(`${why} to match`),
        () => names.filter((name) => whole.test(name)),
      ),
    );
  } catch (error) {
    throw error instanceof RangeError ? refuse(`cannot be matched (${error.message})`) : error;
  }
};
