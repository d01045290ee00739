import { createHash } from "node:crypto";
import { realpathSync } from "node:fs";
import { readFile } from "node:fs/promises";
import * as modules from "node:module";
import { pathToFileURL } from "node:url";
import { InputError, ShapeError } from "../../../core/errors.js";
import { expects } from "../../../core/expects.js";
import { reasonOf } from "../../../models/files/writing/system-error.js";
import type { Rule } from "../../../optim/index.js";
import { checkRule } from "../../../optim/rule-check.js";
import { type OwnRule, ownRule, told } from "./own-rule.js";

/** What a rule's own function of hyperparameters is given. */
export type RuleArgs = Readonly<Record<string, number | string | boolean>>;

/** What a file's functions throw later is told as that file's. */
const guarded = (from: string, given: unknown): Rule => {
  checkRule(given, from);
  const rule = given as Rule;
  const guard = ([part, f]: readonly [string, unknown]) => {
    if (typeof f !== "function") return [part, f] as const;
    const called = (...args: readonly unknown[]): unknown => {
      try {
        return f.apply(rule, args);
      } catch (error) {
        if (error instanceof InputError || error instanceof ShapeError) throw error;
        throw new InputError(`${from}: ${part} of "${rule.name}" throws ${told(error)}`);
      }
    };
    return [part, called] as const;
  };
  return Object.fromEntries(Object.entries(rule).map(guard)) as unknown as Rule;
};

/** Hyperparameters that tell which of them were looked at. */
const watched = (args: RuleArgs, seen: Set<string>): RuleArgs => {
  const look = (...names: readonly (string | symbol)[]): void => {
    for (const name of names) seen.add(String(name));
  };
  return new Proxy(args, {
    get: (all, name) => {
      look(name);
      return Reflect.get(all, name);
    },
    has: (all, name) => {
      look(name);
      return Reflect.has(all, name);
    },
    ownKeys: (all) => {
      look(...Reflect.ownKeys(all));
      return Reflect.ownKeys(all);
    },
  });
};

/** Whatever a rule imports as taugrad is this copy: another one's tensors would not be known here. */
const HOOKS = `let own; export const initialize = (url) => { own = url; };
export const resolve = (name, context, next) =>
  next(name, /^taugrad(\\/|$)/.test(name) ? { ...context, parentURL: own } : context);`;
let hooked = false;
const useThisCopy = (): void => {
  // Node before 20.6 finds the package that lies beside the rule.
  if (!hooked) modules.register?.(`data:text/javascript,${encodeURIComponent(HOOKS)}`, { data: import.meta.url });
  hooked = true;
};

/**
 * The rule that a module's default export is, or makes of `args`: `export default ({ beta = 0.9 }) => ({ ...plain, name, … })`.
 * The module is the user's own program, and runs as such.
 * Errors: InputError for a file that is not there, throws, exports no rule by default, or does not look at one of `args`.
 */
export const loadRule = async (path: string, args: RuleArgs | undefined, call: string): Promise<OwnRule> => {
  expects("loadRule", "text any text", path, args, call);
  const from = `${call}: ${path}`;
  const contents = await readFile(path).catch((error: unknown) => {
    throw new InputError(`${from} cannot be read (${reasonOf(error)}); give the path of a module`);
  });
  useThisCopy();
  const url = pathToFileURL(realpathSync(path));
  url.search = createHash("sha256").update(contents).digest("hex").slice(0, 16); // read again where it has changed
  const exported: { readonly default?: unknown } = await import(url.href).catch((error: unknown) => {
    throw new InputError(`${from} cannot be loaded: ${told(error)}`);
  });
  const { default: made } = exported;
  if (made === undefined)
    throw new InputError(`${from} has no default export; write export default { ...plain, name, slots, step }`);
  if (typeof made !== "function") {
    if (args !== undefined)
      throw new InputError(
        `optim_args: ${path} exports a rule, not a function of them; write export default (args) => rule`,
      );
    return ownRule(guarded(from, made), from, contents);
  }
  const seen = new Set<string>();
  let rule: unknown;
  try {
    rule = await (made as (args: RuleArgs) => unknown)(watched(args ?? {}, seen));
  } catch (error) {
    throw new InputError(`${from}: its default export throws ${told(error)}`);
  }
  const own = ownRule(guarded(from, rule), from, contents);
  const unseen = Object.keys(args ?? {}).find((name) => !seen.has(name));
  if (unseen !== undefined)
    throw new InputError(
      `optim_args: ${path} does not read "${unseen}"; it reads ${[...seen].sort().join(", ") || "none"}`,
    );
  return own;
};
