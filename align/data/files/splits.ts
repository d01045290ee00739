import { type Dirent, existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { InputError } from "../../../core/errors.js";
import { isSystemError, reasonOf } from "../../../models/files/writing/system-error.js";
import { type Declared, declaredSplits } from "./declared.js";

/** Files of rows in a folder; a file by itself may have any name. */
const DATA_FILE = /\.((jsonl|ndjson|json)(\.gz)?|parquet)$/i;
/** Rows in forms that are not read here. */
const OTHER_FILE = /\.(csv|tsv|arrow)(\.gz)?$/i;
/** What Hugging Face and LLaMA-Factory keep beside their data. */
const ABOUT_DATA = /^(config|dataset_infos?|dataset_dict|state)\.json$/;

/** The splits that file and folder names are known by, and the words for them. */
const SPLITS: Readonly<Record<string, readonly string[]>> = {
  train: ["train", "training"],
  validation: ["validation", "valid", "dev", "val"],
  test: ["test", "testing", "eval", "evaluation"],
};
/** What stands between the words of a name. */
const BETWEEN = "[-._ 0-9]";
/** One file of a split that was cut into several, or the only one. */
const SHARD = /^data\/(\w+(?:\.\w+)*)-\d{5}-of-\d{5}[^/]*\.[^/]*$/;

/** What is read of a path's file information. `size` in bytes. */
interface Stat {
  readonly size: number;
  isDirectory(): boolean;
}

/** The file information of a path. Errors: InputError if there is none. */
export const statOf = (path: string): Stat => {
  try {
    return statSync(path);
  } catch (error) {
    const missing = isSystemError(error) && error.code === "ENOENT";
    throw new InputError(`${path}: ${missing ? "no such file" : `cannot be read (${reasonOf(error)})`}`);
  }
};

/** Errors: InputError for rows in a form that is not read: passed over, they would be missing in silence. */
const checkForm = (file: string): void => {
  if (OTHER_FILE.test(file))
    throw new InputError(
      `${file}: rows are read from JSONL, JSON (.gz too) and Parquet; convert it, or put it elsewhere`,
    );
};

/** Is it a folder, or a link to one? Errors: InputError for rows behind a link that leads nowhere; other such links are none. */
const isFolder = (path: string, entry: Dirent): boolean => {
  if (!entry.isSymbolicLink()) return entry.isDirectory();
  const holdsRows = DATA_FILE.test(entry.name) || OTHER_FILE.test(entry.name);
  return (holdsRows || existsSync(path)) && statOf(path).isDirectory();
};

/** Files and folders that are looked at below one: a disk's root, or a link to a folder's own parent, has no end. */
const MOST_ENTRIES = 20_000;

/**
 * Data files below a folder, as paths from it with "/", sorted; without what is hidden, and folders named __…. Errors: InputError
 * for more than MOST_ENTRIES of all kinds.
 */
const filesBelow = (folder: string, from = "", seen = { entries: 0 }): readonly string[] =>
  readdirSync(join(folder, from), { withFileTypes: true })
    .flatMap((entry) => {
      const path = `${from}${entry.name}`;
      if (++seen.entries > MOST_ENTRIES)
        throw new InputError(
          `${folder}: more than ${MOST_ENTRIES} files and folders lie below it, or a link leads back; name the folder that holds the rows, a file, or put the rows into fewer files`,
        );
      if (entry.name.startsWith(".")) return [];
      if (isFolder(join(folder, path), entry))
        return entry.name.startsWith("__") ? [] : filesBelow(folder, `${path}/`, seen);
      checkForm(join(folder, path));
      return DATA_FILE.test(entry.name) && !ABOUT_DATA.test(entry.name) ? [path] : [];
    })
    .sort((a, b) => (a < b ? -1 : 1));

/** Splits of files by the first of their names, [split, file] each. */
const gathered = (named: readonly (readonly [string, string])[]): Record<string, string[]> => {
  const splits: Record<string, string[]> = {};
  for (const [split, file] of named) {
    splits[split] ??= [];
    splits[split].push(file);
  }
  return splits;
};

/** Of each file the splits of which a word stands in one of some parts of its path; `after` follows the word. */
const byWords = (files: readonly string[], partsOf: (file: string) => readonly string[], after: string) =>
  Object.entries(SPLITS).flatMap(([split, words]) => {
    const pattern = new RegExp(`(^|${BETWEEN})(${words.join("|")})${after}`);
    return files
      .filter((file) => partsOf(file).some((part) => pattern.test(part)))
      .map((file) => [split, file] as const);
  });

/** The ways to tell splits, in order: the first that finds any decides. */
const WAYS: readonly ((files: readonly string[]) => readonly (readonly [string, string])[])[] = [
  (files) =>
    files.flatMap((file) => {
      const [, split] = SHARD.exec(file) ?? [];
      return split === undefined ? [] : [[split, file] as const];
    }),
  (files) => byWords(files, (file) => file.split("/").slice(0, -1), `($|${BETWEEN})`),
  (files) => byWords(files, (file) => file.split("/").slice(-1), BETWEEN),
  (files) => files.map((file) => ["train", file] as const),
];

/** The data files that a path stands for. */
export interface DataFiles {
  readonly files: readonly string[];
  /** Of a folder, the split they are, and the files of its other ones, by split. */
  readonly split?: string;
  readonly others?: Readonly<Record<string, readonly string[]>>;
}

/** Which split of a folder is meant. */
export interface SplitChoice {
  /** The split that was asked for; a file has none. */
  readonly split?: string;
  /** Which it is where none was asked for. Default "train". */
  readonly otherwise?: string;
  /** True: where that is not there, the only one that is. Default false. */
  readonly orOnly?: boolean;
  /** What a folder's README says of its files. Default: their names tell. */
  readonly declared?: Declared;
}

/** The splits of a folder's files, and the files of each. */
const splitsOf = (files: readonly string[], { folder = "", splits }: Declared): Readonly<Record<string, string[]>> => {
  const below = folder === "" ? "" : `${folder}/`;
  const inside = files.filter((file) => file.startsWith(below)).map((file) => file.slice(below.length));
  const ways = splits === undefined ? WAYS : [(names: readonly string[]) => declaredSplits(splits, names)];
  const found = ways.map((way) => gathered(way(inside))).find((named) => Object.keys(named).length > 0) ?? {};
  return Object.fromEntries(
    Object.entries(found).map(([split, names]) => [split, [...new Set(names)].map((name) => below + name)]),
  );
};

/**
 * The data files of a path: itself, or a split of a folder, told as `load_dataset` of huggingface/datasets tells them: by what
 * its README declares, else by names (shards in data/, then folder names, then file names, else all is train).
 * Errors: InputError if there are none, or none of that split.
 */
export const dataFiles = (
  path: string,
  { split, otherwise = "train", orOnly = false, declared = {} }: SplitChoice = {},
): DataFiles => {
  if (!statOf(path).isDirectory()) {
    checkForm(path);
    if (split === undefined) return { files: [path] };
    throw new InputError(`${path}: is a file, so it has no split "${split}"; name a folder, or leave the split out`);
  }
  const files = filesBelow(path);
  if (files.length === 0)
    throw new InputError(`${path}: this folder holds no data file (.jsonl, .json, .parquet, and these with .gz)`);
  const found = splitsOf(files, declared);
  const names = Object.keys(found);
  const asked = split ?? otherwise;
  const taken = !names.includes(asked) && orOnly && names.length === 1 ? names[0] : asked;
  const { [taken]: own, ...others } = found;
  if (own === undefined)
    throw new InputError(
      `${path}: has no split "${asked}"; it has ${names.join(", ") || "none with files"} (dataset_train_split and dataset_test_split choose among them)`,
    );
  return { files: own.map((file) => join(path, file)), split: taken, others };
};
