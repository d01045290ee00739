import { InputError } from "../../core/errors.js";
import { expects } from "../../core/expects.js";
import type { JsonObject } from "../files/json.js";
import { oneLine, show } from "../files/json.js";
import { jsonIn } from "../folders/files.js";
import type { Folder } from "../folders/folder.js";
import { ready, type Soon, type Work } from "../folders/work.js";
import { workIn } from "../folders/work-in.js";
import { byteTokens } from "./byte-tokens.js";
import { type ChatMessage, namedIn } from "./chat-message.js";
import {
  type ChatRenderer,
  chatRenderer,
  chatTemplatesIn,
  inlineTemplates,
  type RenderOptions,
  type SpanRenderer,
  type Templates,
} from "./chat-template.js";
import { tokensInSpans } from "./tokenizer/offsets.js";
import { type Pipeline, pipeline } from "./tokenizer/pipeline.js";
import { specialTokens, type TokenizerFiles } from "./tokenizer/transformers.js";

/** Text ↔ token ids, and conversations → text, as the model's folder defines them. */
export interface Tokenizer {
  /** Ids of a text. Special tokens written in it count as such; bos/eos are added by the folder's rule, once. */
  readonly encode: (text: string, options?: { readonly addSpecialTokens?: boolean }) => number[];
  /** Text of ids; ids that name no token (a padded vocabulary has such) stand for nothing. */
  readonly decode: (ids: readonly number[], options?: { readonly skipSpecialTokens?: boolean }) => string;
  /** A conversation as text. Errors: InputError without a template, or if the template refuses the conversation. */
  readonly renderChat: ChatRenderer;
  /** The same with the stretches that the template's `{% generation %}` marks: what the assistant says. */
  readonly renderSpans: SpanRenderer;
  /** Ids of a rendered conversation; the template writes its own special tokens, none are added. */
  readonly encodeChat: (messages: readonly ChatMessage[], options?: RenderOptions) => number[];
  /**
   * The same, with each token's being of a stretch that `{% generation %}` marks, as transformers' assistant masks.
   * Errors: InputError besides where a token's place in the text cannot be told (a normalizer changed the text).
   */
  readonly encodeSpans: (
    messages: readonly ChatMessage[],
    options?: RenderOptions,
  ) => { readonly ids: number[]; readonly isAssistant: readonly boolean[] };
  readonly hasChatTemplate: boolean;
  /** The folder's chat template, a Jinja text. */
  readonly chatTemplate: string | undefined;
  /** Whether the chat template names a field, a variable or a role. */
  readonly templateNames: (word: string) => boolean;
  readonly bosToken: string | undefined;
  readonly bosId: number | undefined;
  readonly eosToken: string | undefined;
  readonly eosId: number | undefined;
  readonly padId: number | undefined;
  /** Tokens that stand for single bytes; a run of them is decoded as a whole. */
  readonly byteIds: ReadonlySet<number>;
  /** Highest token id + 1. The model's own vocabulary may be larger (padded), never smaller. */
  readonly vocabSize: number;
}

const CONFIG = "tokenizer_config.json";

export interface LoadTokenizerOptions {
  /** A template instead of the folder's own, and the file that errors name for it. */
  readonly chatTemplate?: { readonly text: string; readonly path: string };
}

/** A tokenizer's files, read, and what messages call them. */
interface Gathered {
  readonly files: TokenizerFiles;
  readonly templates: Templates;
  readonly path: string;
  readonly folder: string;
}

/** What it takes to make a tokenizer once more, on another thread. */
export type TokenizerRecipe =
  | { readonly from: string; readonly options: LoadTokenizerOptions }
  | { readonly gathered: Gathered };

/** How tokenizers were made, and who hears that a conversation is encoded. */
const recipes = new WeakMap<Tokenizer, { readonly recipe: TokenizerRecipe; readonly hearChat?: () => void }>();

