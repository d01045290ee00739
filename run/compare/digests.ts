import { existsSync, readdirSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { filesFingerprint } from "../../align/training/fingerprint.js";
import { isObject, type JsonObject } from "../../models/files/json.js";
import { RuleFile } from "../options/rule-file.js";
import { keys } from "../options/table.js";
import type { TrainingValues } from "../options/takes.js";
import { isModelFile } from "../writing/claim.js";
import { readYamlObject } from "../yaml.js";

/** Files below a folder, by their paths in it; hidden ones left out. */
const filesIn = (folder: string): ReadonlyMap<string, string> =>
  new Map(
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => join(parentPath, name))
      .map((path): [string, string] => [path.slice(folder.length + 1).replaceAll("\\", "/"), path])
      .filter(([name]) => !name.split("/").some((part) => part.startsWith("."))),
  );

/** A model is what its own files hold, whatever lies beside them; other folders are all of their files. */
const contentsOf = (folder: string): ReadonlyMap<string, string> =>
  ["config.json", "adapter_config.json"].some((name) => existsSync(join(folder, name)))
    ? new Map(
        readdirSync(folder)
          .filter((name) => isModelFile(name) || /\.safetensors$|^adapter_config\.json$/.test(name))
          .map((name) => [name, join(folder, name)] as const)
          .filter(([, path]) => statSync(path).isFile()),
      )
    : filesIn(folder);

/** Digests of files and folders, each read once. */
export type Digests = (path: string) => string | undefined;

/** Tells what a file or a folder holds, whatever its path is; undefined where there is neither. Errors: the file system's. */
export const digests = (): Digests => {
  const known = new Map<string, string>();
  return (written) => {
    const path = resolve(written);
    const what = known.has(path) ? undefined : statSync(path, { throwIfNoEntry: false });
    if (what?.isFile() === true) known.set(path, filesFingerprint(new Map([["", path]])));
    else if (what?.isDirectory() === true) known.set(path, filesFingerprint(contentsOf(path)));
    return known.get(path);
  };
};

/** Where results go, and how much is told: what changes no number of a trained model. */
const FREE: ReadonlySet<string> = new Set([
  ...["output_dir", "overwrite_output_dir", "resume", "dry_run", "push_to_hub", "hub_model_id", "hub_private_repo"],
  ...["logging_steps", "logging_strategy", "logging_first_step", "save_total_limit", "ref_log_probs_cache"],
  ...["max_inflation", "max_row_bytes"],
]);
/** Keys of a task that name files. */
const FILES: ReadonlySet<string> = new Set(["data", "examples", "prompts", "references", "gamed"]);

/** A tasks file by its content and that of the files that it names. Errors: InputError. */
export const tasksIdentity = async (path: string, digestOf: Digests): Promise<unknown> => {
  const walked = (value: unknown, key: string): unknown => {
    if (typeof value === "string")
      return (FILES.has(key) ? digestOf(resolve(dirname(path), value)) : undefined) ?? value;
    if (Array.isArray(value)) return value.map((part: unknown) => walked(part, key));
    return isObject(value) ? Object.fromEntries(Object.entries(value).map(([k, part]) => [k, walked(part, k)])) : value;
  };
  return walked(await readYamlObject(path), "");
};

/** Is it an option that names files or folders? */
const isPlace = (key: string): boolean =>
  Object.hasOwn(keys, key) && /^(DIR|PATH|FILE)(,…)?$/.test(keys[key as keyof typeof keys].value);

/** All of a run's values that decide its numbers; what they name stands by its digest. Errors: InputError. */
export const runIdentity = async (values: TrainingValues, digestOf: Digests): Promise<JsonObject> => {
  const entries: [string, unknown][] = [];
  for (const [key, value] of Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (FREE.has(key) || value === undefined) continue;
    if (value instanceof RuleFile) entries.push([key, digestOf(value.path) ?? value.path]);
    else if (key === "eval_tasks") entries.push([key, await tasksIdentity(value as string, digestOf)]);
    else if (isPlace(key)) entries.push([key, [value].flat().map((one) => digestOf(one as string) ?? one)]);
    else entries.push([key, value]);
  }
  return Object.fromEntries(entries);
};
