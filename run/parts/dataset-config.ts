import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Declared } from "../../align/data/files/declared.js";
import { InputError } from "../../core/errors.js";
import { folderExists, isObject, type JsonObject, readText, show } from "../../models/files/json.js";
import { frontMatter, parseYaml } from "../yaml.js";

/**
 * What the README.md of a data folder declares of its files, as `load_dataset(folder, name)` takes it: its only configuration,
 * the default one, or the one of that name. Undefined where it declares none.
 * Errors: InputError where there are several and none is the default, and for a name that is not among them.
 */
export const declaredIn = async (path: string, name?: string): Promise<Declared | undefined> => {
  const readme = join(path, "README.md");
  const front = folderExists(path) && existsSync(readme) ? frontMatter(readText(readme)) : "";
  const { configs = [] } = await parseYaml(front, readme);
  const list = Array.isArray(configs) ? configs.filter(isObject) : [];
  const names = list.map(({ config_name: own = "default" }) => String(own));
  if (list.length === 0) {
    if (name === undefined || name === "default") return undefined;
    throw new InputError(
      `${path}: has no configuration "${name}"; no README.md there declares any, so leave dataset_config out`,
    );
  }
  const found =
    name === undefined
      ? (list.find((config) => config.default === true) ??
        list[names.indexOf("default")] ??
        (list.length === 1 ? list[0] : undefined))
      : list[names.indexOf(name)];
  if (found === undefined)
    throw new InputError(
      `${path}: ${name === undefined ? "has several configurations" : `has no configuration "${name}"`}; dataset_config is one of ${names.join(", ")}`,
    );
  return declaredBy(found, readme);
};

const listed = (value: unknown): readonly string[] => (Array.isArray(value) ? value : [value]).map(String);

/** `data_dir`, and `data_files`: a pattern, several, or patterns by split. */
const declaredBy = ({ data_dir: folder, data_files: files }: JsonObject, readme: string): Declared => {
  const place = typeof folder === "string" ? { folder: folder.replace(/^\.\/|\/+$/g, "") } : {};
  if (files == null) return place;
  const entries = (Array.isArray(files) ? files : [files]) as readonly unknown[];
  const bySplit = entries.filter(isObject);
  if (bySplit.length === 0) return { ...place, splits: { train: entries.map(String) } };
  const wrong = bySplit.find(({ split, path }) => typeof split !== "string" || path == null);
  if (wrong !== undefined) throw new InputError(`${readme}: data_files must be {split, path}, holds ${show(wrong)}`);
  return { ...place, splits: Object.fromEntries(bySplit.map(({ split, path }) => [split, listed(path)])) };
};
