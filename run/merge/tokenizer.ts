import { InputError } from "../../core/errors.js";
import { show } from "../../models/files/json.js";
import type { Voice } from "../voice.js";
import type { MergePlan } from "./plan.js";
import type { Recipe } from "./recipe.js";
import { firstDifference, folderOf, vocabularyOf } from "./source.js";

/**
 * The folder whose tokenizer goes along. Rows of the vocabulary are merged by token id, so that another model's tokenizer
 * must have the same ids. Errors: InputError for one that has not.
 */
export const tokenizerFolder = (
  recipe: Recipe,
  { donor, models, vocabulary }: MergePlan,
  out: Pick<Voice, "note">,
): string => {
  const own = vocabularyOf(donor.folder);
  for (const { folder } of models) {
    const other = vocabularyOf(folder);
    const token = own && other && firstDifference(own, other);
    if (token !== undefined)
      out.note(`note: ${folder} and ${donor.folder} differ in token ${show(token)}; rows are merged by token id`);
  }
  const { tokenizerSource: source, path } = recipe;
  if (source === "union")
    throw new InputError(
      `${path}: tokenizer_source: union is not supported, vocabularies are not rebuilt here; use base`,
    );
  const folder = source === undefined || source === "base" ? donor.folder : folderOf(source, path);
  const ids = vocabularyOf(folder);
  const token = own && ids && firstDifference(own, ids);
  if (token !== undefined)
    throw new InputError(
      `${path}: tokenizer_source ${folder} and ${donor.folder} differ in token ${show(token)}; vocabularies are not rebuilt here`,
    );
  for (const [name, id] of ids ?? [])
    if (vocabulary !== undefined && id >= vocabulary)
      throw new InputError(
        `${folder}: token ${show(name)} has id ${id}, but a model to be merged has only ${vocabulary} rows`,
      );
  return folder;
};
