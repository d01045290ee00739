import { existsSync, realpathSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { InputError } from "../../core/errors.js";
import { readConfig } from "../../models/config.js";
import { fileExists, folderExists, type JsonObject, readJsonObject, show } from "../../models/files/json.js";
import { FAMILY_NAMES, openWeights, type Weights } from "../../models/index.js";

export const EMBEDDING = "model.embed_tokens.weight";
export const HEAD = "lm_head.weight";

/** A model that takes part in a merge. Weights are read when asked for. */
export interface SourceModel {
  readonly folder: string;
  /** config.json as it stands. */
  readonly raw: JsonObject;
  readonly weights: Weights;
  /** The output matrix is the embedding. */
  readonly tied: boolean;
  /** Names of its tensors; a tied head and buffers that follow from the configuration left out. */
  readonly names: readonly string[];
}

const readable = ["F32", "F16", "BF16", "F64"];

/** One folder, whatever it is called. */
export const samePlace = (a: string, b: string): boolean => realpathSync(resolve(a)) === realpathSync(resolve(b));

/** The folder a recipe names: seen from the working folder, else from the recipe's. Errors: InputError if there is none. */
export const folderOf = (written: string, recipe: string): string => {
  const beside = join(dirname(recipe), written);
  const found = [written, beside].find(folderExists);
  if (found !== undefined) return found;
  const adapter = written.includes("+") ? "; MODEL+ADAPTER is not supported, merge the adapter into a model first" : "";
  throw new InputError(
    `${recipe}: ${written}: no such folder; models are folders on this machine, or owner/name of the Hub${adapter}`,
  );
};

/**
 * Whether the configuration ties the output matrix to the embedding: of a known family it is read in full; of others the merge
 * goes by names and shapes alone, and it may not say.
 */
const saysTied = (folder: string, raw: JsonObject): unknown =>
  FAMILY_NAMES.some((name) => name === raw.model_type) ? readConfig(folder).tied : raw.tie_word_embeddings;

/** Whether the output matrix is the embedding, as configuration and weights say. */
const isTied = (folder: string, says: unknown, weights: Weights): boolean => {
  if (!weights.has(EMBEDDING)) return false;
  if (!weights.has(HEAD)) {
    if (says === true || says == null) return true;
    throw new InputError(`${folder}: tensor "${HEAD}" is missing, and config.json does not tie it to the embedding`);
  }
  if (says !== true) return false;
  const [head, embedding] = [weights.read(HEAD).data, weights.read(EMBEDDING).data];
  if (head.length !== embedding.length || head.some((x, i) => !Object.is(x, embedding[i])))
    throw new InputError(
      `${folder}: tensor "${HEAD}" differs from the embedding, though config.json ties them; set tie_word_embeddings to false`,
    );
  return true;
};

/** Opens a model: headers and config.json only (and a stored head that should be the embedding). Errors: InputError. */
export const openSource = (folder: string): SourceModel => {
  const path = join(folder, "config.json");
  if (!fileExists(path)) throw new InputError(`${folder}: holds no config.json; is it a model folder?`);
  const raw = readJsonObject(path);
  const says = saysTied(folder, raw);
  const weights = openWeights(folder);
  const tied = isTied(folder, says, weights);
  const names = weights.names.filter((name) => !name.endsWith(".rotary_emb.inv_freq") && !(tied && name === HEAD));
  for (const name of names) {
    const { dtype } = weights.info(name);
    if (!readable.includes(dtype))
      throw new InputError(`${folder}: tensor "${name}" is ${dtype}; only ${readable.join(", ")} can be merged`);
  }
  return { folder, raw, weights, tied, names };
};

/** Where a model keeps what another calls `name`: a tied head lies in the embedding. */
export const storedName = ({ tied }: SourceModel, name: string): string => (tied && name === HEAD ? EMBEDDING : name);

/** Token → id of a folder's tokenizer.json; undefined if it has none. Errors: InputError for a file that is none. */
export const vocabularyOf = (folder: string): ReadonlyMap<string, number> | undefined => {
  const path = join(folder, "tokenizer.json");
  if (!existsSync(path)) return undefined;
  const { model, added_tokens } = readJsonObject(path) as { model?: JsonObject; added_tokens?: unknown };
  const vocab = model?.vocab;
  if (typeof vocab !== "object" || vocab === null)
    throw new InputError(`${path}: model.vocab is ${show(vocab)}; is it a tokenizer?`);
  const listed: readonly [string, number][] = Array.isArray(vocab)
    ? vocab.map((entry, id) => [String((entry as unknown[])[0]), id])
    : Object.entries(vocab as Record<string, number>);
  const added = Array.isArray(added_tokens) ? (added_tokens as { content: string; id: number }[]) : [];
  return new Map([...listed, ...added.map(({ content, id }): [string, number] => [content, id])]);
};

/** Errors: InputError naming the first token on which two tokenizers differ. */
export const firstDifference = (a: ReadonlyMap<string, number>, b: ReadonlyMap<string, number>): string | undefined => {
  for (const token of [...a.keys(), ...b.keys()]) if (a.get(token) !== b.get(token)) return token;
  return undefined;
};