/** How a tokenizer was made; undefined for one that somebody made otherwise, or changed. */
export const recipeOf = (tokenizer: Tokenizer) => recipes.get(tokenizer);

/** The same tokenizer again. Errors: those of `loadTokenizer`. */
export const tokenizerBy = (recipe: TokenizerRecipe): Tokenizer =>
  "from" in recipe ? loadTokenizer(recipe.from, recipe.options) : assembled(recipe.gathered);

/** The same tokenizer; `hearChat` hears that a conversation is encoded, wherever that is done. */
export const heard = (tokenizer: Tokenizer, hearChat: () => void): Tokenizer => {
  const own: Tokenizer = {
    ...tokenizer,
    encodeChat: (messages, options) => {
      hearChat();
      return tokenizer.encodeChat(messages, options);
    },
  };
  const known = recipes.get(tokenizer);
  if (known !== undefined) recipes.set(own, { ...known, hearChat });
  return own;
};

/**
 * Loads `tokenizer.json`, `tokenizer_config.json` (optional) and the chat template: `chat_template.jinja`, else the
 * config's `chat_template` (a text, or a list of named ones of which "default" is taken). A path is read at once; a `Folder`
 * elsewhere is waited for.
 * Errors: InputError naming the file.
 */
export function loadTokenizer(folder: string, options?: LoadTokenizerOptions): Tokenizer;
export function loadTokenizer(folder: Folder, options?: LoadTokenizerOptions): Promise<Tokenizer>;
export function loadTokenizer(folder: string | Folder, options: LoadTokenizerOptions = {}): Soon<Tokenizer> {
  expects("loadTokenizer", "folder record?", folder, options);
  return workIn(folder, function* (files) {
    const gathered = yield* gatheredIn(files, options);
    return made(assembled(gathered), typeof folder === "string" ? { from: folder, options } : { gathered });
  });
}

/** Reads a tokenizer's files. Errors: as `loadTokenizer`. */
function* gatheredIn(folder: Folder, { chatTemplate }: LoadTokenizerOptions): Work<Gathered> {
  const definition = yield* jsonIn(folder, "tokenizer.json");
  if (definition === undefined) throw new InputError(yield* missingTokenizer(folder));
  const config = (yield* jsonIn(folder, CONFIG)) ?? {};
  const modelType = (yield* jsonIn(folder, "config.json"))?.model_type;
  return {
    files: {
      ...{ definition, config, specialTokensMap: yield* jsonIn(folder, "special_tokens_map.json") },
      modelType: typeof modelType === "string" ? modelType : undefined,
    },
    templates: chatTemplate ? { default: chatTemplate } : yield* chatTemplatesIn(folder, config, folder.pathOf(CONFIG)),
    ...{ path: folder.pathOf("tokenizer.json"), folder: folder.path },
  };
}

/** The files of a tokenizer, at hand: as objects, and the chat template as a text. */
export interface TokenizerSource {
  /** tokenizer.json. */
  readonly tokenizer: JsonObject;
  /** tokenizer_config.json. */
  readonly tokenizerConfig?: JsonObject;
  /** special_tokens_map.json. */
  readonly specialTokensMap?: JsonObject;
  /** `model_type` of config.json. */
  readonly modelType?: string;
  /** A Jinja text, where tokenizer_config.json does not hold it. */
  readonly chatTemplate?: string;
}

/** The same from what is at hand instead of a folder. Errors: InputError naming what `tokenizer.json` would hold. */
export const tokenizerOf = (source: TokenizerSource): Tokenizer => {
  expects("tokenizerOf", "record", source);
  const {
    tokenizer: definition,
    tokenizerConfig: config = {},
    specialTokensMap,
    modelType,
    chatTemplate: text,
  } = source;
  const gathered: Gathered = {
    files: { definition, config, specialTokensMap, modelType },
    templates: text === undefined ? inlineTemplates(config, CONFIG) : { default: { text, path: "chat template" } },
    ...{ path: "tokenizer.json", folder: "tokenizer" },
  };
  return made(assembled(gathered), { gathered });
};

