import { InputError } from "../../core/errors.js";
import { expects } from "../../core/expects.js";
import { fileWithin, textIn } from "../folders/files.js";
import type { Folder } from "../folders/folder.js";
import { ready, type Soon, type Work } from "../folders/work.js";
import { workIn } from "../folders/work-in.js";
import { checkedJson, type JsonObject, LARGEST_TEXT } from "./json.js";

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

/** The tokenizer and its chat templates. Errors: as `sideFilesOf`. */
function* tokenizerIn(folder: Folder): Work<SideFiles["tokenizer"]> {
  // One is asked for by its name, where nothing lists them.
  const templates = new Set([...(yield* ready(folder.within(TEMPLATES).names())), "tool_use.jinja"]);
  const more = [...templates].filter((name) => name.endsWith(".jinja")).map((name) => `${TEMPLATES}/${name}`);
  const found: (readonly [string, Uint8Array])[] = [];
  for (const name of [...tokenizerFiles, ...more]) {
    const file = yield* ready(fileWithin(folder, name));
    if (file === undefined) continue;
    if (folder.leadsOut?.(name))
      throw new InputError(
        `${file.path}: is a link that leads out of the folder, to a file of another name; put the file itself there`,
      );
    found.push([name, yield* ready(file.whole(LARGEST_TEXT))]);
  }
  return found;
}

/** The files beside a model's weights, wherever it lies. Errors: as `sideFilesOf`. */
export function* sideFilesIn(folder: Folder): Work<SideFiles> {
  if (!(yield* ready(folder.isThere()))) throw new InputError(`${folder.path}: no such folder`);
  const text = yield* textIn(folder, GENERATION);
  return {
    ...{ folder: folder.path, tokenizer: yield* tokenizerIn(folder) },
    generation: text === undefined ? undefined : { text, fields: checkedJson(folder.pathOf(GENERATION), text) },
  };
}

/**
 * The files beside a model's weights. A path is read at once; a `Folder` elsewhere is waited for. Errors: InputError if there is
 * no such folder, and for a file that cannot be read, is no regular one, or is a link to a file of another name outside of the folder.
 */
export function sideFilesOf(folder: string): SideFiles;
export function sideFilesOf(folder: Folder): Promise<SideFiles>;
export function sideFilesOf(folder: string | Folder): Soon<SideFiles> {
  expects("sideFilesOf", "folder", folder);
  return workIn(folder, sideFilesIn);
}
