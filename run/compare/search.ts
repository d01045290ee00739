import { InputError } from "../../core/errors.js";
import { fields } from "../../lab/evaluate/rows/fields.js";
import { isObject, type JsonObject, show } from "../../models/files/json.js";
import { blockAt, type RatioSearch } from "../../optim/offline/index.js";

/** How ratios of blocks are looked for on validation rows: see `searchRatios`. */
export type Search = Required<Omit<RatioSearch, "score">>;

/** Rounds at most: each moves a step, and the search ends by itself where no move is better. */
const MOST_ROUNDS = 100;

/** Keys of a recipe that a search sets itself. */
const SET = ["merge_method", "models", "base_model", "parameters"];

/** `search: {blocks, mean, step, rounds}` of a method, beside other keys of it. Errors: InputError naming the key. */
export const searchOf = (given: unknown, beside: JsonObject, where: string): Search => {
  const mend = "it must hold blocks, mean and step, such as {blocks: 3, mean: 0.7, step: 0.2}";
  if (!isObject(given)) throw new InputError(`${where}: search is ${show(given)}; ${mend}`);
  const other = SET.find((key) => beside[key] != null);
  if (other !== undefined)
    throw new InputError(
      `${where}: ${other} has no meaning beside search, which mixes start and trained linearly; leave it out`,
    );
  const f = fields(given, `${where}: search`);
  f.only(["blocks", "mean", "step", "rounds"]);
  for (const key of ["mean", "step"])
    if (f.raw(key) === undefined) throw new InputError(`${f.where}: ${key} is missing; ${mend}`);
  const [mean, step] = [f.number("mean", 0), f.number("step", 0)];
  if (mean < 0 || mean > 1) throw new InputError(`${f.where}: mean is ${mean}; it must be a number in [0, 1]`);
  if (step <= 0 || step > 1) throw new InputError(`${f.where}: step is ${step}; it must be a number in (0, 1]`);
  const blocks = f.count("blocks", 1);
  // As `searchRatios` moves them: both stay in [0, 1].
  if (blocks > 1 && !(mean - step >= 0 && mean + step <= 1))
    throw new InputError(
      `${f.where}: step is ${step}, and from mean ${mean} no block can give and take that much in [0, 1]; give a smaller one, or another mean`,
    );
  return { blocks, mean, step, rounds: f.count("rounds", 1, 1, MOST_ROUNDS) };
};

/** Models that a search asks at most. */
export const triesOf = ({ blocks, rounds }: Search): number => (blocks === 1 ? 0 : 1 + rounds * blocks * (blocks - 1));

/**
 * The recipe that mixes `start` and `trained` of a model of so many layers by a ratio of the latter for each block of them, beside
 * keys that a recipe may have otherwise. Embeddings go with the first block, what follows the layers with the last.
 */
export const mixed = (ratios: readonly number[], layers: number, beside: JsonObject): JsonObject => {
  const depth = (layer: number): number => (layers === 1 ? 1 : layer / (layers - 1));
  const weight = Array.from({ length: layers }, (_, layer) => ratios[blockAt(depth(layer), ratios.length)]);
  return {
    ...beside,
    merge_method: "linear",
    models: [
      { model: "start", parameters: { weight: weight.map((ratio) => 1 - ratio) } },
      { model: "trained", parameters: { weight } },
    ],
  };
};

/** A merge with all ratios at their mean, to be checked. Errors: InputError for more blocks than layers. */
export const atMean = <M extends { readonly recipe: JsonObject; readonly where: string; readonly search?: Search }>(
  merge: M,
  layers: number,
): M => {
  const { recipe, where, search } = merge;
  if (search === undefined) return merge;
  const { blocks, mean } = search;
  if (blocks > layers)
    throw new InputError(`${where}: search: blocks is ${blocks}, and the model has ${layers} layers; give no more`);
  return { ...merge, recipe: mixed(Array<number>(blocks).fill(mean), layers, recipe) };
};
