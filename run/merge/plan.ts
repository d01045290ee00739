import { InputError, key, sameShape, scalar } from "../../core/index.js";
import type { WeightDtype } from "../../models/index.js";
import { weightDtypeOf } from "../../models/index.js";
import { MERGE_METHODS, type MergeOptions, mergeTensors } from "../../optim/offline/index.js";
import type { Recipe, RecipeModel } from "./recipe.js";
import { EMBEDDING, folderOf, HEAD, openSource, type SourceModel, samePlace, storedName } from "./source.js";

/** A model's part in one merged tensor. */
interface PlannedPart {
  readonly model: SourceModel;
  readonly weight: number;
  readonly density: number;
}

/** One tensor of the merged model. */
export interface PlannedMerge {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: WeightDtype;
  readonly parts: readonly PlannedPart[];
  readonly options: MergeOptions;
}

/** A whole merge, checked as far as headers tell. */
export interface MergePlan {
  /** The base model, or the first one: what the merged folder takes its configuration from. */
  readonly donor: SourceModel;
  readonly models: readonly SourceModel[];
  /** δ is taken to the donor. */
  readonly deltas: boolean;
  readonly tensors: readonly PlannedMerge[];
  /** Rows of the merged vocabulary, and whether the output matrix stays the embedding. */
  readonly vocabulary: number | undefined;
  readonly tied: boolean;
  readonly notes: readonly string[];
}

const shown = (shape: readonly number[]): string => `[${shape.join(", ")}]`;
const isVocabulary = (name: string): boolean => name === EMBEDDING || name === HEAD;

/** Which layer a tensor belongs to, or undefined. */
const layerOf = (name: string): number | undefined => {
  const found = /\.(?:layers|h|blocks)\.(\d+)\./.exec(name);
  return found === null ? undefined : Number(found[1]);
};

/** How deep a tensor lies, from 0 to 1: its layer's share; embeddings 0, what follows the layers 1. Source: mergekit. */
const depths = (names: readonly string[]): ((name: string) => number) => {
  const last = Math.max(0, ...names.map((name) => layerOf(name) ?? 0));
  return (name) => {
    const layer = layerOf(name);
    if (layer === undefined) return /embed|wte|wpe/.test(name) ? 0 : 1;
    return last === 0 ? 1 : layer / last;
  };
};

const shapeIn = (model: SourceModel, name: string): readonly number[] =>
  model.weights.info(storedName(model, name)).shape;

/** Errors: InputError naming the first tensor that one model has and another has not, or of another shape. */
const checkAlike = (model: SourceModel, donor: SourceModel, names: readonly string[]): void => {
  if (model.raw.model_type !== donor.raw.model_type)
    throw new InputError(
      `${model.folder} is a ${String(model.raw.model_type)} model, ${donor.folder} a ${String(donor.raw.model_type)} model; only one architecture can be merged`,
    );
  const wanted = new Set(names);
  const extra = model.names.find((name) => !wanted.has(name));
  if (extra !== undefined)
    throw new InputError(
      `${model.folder}: tensor "${extra}" is not in ${donor.folder}; the two must be one architecture`,
    );
  for (const name of names) {
    if (!model.weights.has(storedName(model, name)))
      throw new InputError(`${model.folder}: tensor "${name}" is missing; ${donor.folder} has it`);
    const [a, b] = [shapeIn(model, name), shapeIn(donor, name)];
    const padded = isVocabulary(name) && a.length === 2 && b.length === 2 && a[1] === b[1];
    if (!sameShape(a, b) && !padded)
      throw new InputError(
        `tensor "${name}": ${model.folder} has ${shown(a)}, ${donor.folder} ${shown(b)}; they must agree`,
      );
  }
};

/** The stored format of a merged tensor. */
const dtypeFor = ({ dtype }: Recipe, donor: SourceModel, name: string): WeightDtype => {
  if (dtype !== undefined) return weightDtypeOf(dtype);
  const stored = donor.weights.info(storedName(donor, name)).dtype;
  return stored === "F16" || stored === "BF16" ? stored : "F32";
};

