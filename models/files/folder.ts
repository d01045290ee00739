import { asks } from "../../core/expects.js";
import type { ModelConfig, ModelDtype } from "../config.js";
import { bytesFile, textFile, together } from "../folders/files.js";
import type { Folder } from "../folders/folder.js";
import { atOnce, type Work } from "../folders/work.js";
import { diskFolder } from "../platform/node/disk.js";
import type { WeightDtype } from "./dtypes.js";
import { GENERATION, type SideFiles } from "./side-files.js";

/** Writes the tokenizer and its chat template, byte for byte, so that a trained folder is complete. Nothing else. */
export const copyTokenizerFiles = asks("copyTokenizerFiles", "record text", (files: SideFiles, to: string): void =>
  atOnce(tokenizerCopied(files, diskFolder(to))),
);

/** As `copyTokenizerFiles`, into any folder. */
export function* tokenizerCopied({ tokenizer }: SideFiles, to: Folder): Work<void> {
  // Not as copies of the system's, which would be as read-only as what they were made from.
  yield* together(tokenizer.map(([name, bytes]) => bytesFile(to, name, bytes)));
}

/** What `saveConfig` changes or takes along. */
export interface SaveConfigOptions {
  /** The dtype the weights are saved in, if it is not the config's own. */
  readonly dtype?: ModelDtype;
  /** The files of the folder the model came from; its generation_config.json is taken along, if it has one. */
  readonly from?: SideFiles;
}

/** What `saveConfig` reads of a configuration. */
type SavedConfig = Pick<ModelConfig, "raw" | "dtype"> & Partial<Pick<ModelConfig, "eosIds" | "bosId" | "padId">>;

/**
 * Writes config.json as it was read, with the dtype corrected where it differs (in the spelling that was used), and
 * generation_config.json as it was, with the special tokens that the configuration says; where they are all config.json's, and
 * there was no such file, none is written.
 */
export const saveConfig = asks(
  "saveConfig",
  "text record record?",
  (folder: string, config: SavedConfig, options: SaveConfigOptions = {}): void =>
    atOnce(configSaved(diskFolder(folder), config, options)),
);

/** As `saveConfig`, into any folder. */
export function* configSaved(
  folder: Folder,
  config: SavedConfig,
  { dtype = config.dtype, from }: SaveConfigOptions,
): Work<void> {
  const key = "torch_dtype" in config.raw && !("dtype" in config.raw) ? "torch_dtype" : "dtype";
  const raw = dtype === config.dtype ? config.raw : { ...config.raw, [key]: dtype };
  yield* together([textFile(folder, "config.json", `${pythonFloats(JSON.stringify(raw, null, 2))}\n`)]);
  const text = from?.generation?.text;
  const known = from?.generation?.fields ?? config.raw;
  const tokens = config.eosIds === undefined ? [] : Object.entries(specialIds(config));
  const others = tokens.filter(([name, id]) => !sameIds(known[name], id));
  // A new file is all that transformers asks for them.
  const told = text === undefined && others.length > 0 ? tokens.filter(([, id]) => id !== undefined) : others;
  const saved = told.reduce<string | undefined>((done, [name, id]) => withField(done ?? "{\n}\n", name, id), text);
  if (saved !== undefined) yield* together([textFile(folder, GENERATION, saved)]);
}

/** Special tokens as generation_config.json spells them: of one end token its id, of several a list. */
const specialIds = ({ eosIds = [], bosId, padId }: Partial<Pick<ModelConfig, "eosIds" | "bosId" | "padId">>) => ({
  eos_token_id: eosIds.length > 1 ? eosIds : eosIds[0],
  bos_token_id: bosId,
  pad_token_id: padId,
});

const sameIds = (a: unknown, b: unknown): boolean => {
  const list = (ids: unknown) => (ids == null || ids === -1 ? [] : Array.isArray(ids) ? ids : [ids]);
  return JSON.stringify(list(a)) === JSON.stringify(list(b));
};

/** JSON text with another value in one of its top fields: as text, for what is 1.0 in it must not become 1. */
const withField = (text: string, name: string, value: unknown): string => {
  const field = `"${name}": ${JSON.stringify(value ?? null)}`;
  const old = new RegExp(`"${name}"\\s*:\\s*(?:\\[[^\\]]*\\]|[^,}\\s]+)`);
  if (old.test(text)) return text.replace(old, () => field);
  return text.replace(/^\s*\{(\s*\})?/, (_, close) => (close === undefined ? `{\n  ${field},` : `{\n  ${field}\n}`));
};

/** Fields that are floats in transformers' classes. */
const FLOATS = [
  ...["attention_dropout", "embd_pdrop", "resid_pdrop", "initializer_range", "rms_norm_eps", "rope_theta"],
  ...["rope_local_base_freq", "partial_rotary_factor", "factor", "low_freq_factor", "high_freq_factor"],
  ...["attention_factor", "beta_fast", "beta_slow", "mscale", "mscale_all_dim"],
  ...["embedding_multiplier", "residual_multiplier", "attention_multiplier", "logits_scaling"],
  ...["attn_logit_softcapping", "final_logit_softcapping"],
];
const WHOLE = new RegExp(`("(?:${FLOATS.join("|")})": -?\\d+)(?=,?\\n)`, "g");

/** Spells whole numbers of float fields as 1.0: JavaScript has one number type, transformers' typed configs have two. */
const pythonFloats = (text: string): string => text.replace(WHOLE, "$1.0");

/** How a config's dtype is spelled in safetensors. */
export const weightDtypeOf = (dtype: ModelDtype): WeightDtype =>
  dtype === "float32" ? "F32" : dtype === "float16" ? "F16" : "BF16";
