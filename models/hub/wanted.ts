import { InputError } from "../../core/errors.js";
import type { ListedFile } from "./blob.js";

/** What a folder is wanted for: all of a model, its configuration alone, its tokenizer, an adapter, or rows. */
export type Purpose = "model" | "config" | "tokenizer" | "adapter" | "dataset";

const CONFIG = ["config.json", "generation_config.json"];
const TOKENIZER = [
  ...["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"],
  ...["vocab.json", "merges.txt", "tokenizer.model", "chat_template.jinja", "chat_template.json"],
];
const ADAPTER = ["adapter_config.json", "adapter_model.safetensors"];
const WEIGHTS = "model.safetensors";
const INDEX = "model.safetensors.index.json";
const SHARD = /^model-\d{5}-of-\d{5}\.safetensors$/;
const ROWS = /\.(jsonl|json|parquet)(\.gz)?$/;
/** Files of a data set that are no rows. */
const ABOUT = /(^|\/)(dataset_infos?|state|config)\.json$/;

/** Weights of a model in one file, or in shards with their index; never the same weights twice. */
const weights = (paths: readonly string[]): string[] => {
  if (paths.includes(WEIGHTS)) return [WEIGHTS];
  return paths.includes(INDEX) ? paths.filter((path) => path === INDEX || SHARD.test(path)) : [];
};

/**
 * Paths that are needed of those that a repository has.
 * Errors: InputError where the ones that it takes are not among them; `name` is the repository's.
 */
export const wantedOf = (purpose: Purpose, listed: readonly ListedFile[], name: string): string[] => {
  const paths = listed.map(({ path }) => path);
  const among = (names: readonly string[]): string[] => names.filter((path) => paths.includes(path));
  const lacks = (what: string): InputError => new InputError(`${name}: the repository holds no ${what}`);
  if (purpose === "dataset") {
    const rows = paths.filter((path) => ROWS.test(path) && !ABOUT.test(path));
    if (rows.length === 0) throw lacks("rows as JSONL, JSON or Parquet");
    return [...among(["README.md"]), ...rows];
  }
  if (purpose === "adapter") {
    const lost = ADAPTER.find((path) => !paths.includes(path));
    if (lost !== undefined) throw lacks(`${lost}; is it an adapter?`);
    return ADAPTER;
  }
  if (purpose === "tokenizer") {
    const found = among(TOKENIZER);
    if (found.length === 0) throw lacks("tokenizer");
    return found;
  }
  if (!paths.includes("config.json")) {
    const isAdapter = paths.includes("adapter_config.json");
    throw lacks(`config.json; ${isAdapter ? "it is an adapter: give it as adapter_name_or_path" : "is it a model?"}`);
  }
  if (purpose === "config") return among(CONFIG);
  const found = weights(paths);
  if (found.length === 0) {
    const torch = paths.some((path) => /\.(bin|pth?|ckpt)$/.test(path));
    throw lacks(`${WEIGHTS}${torch ? "; its PyTorch .bin files must be converted to safetensors first" : ""}`);
  }
  return [...among(CONFIG), ...among(TOKENIZER), ...among(["README.md"]), ...found];
};
