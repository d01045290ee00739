import { resolve } from "node:path";
import { type Device, InputError } from "../../core/index.js";
import { isObject, type JsonObject } from "../../models/files/json.js";
import { sideFilesOf } from "../../models/index.js";
import { planMerge } from "../merge/plan.js";
import { parseRecipe, type Recipe } from "../merge/recipe.js";
import { runMerge } from "../merge/run.js";
import { tokenizerFolder } from "../merge/tokenizer.js";
import type { Voice } from "../voice.js";

/** A recipe in which `start`, `base` and `trained` stand for models. */
export interface NamedRecipe {
  readonly recipe: JsonObject;
  readonly where: string;
}

/** Keys of a recipe that name models. */
const MODELS: ReadonlySet<string> = new Set(["model", "base_model", "tokenizer_source"]);

/** A recipe with something else for the names of its models. */
export const renamed = (recipe: unknown, to: (model: string) => unknown, key = ""): unknown => {
  if (typeof recipe === "string") return MODELS.has(key) ? to(recipe) : recipe;
  if (Array.isArray(recipe)) return recipe.map((part: unknown) => renamed(part, to, key));
  return isObject(recipe)
    ? Object.fromEntries(Object.entries(recipe).map(([own, part]) => [own, renamed(part, to, own)]))
    : recipe;
};

type Folders = Readonly<Record<string, string>>;

const read = ({ recipe, where }: NamedRecipe, folders: Folders): Recipe => {
  const to = (model: string) => (Object.hasOwn(folders, model) ? folders[model] : model);
  return parseRecipe(renamed(recipe, to) as JsonObject, where, `${JSON.stringify(recipe, undefined, 1)}\n`);
};

/** The models that a recipe names. */
export const namesIn = (recipe: JsonObject): ReadonlySet<string> => {
  const names = new Set<string>();
  renamed(recipe, (model) => names.add(model));
  return names;
};

/** Checks a merge before what it merges is trained; the start stands for it. → what it says to no effect. Errors: InputError. */
export const checkMerge = (named: NamedRecipe, folders: Folders): readonly string[] => {
  const recipe = read(named, { ...folders, trained: `${resolve(folders.start)}/.` });
  const plan = planMerge(recipe, (a, b) => a === b);
  if (!namesIn(named.recipe).has("trained"))
    throw new InputError(
      `${named.where}: none of its models is "trained", which stands for what its method makes; each run would be the same`,
    );
  return [...recipe.notes, ...plan.notes];
};

/** Merges into a folder; `folders` has `trained` too. Errors: as `planMerge`. */
export const mergeModels = async (
  named: NamedRecipe,
  folders: Folders,
  { folder, seed }: { readonly folder: string; readonly seed: number },
  device: Device,
  out: Pick<Voice, "note">,
): Promise<void> => {
  const recipe = read(named, folders);
  const plan = planMerge(recipe);
  const tokenizer = sideFilesOf(tokenizerFolder(recipe, plan, out));
  await runMerge(plan, recipe, { folder, tokenizer, seed, shardSize: undefined }, device);
};
