import { createHash } from "node:crypto";
import { existsSync, statSync } from "node:fs";
import { modelFingerprint } from "../../align/training/fingerprint.js";
import { InputError } from "../../core/errors.js";
import { show } from "../../models/files/json.js";
import { sideFilesOf } from "../../models/index.js";
import { withDevice } from "../../run/device.js";
import { locateIn } from "../../run/located.js";
import { type MergePlan, planMerge } from "../../run/merge/plan.js";
import { type Recipe, type RecipeModel, readRecipe } from "../../run/merge/recipe.js";
import { runMerge } from "../../run/merge/run.js";
import { samePlace } from "../../run/merge/source.js";
import { tokenizerFolder } from "../../run/merge/tokenizer.js";
import { checkOwn, isModelFile, signFolder } from "../../run/writing/claim.js";
import type { Values } from "../options.js";
import type { Output } from "../output.js";
import { untilEnded } from "../writing/until-ended.js";

const units: Readonly<Record<string, number>> = { "": 1, K: 1e3, M: 1e6, B: 1e9 };

/** "5B", "200M", "1000": a number of parameters, as mergekit counts. */
const parameterCount = (given: string): number => {
  const [, digits, unit] = /^(\d+(?:\.\d+)?)([KMB]?)$/i.exec(given.trim()) ?? [];
  const count = digits === undefined ? 0 : Math.floor(Number(digits) * units[unit.toUpperCase()]);
  if (!(count >= 1))
    throw new InputError(`--out-shard-size is ${show(given)}; it must be a number of parameters such as 5B or 200M`);
  return count;
};

/** Errors: InputError if the merged model would overwrite a model it is made from, or a file. */
const checkTarget = (out: string, { donor, models }: MergePlan): void => {
  if (!existsSync(out)) return;
  if (!statSync(out).isDirectory()) throw new InputError(`${out}: is a file; choose a folder for the merged model`);
  const clash = [donor, ...models].find(({ folder }) => samePlace(folder, out));
  if (clash !== undefined) throw new InputError(`${out} is one of the models to be merged; choose another folder`);
};

/** Passes a count on at most so often, in seconds. */
const every = (seconds: number, tell: (count: number) => void): ((count: number) => void) => {
  let told = performance.now();
  return (count) => {
    if (performance.now() - told < 1000 * seconds) return;
    told = performance.now();
    tell(count);
  };
};

/** A recipe with folders for names of the Hub. */
const withModels = async (recipe: Recipe, out: Output): Promise<Recipe> => {
  const { path, base, tokenizerSource: source } = recipe;
  const here = (name: string): Promise<string> => locateIn(path, name, out);
  const models: RecipeModel[] = [];
  for (const entry of recipe.models) models.push({ ...entry, folder: await here(entry.folder) });
  return {
    ...{ ...recipe, models },
    base: base && (await here(base)),
    tokenizerSource: source && (await here(source)),
  };
};

/** What decides a merged model. */
const identityOf = ({ seed, out_shard_size }: Values<"merge">, { text }: Recipe, { donor, models }: MergePlan) => ({
  settings: { seed, out_shard_size: out_shard_size ?? null },
  digests: {
    recipe: createHash("sha256").update(text).digest("hex"),
    ...Object.fromEntries([donor, ...models].map(({ folder }) => [folder, modelFingerprint(folder)])),
  },
});

/** `taugrad merge`: several models of one architecture into one, by mergekit's recipes. */
export const mergeCommand = async (values: Values<"merge">, out: Output): Promise<void> => {
  const recipe = await withModels(await readRecipe(values.recipe), out);
  const plan = planMerge(recipe);
  checkTarget(values.out, plan);
  for (const note of [...recipe.notes, ...plan.notes]) out.note(note);
  const target = {
    folder: values.out,
    tokenizer: sideFilesOf(tokenizerFolder(recipe, plan, out)),
    seed: values.seed,
    shardSize: values.out_shard_size === undefined ? undefined : parameterCount(values.out_shard_size),
  };
  const claim = {
    ...{ folder: values.out, what: "merge", overwrite: values.overwrite_output_dir, option: "--overwrite-output-dir" },
    takes: (name: string) => isModelFile(name) || name === "mergekit_config.yml",
  };
  const farewell = "nothing of the merged model is there";
  const files = await untilEnded({ folder: values.out, what: "merge", farewell }, out, async () => {
    const identity = identityOf(values, recipe, plan);
    checkOwn(claim, identity, out.note);
    const count = await withDevice(values, out, async (device) => {
      out.start();
      return runMerge(
        plan,
        recipe,
        target,
        device,
        every(5, (done) => out.note(`merge ${done}/${plan.tensors.length}`)),
      );
    });
    signFolder(claim, identity);
    return count;
  });
  const said = { output: values.out, merge_method: recipe.method, tensors: plan.tensors.length, files };
  out.result(said, () => `the merged model is in ${values.out}`);
};
