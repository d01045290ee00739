import { readdirSync, realpathSync } from "node:fs";
import { basename, dirname, join, sep } from "node:path";
import { InputError } from "../../core/errors.js";
import { expects } from "../../core/expects.js";
import { fileExists, folderExists, type JsonObject, LARGEST_TEXT, readJsonObject, readText } from "./json.js";
import { readRegular } from "./regular.js";

/** What goes along with a model's weights and config.json: read once, so that what becomes of the folder costs no save. */
export interface SideFiles {
  readonly folder: string;
  /** The tokenizer and its chat templates, [name, bytes] each. */
  readonly tokenizer: readonly (readonly [string, Uint8Array])[];
  /** generation_config.json, as text and as what it says. */
  readonly generation: { readonly text: string; readonly fields: JsonObject } | undefined;
}

/** Its name. */
export const GENERATION = "generation_config.json";

const tokenizerFiles = new Set([
  "tokenizer.json",
  "tokenizer_config.json",
  "tokenizer.model",
  "special_tokens_map.json",
  "added_tokens.json",
  "vocab.json",
  "merges.txt",
  "chat_template.jinja",
  "chat_template.json",
]);
/** Holds further templates, beside chat_template.jinja. */
const TEMPLATES = "additional_chat_templates";

/** Is it the name of a file that makes a tokenizer, or of the folder of its templates? */
export const isTokenizerFile = (name: string): boolean => tokenizerFiles.has(name) || name === TEMPLATES;

/**
 * Where a link in a model's folder may lead: into the folder, to what the Hub's cache keeps for it (snapshots/… beside blobs/), or to
 * a file of the same name, as of another model. Somebody else's model must not make a copy of whatever its user can read.
 */
const isOwn = (folder: string, file: string): boolean => {
  const [home, target] = [folder, file].map((path) => realpathSync(path));
  const places = [home, ...(basename(dirname(home)) === "snapshots" ? [join(home, "..", "..", "blobs")] : [])];
  return basename(target) === basename(file) || places.some((place) => target.startsWith(join(place, sep)));
};

/** The tokenizer and its chat templates. Errors: as `sideFilesOf`. */
const tokenizerOf = (from: string): SideFiles["tokenizer"] => {
  const names = readdirSync(from).filter((name) => tokenizerFiles.has(name));
  const more = folderExists(join(from, TEMPLATES)) ? readdirSync(join(from, TEMPLATES)) : [];
  const templates = more.filter((name) => name.endsWith(".jinja")).map((name) => join(TEMPLATES, name));
  return [...names, ...templates].map((name) => {
    const file = join(from, name);
    const bytes = readRegular(file, LARGEST_TEXT);
    if (!isOwn(from, file))
      throw new InputError(
        `${file}: is a link that leads out of the folder, to a file of another name; put the file itself there`,
      );
    return [name, bytes] as const;
  });
};

/**
 * The files beside a model's weights. Errors: InputError if there is no such folder, and for a file that cannot be read, is no
 * regular one, or is a link to a file of another name outside of the folder.
 */
export const sideFilesOf = (folder: string): SideFiles => {
  expects("sideFilesOf", "text", folder);
  if (!folderExists(folder)) throw new InputError(`${folder}: no such folder`);
  const path = join(folder, GENERATION);
  return {
    ...{ folder, tokenizer: tokenizerOf(folder) },
    generation: fileExists(path) ? { text: readText(path), fields: readJsonObject(path) } : undefined,
  };
};
