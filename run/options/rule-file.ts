import { loadRule, type RuleArgs } from "../../align/training/rules/load-rule.js";
import { type OwnRule, ownRule } from "../../align/training/rules/own-rule.js";
import { InputError } from "../../core/errors.js";
import { isObject, show } from "../../models/files/json.js";
import type { Rule } from "../../optim/index.js";
import { NUMBER, type Option } from "./kinds.js";

/** A rule of the user's own in place of an optimizer's name: a module, shown and written as its path, or by its name. */
export class RuleFile {
  readonly path: string;
  readonly own: OwnRule | undefined;
  constructor(path: string, own?: OwnRule) {
    this.path = path;
    this.own = own;
  }
  /** As runs are compared: what it holds is compared by digest. */
  get asSetting(): string {
    return `a rule of one's own, ${this.own?.rule.name}`;
  }
  toString(): string {
    return this.path;
  }
  toJSON(): string {
    return this.path;
  }
}

/** Is it a path rather than a name? */
const isPath = (given: unknown): given is string => typeof given === "string" && /[./\\]/.test(given);

/** Is it meant as a rule? A file has no functions. */
const hasFunctions = (given: unknown): boolean =>
  typeof given === "object" && given !== null && Object.values(given).some((part) => typeof part === "function");

/** A choice of names, or the path of a module, or in a program the rule itself. */
export const orRuleFile = <T, G>({
  given: _,
  ...names
}: Option<T, G>): Option<T | RuleFile, G | `${string}.${string}` | Rule> => ({
  ...names,
  read: (given, where) => {
    if (isPath(given)) return new RuleFile(given) as NonNullable<T | RuleFile>;
    if (!hasFunctions(given)) return names.read(given, where) as NonNullable<T | RuleFile>;
    const own = ownRule(given, where);
    return new RuleFile(own.rule.name, own) as NonNullable<T | RuleFile>;
  },
});

const plainValue = (text: unknown): unknown => {
  const said = typeof text === "string" ? text.trim() : text;
  if (said === "true" || said === "false") return said === "true";
  return typeof said === "string" && NUMBER.test(said) ? Number(said) : said;
};

/** Hyperparameters: `a=1,b=2` as transformers writes them, or a YAML map. */
export const ruleArgs = (about: string): Option<RuleArgs | undefined, RuleArgs | string> => ({
  ...{ flag: false, value: "A=X,…", about, fallback: undefined },
  read: (given, where) => {
    const pairs =
      typeof given === "string"
        ? given.split(",").map((pair) => /^\s*([^=\s]+)\s*=(.*)$/s.exec(pair)?.slice(1) ?? [])
        : isObject(given)
          ? Object.entries(given)
          : [[]];
    const read = pairs.map(([name, value]) => [name, plainValue(value)] as const);
    const isWrong = ([name, value]: (typeof read)[number], i: number) =>
      name === undefined ||
      !["string", "boolean", "number"].includes(typeof value) ||
      value === "" ||
      read.findIndex(([other]) => other === name) !== i;
    if (read.some(isWrong))
      throw new InputError(`${where} is ${show(given)}; it must be names with a value each, such as a=1,b=2`);
    return Object.fromEntries(read) as RuleArgs;
  },
});

/** Keys that may name a module. */
const KEYS = ["optim", "base_optim"] as const;
type Named = { readonly [K in (typeof KEYS)[number]]: unknown } & { readonly optim_args: RuleArgs | undefined };

/** Values whose modules are loaded. Errors: InputError as `loadRule`, and for arguments that nobody takes. */
export const withRules = async <V extends Named>(values: V): Promise<V> => {
  let loaded = values;
  for (const key of KEYS) {
    const file = values[key];
    if (file instanceof RuleFile && file.own === undefined)
      loaded = { ...loaded, [key]: new RuleFile(file.path, await loadRule(file.path, values.optim_args, key)) };
  }
  if (loaded === values && values.optim_args !== undefined)
    throw new InputError(`optim_args belongs to a rule of one's own, such as optim: ./my-rule.js; leave it out`);
  return loaded;
};

/** The rule that a module holds; a name as it is. */
export const ruleOr = <T>(optim: T | RuleFile): T | Rule =>
  optim instanceof RuleFile ? (optim.own as OwnRule).rule : optim;

/** Digests of the rules by their keys. */
export const ruleDigests = (values: Named): Record<string, string> =>
  Object.fromEntries(
    KEYS.flatMap((key) => {
      const file = values[key];
      return file instanceof RuleFile && file.own !== undefined ? [[key, file.own.digest]] : [];
    }),
  );
