import { InputError } from "../../core/errors.js";
import { instead } from "../../core/suggest.js";
import { isPairStyle, PAIR_STYLES } from "../../lab/compare/measured.js";
import { type Fields, fields } from "../../lab/evaluate/rows/fields.js";
import { isObject, type JsonObject, show } from "../../models/files/json.js";
import type { TrainingKind } from "../fit/kinds.js";
import { integer, number } from "../options/kinds.js";
import { checkPlace, type KeySource, kindOf } from "./keys.js";
import { type Search, searchOf } from "./search.js";

/** A rule that trains. */
export interface Trained {
  readonly kind: TrainingKind;
  readonly source: KeySource;
}

/** An offline merge of what another method made. */
export interface Merged {
  readonly of: string;
  /** As `taugrad merge` reads it, with `start`, `base` and `trained` for models. */
  readonly recipe: JsonObject;
  readonly where: string;
  /** HMA: `start` and `trained` are mixed by a ratio for each block of layers, which is looked for. */
  readonly search?: Search;
}

export type Method = (Trained | Merged) & { readonly rates: readonly number[] };
export const isMerged = (method: Method): method is Merged & Method => "of" in method;

/** What models are asked. */
export interface ExamSpec {
  readonly where: string;
  /** Tasks files: of what is told, and of what selection looks at; without the latter the former's rows are halved. */
  readonly tasks: string;
  readonly validationTasks?: string;
  /** Held-out preference pairs, likewise. */
  readonly pairs?: string;
  readonly validationPairs?: string;
  /** Only the first so many rows of each task, and pairs. */
  readonly limit?: number;
  readonly batchSize: number;
  readonly unsandboxed: boolean;
  /** Names of tasks whose mean is skill. Default: all but style. */
  readonly skill?: readonly string[];
  readonly style: string;
  /** Style levels, ascending. */
  readonly at?: readonly number[];
}

/** What a file asks to be compared. */
export interface Spec {
  readonly path: string;
  readonly content: JsonObject;
  readonly train: TrainingKind;
  readonly base: KeySource;
  readonly methods: Readonly<Record<string, Method>>;
  readonly reference: string;
  readonly seeds: readonly number[];
  readonly evaluate: ExamSpec;
  readonly outputDir?: string;
  /** Are trained models kept once they are measured? */
  readonly keepModels: boolean;
}

const KEYS = [
  "train",
  "base",
  "methods",
  "learning_rate",
  "seeds",
  "reference",
  "evaluate",
  "output_dir",
  "keep_models",
];
const EXAM_KEYS = [
  ...["tasks", "validation_tasks", "eval_dataset", "validation_dataset", "limit", "batch_size", "unsandboxed"],
  ...["skill", "style", "at"],
];
const objectOf = (f: Fields, key: string, must: string): JsonObject => {
  const value = f.raw(key);
  if (value === undefined) throw new InputError(`${f.where}: ${key} is missing; it must hold ${must}`);
  if (!isObject(value)) throw new InputError(`${f.where}: ${key} is ${show(value)}; it must hold ${must}`);
  return value;
};

const anyNumber = number({}, "");
/** A path over learning rates needs their logarithms; the model where all start is its point at 0. */
const rate = number({ above: 0 }, "");
const seed = integer({ from: 0, to: 2 ** 32 - 1 }, "");

/** A list of numbers, each once, ascending; one alone counts as a list. */
const listOf = (given: unknown, where: string, each: typeof rate): readonly number[] => {
  const all = typeof given === "string" ? given.split(",").map((part) => part.trim()) : [given].flat();
  if (all.length === 0) throw new InputError(`${where} is an empty list; give one value at least`);
  const values = all.map((one: unknown) => each.read(one, where));
  const twice = values.find((value, i) => values.indexOf(value) < i);
  if (twice !== undefined) throw new InputError(`${where} has ${twice} twice; leave one out`);
  return values.toSorted((a, b) => a - b);
};

/** Names that reports and messages would show like others, or broken. */
const UNREADABLE = /^\s|\s$|[\p{Cc}\u2028\u2029]/u;

const methodOf = (path: string, name: string, given: unknown, train: TrainingKind, rates: unknown): Method => {
  const where = `${path}: methods: ${name}`;
  const plain = name.replace(/[\s\p{Cc}]+/gu, " ").trim();
  if (plain === "") throw new InputError(`${path}: methods: a name is empty; name each method`);
  if (UNREADABLE.test(name))
    throw new InputError(
      `${path}: methods: ${JSON.stringify(name)} has blanks at an end or breaks a line; call it "${plain}"`,
    );
  if (given != null && !isObject(given))
    throw new InputError(
      `${where} is ${show(given)}; it must hold keys of a run, such as {optim: ondare, alpha: 1e-6}`,
    );
  const { of, train: ownKind, learning_rate: own, search, ...keys } = given ?? {};
  if (of !== undefined) {
    if (typeof of !== "string") throw new InputError(`${where}: of is ${show(of)}; it must name a method`);
    const other = own !== undefined ? "learning_rate" : ownKind !== undefined ? "train" : undefined;
    if (other !== undefined)
      throw new InputError(
        `${where}: ${other} has no meaning beside of: what is merged is what ${of} made, at its learning rates`,
      );
    const asked = search === undefined ? undefined : searchOf(search, keys, where);
    return { of, recipe: keys, where, rates: [], ...(asked !== undefined && { search: asked }) };
  }
  if (search !== undefined)
    throw new InputError(`${where}: search mixes what another method made; add of: the name of that method`);
  checkPlace({ where, keys }, true);
  const given_ = own ?? rates;
  if (given_ == null)
    throw new InputError(`${path}: learning_rate is missing; it must be a list such as [5e-7, 1e-6, 2e-6]`);
  return {
    kind: ownKind === undefined ? train : kindOf(ownKind, where),
    source: { where, keys },
    rates: listOf(given_, own === undefined ? `${path}: learning_rate` : `${where}: learning_rate`, rate),
  };
};

