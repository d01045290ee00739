import { InputError } from "../../core/errors.js";
import { amongst } from "../../core/suggest.js";
import type { ModelDtype } from "../../models/config.js";
import { isObject, type JsonObject, readText, show } from "../../models/files/json.js";
import { MERGE_METHODS, type MergeMethod } from "../../optim/offline/index.js";
import { number } from "../options/kinds.js";
import { parseYaml } from "../yaml.js";
import { unknownKey } from "./keys.js";
import { type Setting, setting } from "./setting.js";

/** Parameters that differ by model and tensor, as far as they are given. */
export interface PartSettings {
  readonly weight?: Setting<number>;
  readonly density?: Setting<number>;
}

/** Parameters that differ by tensor alone, as far as they are given. */
interface WholeSettings {
  readonly normalize?: Setting<boolean>;
  readonly lambda?: Setting<number>;
  readonly rescale?: Setting<boolean | "l1" | "density">;
}

/** One model of a recipe. */
export interface RecipeModel extends PartSettings {
  /** As it was written. */
  readonly folder: string;
}

/** A checked merge recipe, in mergekit's terms. */
export interface Recipe {
  readonly path: string;
  /** What stands there, to be kept with the merged model. */
  readonly text: string;
  readonly method: MergeMethod;
  readonly base: string | undefined;
  readonly models: readonly RecipeModel[];
  readonly parameters: PartSettings & WholeSettings;
  /** What the weights are stored as; as in the base model if undefined. */
  readonly dtype: ModelDtype | undefined;
  /** "base", or the folder of one of the models. */
  readonly tokenizerSource: string | undefined;
  /** Things to tell: keys that do nothing. */
  readonly notes: readonly string[];
}

const dtypes = ["float32", "float16", "bfloat16"] as const satisfies readonly ModelDtype[];
const partKeys = ["weight", "density"];
const wholeKeys = ["normalize", "lambda", "rescale", "int8_mask", "t", "nuslerp_flatten", "nuslerp_row_wise"];

/** Parameters of mergekit's that hold one value here. */
const fixed: Readonly<Record<string, { readonly value: boolean; readonly why: string }>> = {
  nuslerp_flatten: { value: true, why: "the angle is that of whole tensors" },
  nuslerp_row_wise: { value: false, why: "the angle is that of whole tensors" },
};
const recipeKeys = ["merge_method", "base_model", "models", "parameters", "dtype", "out_dtype", "tokenizer_source"];

/** Keys of mergekit that mean something else than what is done here. */
const foreign: Readonly<Record<string, string>> = {
  slices: "layers are not rearranged here; list whole models under models",
  modules: "parts of models are not merged apart here; list whole models under models",
  tokenizer: "vocabularies are not rebuilt here; leave it out, or set tokenizer_source: base",
  chat_template: "the template is copied from the base model; leave it out, and edit the merged folder",
};

/** As far as f32 goes: beyond it weights and their sums are infinities. */
const LARGEST = 3.4e38;
const anyNumber = number({ from: -LARGEST, to: LARGEST }, "");
const share = number({ from: 0, to: 1 }, "");

const bool = (given: unknown, where: string): boolean => {
  if (typeof given !== "boolean") throw new InputError(`${where} is ${show(given)}; it must be true or false`);
  return given;
};

const rescaling = (given: unknown, where: string): boolean | "l1" | "density" => {
  if (typeof given === "boolean" || given === "l1" || given === "density") return given;
  throw new InputError(`${where} is ${show(given)}; it must be true, false, l1 or density`);
};

const choose = <const T extends string>(given: unknown, names: readonly T[], where: string): T => {
  const found = names.find((name) => name === given);
  if (found !== undefined) return found;
  throw new InputError(`${where} is ${show(given)}; ${amongst(given, names)}`);
};

const folderName = (given: unknown, where: string): string => {
  if (typeof given !== "string" || given.trim() === "")
    throw new InputError(`${where} is ${show(given)}; it must be a model folder`);
  return given;
};

const parts = (given: JsonObject, where: string): PartSettings => ({
  ...(given.weight != null && { weight: setting(given.weight, `${where}: weight`, anyNumber.read) }),
  ...(given.density != null && { density: setting(given.density, `${where}: density`, share.read) }),
});

const parametersOf = (given: unknown, where: string): JsonObject => {
  if (given != null && !isObject(given))
    throw new InputError(`${where} is ${show(given)}; it must hold "key: value" lines`);
  return given ?? {};
};

const readModel = (given: unknown, where: string): RecipeModel => {
  if (!isObject(given))
    throw new InputError(`${where} is ${show(given)}; an entry is {model: FOLDER, parameters: {…}}`);
  for (const key of Object.keys(given))
    if (key !== "model" && key !== "parameters") throw unknownKey(where, key, ["model", "parameters"]);
  const parameters = parametersOf(given.parameters, `${where}: parameters`);
  for (const key of Object.keys(parameters)) {
    if (wholeKeys.includes(key))
      throw new InputError(`${where}: ${key} holds for the whole merge; put it under parameters at the top`);
    if (!partKeys.includes(key)) throw unknownKey(`${where}: parameters`, key, partKeys);
  }
  return { folder: folderName(given.model, `${where}: model`), ...parts(parameters, where) };
};

/** Reads a file's merge recipe. Errors: as `parseRecipe`. */
export const readRecipe = async (path: string): Promise<Recipe> => {
  const text = readText(path);
  return parseRecipe(await parseYaml(text, path), path, text);
};

