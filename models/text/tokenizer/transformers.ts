import type { JsonObject } from "../../files/json.js";
import { isObject } from "../../files/json.js";
import type { AddedToken } from "./added-tokens.js";
import { listOf } from "./piece.js";

/** A tokenizer's files, and the model's type where there is a config.json. */
export interface TokenizerFiles {
  readonly definition: JsonObject;
  readonly config: JsonObject;
  readonly specialTokensMap?: JsonObject;
  readonly modelType?: string;
}

export const SPECIAL_NAMES = [
  "bos_token",
  "eos_token",
  "pad_token",
  "unk_token",
  "sep_token",
  "cls_token",
  "mask_token",
] as const;

const readToken = (value: JsonObject, special: boolean): AddedToken => ({
  content: String(value.content),
  single_word: value.single_word === true,
  lstrip: value.lstrip === true,
  rstrip: value.rstrip === true,
  special: value.special === true || special,
  normalized: value.normalized === undefined ? !(value.special === true || special) : value.normalized === true,
});

const plainSpecial = (content: string): AddedToken => readToken({ content, normalized: false }, true);

/** bos_token, eos_token, … by name, as the files write them: a text, or {content, lstrip, …}. */
const named = ({ config, specialTokensMap = {} }: TokenizerFiles): readonly (readonly [string, unknown])[] =>
  SPECIAL_NAMES.map((name) => [name, config[name] ?? specialTokensMap[name]] as const);

/** The special tokens' texts by name. */
export const specialTokens = (files: TokenizerFiles): Readonly<Record<string, string>> =>
  Object.fromEntries(
    named(files)
      .map(([name, value]) => [name, isObject(value) ? value.content : value] as const)
      .filter((entry): entry is readonly [string, string] => typeof entry[1] === "string"),
  );

/**
 * All added tokens, in the order in which transformers 5 adds them: tokenizer.json's, then tokenizer_config.json's
 * `added_tokens_decoder` (whose flags win), then the named and the extra special tokens. A later one of the same content
 * takes the earlier one's place; one that is there already is made special by a name alone.
 */
export const addedTokens = (files: TokenizerFiles): readonly AddedToken[] => {
  const { definition, config } = files;
  const tokens = new Map<string, AddedToken>();
  const add = (token: AddedToken): void => {
    if (token.content !== "") tokens.set(token.content, token);
  };
  for (const value of listOf(definition.added_tokens)) add(readToken(value, false));
  const decoder = isObject(config.added_tokens_decoder) ? config.added_tokens_decoder : {};
  const ids = Object.keys(decoder).sort((a, b) => Number(a) - Number(b));
  for (const id of ids) if (isObject(decoder[id])) add(readToken(decoder[id], false));
  const extra = [config.additional_special_tokens, config.extra_special_tokens].flatMap((value) =>
    Array.isArray(value) ? value : isObject(value) ? Object.values(value) : [],
  );
  const names = named(files).map(([, token]) => token);
  for (const value of [...names, ...extra]) {
    const content = isObject(value) ? value.content : value;
    if (typeof content !== "string") continue;
    const known = tokens.get(content);
    add(
      known !== undefined
        ? { ...known, special: known.special || names.includes(value) }
        : isObject(value)
          ? readToken(value, true)
          : plainSpecial(content),
    );
  }
  return [...tokens.values()];
};

/** Whether some step of a pre-tokenizer writes bytes as letters. */
const isByteLevel = (step: unknown): boolean =>
  isObject(step) && (step.type === "ByteLevel" || listOf(step.pretokenizers).some(isByteLevel));

/** Models of another type than these have a tokenizer class of their own, or none: then the file counts. */
const LLAMA_TYPES: readonly (string | undefined)[] = [undefined, "llama"];

/**
 * tokenizer.json as transformers 5 reads it. `LlamaTokenizer` keeps vocabulary and merges alone and builds the rest itself: "▁"
 * goes before the first piece (`legacy` false or missing), before every piece (`legacy` true), or nowhere
 * (`add_prefix_space` false). A byte-level file under that class (some distilled models) is no Llama tokenizer and is taken
 * as it is. `add_bos_token` and `add_eos_token` of tokenizer_config.json change nothing where there is a tokenizer.json: its
 * post-processor decides, and without one nothing is added.
 * Source: models/llama/tokenization_llama.py, tokenization_utils_tokenizers.py, models/auto/tokenization_auto.py.
 */
export const asTransformers = (files: TokenizerFiles): JsonObject => {
  const { definition, config, modelType } = files;
  const name = String(config.tokenizer_class ?? "").replace(/Fast$/, "");
  const isLlama = name === "LlamaTokenizer" && LLAMA_TYPES.includes(modelType);
  const isBpe = isObject(definition.model) && "merges" in definition.model;
  if (!isLlama || !isBpe || isByteLevel(definition.pre_tokenizer)) return definition;
  const prefix = config.add_prefix_space ?? true;
  const scheme = prefix !== true ? "never" : config.legacy === true ? "always" : "first";
  const strip = prefix === true ? [{ type: "Strip", content: " ", start: 1, stop: 0 }] : [];
  return {
    ...definition,
    normalizer: null,
    pre_tokenizer: { type: "Metaspace", replacement: "▁", prepend_scheme: scheme, split: false },
    decoder: {
      type: "Sequence",
      decoders: [
        { type: "Replace", pattern: { String: "▁" }, content: " " },
        { type: "ByteFallback" },
        { type: "Fuse" },
        ...strip,
      ],
    },
    model: {
      ...(definition.model as JsonObject),
      fuse_unk: true,
      byte_fallback: true,
      ignore_merges: false,
      dropout: null,
    },
  };
};