/** Differing vocabularies: what becomes of the rows that not all have. */
const padding = (models: readonly SourceModel[], rows: number, deltas: boolean): string[] =>
  models.flatMap((model) => {
    const own = shapeIn(model, EMBEDDING)[0];
    if (own === rows) return [];
    const what =
      own > rows ? `its rows from ${rows} on are left out` : `the base model's rows from ${own} on stay as they are`;
    return deltas || own > rows
      ? [`note: ${model.folder} has a vocabulary of ${own}, the merged model of ${rows}: ${what}`]
      : [];
  });

const opened = (recipe: Recipe, isSame: typeof samePlace) => {
  const models = recipe.models.map((entry) => ({ entry, model: openSource(folderOf(entry.folder, recipe.path)) }));
  const base = recipe.base === undefined ? undefined : openSource(folderOf(recipe.base, recipe.path));
  const traits = MERGE_METHODS[recipe.method];
  const deltas = traits.deltas !== undefined || (traits.circle !== undefined && base !== undefined);
  // mergekit's way: the base may be listed among the models, and then changes nothing.
  const parts = deltas ? models.filter(({ model }) => !isSame(model.folder, (base as SourceModel).folder)) : models;
  if (parts.length === 0) throw new InputError(`${recipe.path}: models lists nothing beside the base model`);
  return { donor: base ?? parts[0].model, parts, deltas };
};

/** The parameters of one tensor. Errors: InputError if its weight is nowhere given. */
const settingsFor = (recipe: Recipe, entry: RecipeModel, name: string, depth: number) => {
  const { parameters, path } = recipe;
  const weight = entry.weight?.(name, depth) ?? parameters.weight?.(name, depth);
  if (weight === undefined)
    throw new InputError(`${path}: ${entry.folder} has no weight for tensor "${name}"; give parameters: {weight: …}`);
  return { weight, density: entry.density?.(name, depth) ?? parameters.density?.(name, depth) ?? 1 };
};

/** Tries a tensor's parameters on scalars, so that what cannot be merged is known before anything is written. */
const tried = (planned: PlannedMerge, path: string, isDelta: boolean): PlannedMerge => {
  const sources = planned.parts.map(({ weight, density }) => ({ tensor: scalar(0), weight, density }));
  try {
    mergeTensors(sources, isDelta ? scalar(0) : undefined, { ...planned.options, key: key(0) });
  } catch (error) {
    throw error instanceof InputError ? new InputError(`${path}: tensor "${planned.name}": ${error.message}`) : error;
  }
  return planned;
};

/**
 * Opens every model and settles, from headers and configurations, what becomes of each tensor. `isSame`: are two folders one? It
 * may say no of one that stands for another, which is not there yet.
 * Errors: InputError, one line, for models that do not fit together or a parameter that is missing.
 */
export const planMerge = (recipe: Recipe, isSame = samePlace): MergePlan => {
  const { donor, parts, deltas } = opened(recipe, isSame);
  const models = parts.map(({ model }) => model);
  const tied = donor.tied && models.every((model) => model.tied);
  const names = donor.tied && !tied ? [...donor.names, HEAD] : donor.names;
  for (const model of models) checkAlike(model, donor, names);
  const depth = depths(names);
  // Without a base no model is the measure, so that only rows that all have can be averaged; as mergekit does.
  const counted = deltas ? [donor] : models;
  const vocabulary = donor.weights.has(EMBEDDING)
    ? Math.min(...counted.map((model) => shapeIn(model, EMBEDDING)[0]))
    : undefined;
  const tensors = names.map((name): PlannedMerge => {
    const at = depth(name);
    const own = shapeIn(donor, name);
    const { normalize, lambda, rescale } = recipe.parameters;
    const planned = {
      name,
      shape: isVocabulary(name) && vocabulary !== undefined ? [vocabulary, ...own.slice(1)] : own,
      dtype: dtypeFor(recipe, donor, name),
      parts: parts.map(({ entry, model }) => ({ model, ...settingsFor(recipe, entry, name, at) })),
      options: {
        method: recipe.method,
        normalize: normalize?.(name, at),
        lambda: lambda?.(name, at),
        rescale: rescale?.(name, at),
      },
    };
    return tried(planned, recipe.path, deltas);
  });
  const notes = vocabulary === undefined ? [] : padding(models, vocabulary, deltas);
  return { donor, models, deltas, tensors, vocabulary, tied, notes };
};