/**
 * A merge recipe as mergekit writes it, from what stands in `path`.
 * Errors: InputError, one line, for unknown or unsupported keys and methods, and values out of range.
 */
export const parseRecipe = (content: JsonObject, path: string, text: string): Recipe => {
  for (const [key, value] of Object.entries(content)) {
    if (Object.hasOwn(foreign, key) && value != null) throw new InputError(`${path}: ${key}: ${foreign[key]}`);
    if (!recipeKeys.includes(key) && !Object.hasOwn(foreign, key)) throw unknownKey(path, key, recipeKeys);
  }
  const { merge_method, base_model, models, dtype, out_dtype, tokenizer_source } = content;
  if (merge_method == null)
    throw new InputError(`${path}: merge_method is missing; choose one of ${Object.keys(MERGE_METHODS).join(", ")}`);
  const method = choose(merge_method, Object.keys(MERGE_METHODS) as MergeMethod[], `${path}: merge_method`);
  if (!Array.isArray(models) || models.length === 0)
    throw new InputError(`${path}: models is ${show(models)}; list at least one {model: FOLDER, parameters: {…}}`);
  const traits = MERGE_METHODS[method];
  if (traits.deltas !== undefined && base_model == null)
    throw new InputError(`${path}: ${method} needs base_model; it merges the differences to it`);
  const parameters = parametersOf(content.parameters, `${path}: parameters`);
  for (const key of Object.keys(parameters))
    if (![...partKeys, ...wholeKeys].includes(key))
      throw unknownKey(`${path}: parameters`, key, [...partKeys, ...wholeKeys]);
  for (const [key, { value, why }] of Object.entries(fixed))
    if (parameters[key] != null && parameters[key] !== value)
      throw new InputError(`${path}: parameters: ${key} is ${show(parameters[key])}: ${why}; leave it out`);
  const { normalize, lambda, rescale, int8_mask, t } = parameters;
  const at = (key: string): string => `${path}: parameters: ${key}`;
  const storedAs = out_dtype ?? dtype;
  const read: Recipe = {
    path,
    text,
    method,
    base: base_model == null ? undefined : folderName(base_model, `${path}: base_model`),
    models: models.map((entry: unknown, i) => readModel(entry, `${path}: models[${i}]`)),
    parameters: {
      ...parts(parameters, `${path}: parameters`),
      ...(normalize != null && { normalize: setting(normalize, at("normalize"), bool) }),
      ...(lambda != null && { lambda: setting(lambda, at("lambda"), anyNumber.read) }),
      ...(rescale != null && { rescale: setting(rescale, at("rescale"), rescaling) }),
    },
    dtype:
      storedAs == null ? undefined : choose(storedAs, dtypes, `${path}: ${out_dtype == null ? "dtype" : "out_dtype"}`),
    tokenizerSource: tokenizer_source == null ? undefined : folderName(tokenizer_source, `${path}: tokenizer_source`),
    notes: [],
  };
  if (method === "slerp" && t == null)
    throw new InputError(`${path}: slerp needs parameters: {t: …}, 0 for base_model and 1 for the other model`);
  if (dtype != null) choose(dtype, dtypes, `${path}: dtype`);
  const given = { int8_mask, lambda, rescale, normalize, t };
  const notes = idle(
    read,
    Object.entries(given).flatMap(([key, value]) => (value == null ? [] : [key])),
  );
  return { ...(method === "slerp" ? onCircle(read, setting(t, at("t"), share.read)) : read), notes };
};

/** slerp's own way to say two weights: how far to go from the base, which is one of the two models, to the other. */
const onCircle = (recipe: Recipe, t: Setting<number>): Recipe => {
  const { path, base, models } = recipe;
  const others = models.filter(({ folder }) => folder !== base);
  if (base === undefined || models.length > 2 || others.length !== 1)
    throw new InputError(`${path}: slerp goes from base_model to one other model; list that one under models, or both`);
  const near: Setting<number> = (tensor, depth) => {
    const at = t(tensor, depth);
    return at === undefined ? undefined : 1 - at;
  };
  const [{ folder }] = others;
  const two = [
    { folder: base, weight: near },
    { folder, weight: t },
  ];
  return { ...recipe, base: undefined, models: two };
};

/** What a recipe says to no effect. */
const idle = ({ method, models, parameters }: Recipe, given: readonly string[]): string[] => {
  const { deltas, circle } = MERGE_METHODS[method];
  const weight = [parameters, ...models].some((part) => part.weight !== undefined);
  const density = [parameters, ...models].some((part) => part.density !== undefined);
  const none = [
    ...(density && deltas?.sparse === undefined ? ["density"] : []),
    ...given.filter(
      (key) =>
        (key === "lambda" && deltas === undefined) ||
        (key === "rescale" && deltas?.sparse === undefined) ||
        (key === "normalize" && circle !== undefined) ||
        (key === "t" && method !== "slerp"),
    ),
    ...(weight && method === "slerp" ? ["weight"] : []),
  ];
  return [
    ...(given.includes("int8_mask") ? ["note: int8_mask does nothing here; masks never lie in memory"] : []),
    ...(none.length > 0 ? [`note: ${none.join(", ")} ${none.length > 1 ? "do" : "does"} nothing with ${method}`] : []),
  ];
};