/** Methods, of which merges take their learning rates from whom they are made of. */
const methodsOf = (f: Fields, train: TrainingKind): Readonly<Record<string, Method>> => {
  const { where: path } = f;
  const given = Object.entries(objectOf(f, "methods", 'names with keys of a run each, such as "adamw: {}"'));
  if (given.length === 0) throw new InputError(`${path}: methods is empty; name one at least`);
  const all = new Map(given.map(([name, keys]) => [name, methodOf(path, name, keys, train, f.raw("learning_rate"))]));
  const whole = [...all].map(([name, method]): readonly [string, Method] => {
    if (!isMerged(method)) return [name, method];
    const from = all.get(method.of);
    const trained = [...all].flatMap(([other, one]) => (isMerged(one) ? [] : [other]));
    if (from === undefined)
      throw new InputError(`${method.where}: of: unknown method "${method.of}"; ${instead(method.of, trained)}`);
    if (isMerged(from)) {
      const others = trained.length === 0 ? "add a method that trains" : `name what trains: ${trained.join(", ")}`;
      throw new InputError(`${method.where}: of: ${method.of} is a merge itself; ${others}`);
    }
    return [name, { ...method, rates: from.rates }];
  });
  return Object.fromEntries(whole);
};

const referenceOf = (f: Fields, methods: Spec["methods"]): string => {
  const names = Object.keys(methods);
  const given = f.optionalText("reference") ?? names[0];
  if (!names.includes(given))
    throw new InputError(`${f.where}: reference: unknown method "${given}"; ${instead(given, names)}`);
  return given;
};

const examOf = (given: JsonObject, where: string): ExamSpec => {
  const f = fields(given, where);
  f.only(EXAM_KEYS);
  const [pairs, validationPairs] = [f.optionalText("eval_dataset"), f.optionalText("validation_dataset")];
  if (validationPairs !== undefined && pairs === undefined)
    throw new InputError(
      `${where}: validation_dataset is given without eval_dataset, on which style is told; name both`,
    );
  const style = f.optionalText("style") ?? (pairs === undefined ? undefined : PAIR_STYLES[0]);
  if (style === undefined)
    throw new InputError(
      `${where}: nothing says what style is; give eval_dataset, held-out preference pairs, or style: the name of a task`,
    );
  if (isPairStyle(style) && pairs === undefined)
    throw new InputError(
      `${where}: style is ${style}, which is measured on held-out preference pairs; name them as eval_dataset`,
    );
  const [validationTasks, skill] = [f.optionalText("validation_tasks"), f.optionalTexts("skill")];
  const at = f.raw("at");
  return {
    ...{ where, tasks: f.text("tasks"), style },
    ...{ batchSize: f.count("batch_size", 1, 8), unsandboxed: f.flag("unsandboxed", false) },
    ...(validationTasks !== undefined && { validationTasks }),
    ...(pairs !== undefined && { pairs }),
    ...(validationPairs !== undefined && { validationPairs }),
    ...(f.raw("limit") !== undefined && { limit: f.count("limit", 1) }),
    ...(skill !== undefined && { skill }),
    ...(at !== undefined && { at: listOf(at, `${where}: at`, anyNumber) }),
  };
};

/**
 * What a file asks for: the keys that all runs share, methods, learning rates, seeds, what is asked of every model.
 * Errors: InputError naming file, place and key, with what was probably meant.
 */
export const specOf = (content: JsonObject, path: string): Spec => {
  const f = fields(content, path);
  f.only(KEYS);
  const train = kindOf(f.raw("train") ?? "dpo", path);
  const base = {
    where: `${path}: base`,
    keys: objectOf(f, "base", "the keys that all runs share, as in taugrad dpo --config"),
  };
  checkPlace(base, false);
  const methods = methodsOf(f, train);
  const outputDir = f.optionalText("output_dir");
  return {
    ...{ path, content, train, base, methods },
    reference: referenceOf(f, methods),
    seeds: listOf(f.raw("seeds") ?? [0, 1, 2], `${path}: seeds`, seed),
    evaluate: examOf(objectOf(f, "evaluate", "tasks, and held-out pairs"), `${path}: evaluate`),
    ...(outputDir !== undefined && { outputDir }),
    keepModels: f.flag("keep_models", true),
  };
};