const made = (tokenizer: Tokenizer, recipe: TokenizerRecipe): Tokenizer => {
  recipes.set(tokenizer, { recipe });
  return tokenizer;
};

const assembled = ({ files, templates: sources, path, folder }: Gathered): Tokenizer => {
  const { definition } = files;
  const inner = build(path, files);
  const special = specialTokens(files);
  const idOf = (token: string | undefined): number | undefined =>
    token === undefined ? undefined : inner.tokenToId(token);
  const bosId = idOf(special.bos_token);

  const encode: Tokenizer["encode"] = (text, { addSpecialTokens = true } = {}) => {
    const ids = [...inner.encode(text, addSpecialTokens)];
    // A text that brings its own bos (a rendered template) must not get a second one.
    const twice = addSpecialTokens && bosId !== undefined && ids[0] === bosId && ids[1] === bosId;
    return twice && text.startsWith(special.bos_token) ? ids.slice(1) : ids;
  };
  const renderSpans = chatRenderer(sources, special, folder);
  const renderChat: ChatRenderer = (messages, options) => renderSpans(messages, options).text;
  return {
    encode,
    decode: (ids, { skipSpecialTokens = false } = {}) => inner.decode(ids, skipSpecialTokens),
    renderChat,
    renderSpans,
    encodeChat: (messages, options) => encode(renderChat(messages, options), { addSpecialTokens: false }),
    encodeSpans: (messages, options) => {
      const { text, spans } = renderSpans(messages, options);
      const ids = encode(text, { addSpecialTokens: false });
      try {
        return { ids, isAssistant: tokensInSpans(inner.places(text, ids), spans) };
      } catch (error) {
        throw new InputError(`${path}: the assistant's tokens cannot be told: ${oneLine((error as Error).message)}`);
      }
    },
    hasChatTemplate: sources.default !== undefined,
    chatTemplate: sources.default?.text,
    templateNames: namedIn(
      ["default", "tool_use"].map((name) => (Object.hasOwn(sources, name) ? sources[name].text : "")).join(""),
    ),
    bosToken: special.bos_token,
    bosId,
    eosToken: special.eos_token,
    eosId: idOf(special.eos_token),
    padId: idOf(special.pad_token),
    byteIds: byteTokens(definition),
    vocabSize: inner.size,
  };
};

/**
 * Checks token ids against a model's vocabulary before a kernel would read beside its table; `where` names their source.
 * Errors: InputError with the first id that is outside.
 */
export const checkTokenIds = (ids: readonly number[], vocabSize: number, where: string): void => {
  expects("checkTokenIds", "array number text", ids, vocabSize, where);
  const wrong = ids.find((id) => !Number.isInteger(id) || id < 0 || id >= vocabSize);
  if (wrong !== undefined) {
    throw new InputError(
      `${where}: token id ${show(wrong)} is outside of the model's vocabulary of ${vocabSize}; do tokenizer and model belong together? (for tokens that were added, resize the model's embedding first)`,
    );
  }
};

function* missingTokenizer(folder: Folder): Work<string> {
  if (!(yield* ready(folder.isThere()))) return `${folder.path}: no such folder`;
  const old = (yield* ready(folder.file("tokenizer.model"))) !== undefined;
  return `${folder.path}: holds no tokenizer.json${old ? "; save tokenizer.model once with transformers to convert it" : ""}`;
}

const build = (path: string, files: TokenizerFiles): Pipeline => {
  const refuse = (why: string): InputError => new InputError(`${path}: ${oneLine(why)}`);
  try {
    return pipeline(files, refuse);
  } catch (error) {
    throw error instanceof InputError
      ? error
      : refuse(`cannot be used: ${error instanceof Error ? error.message : String(error)}`);
  }
};
