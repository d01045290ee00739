import { existsSync } from "node:fs";
import { join } from "node:path";
import { InputError } from "../../core/errors.js";
import type { ModelConfig } from "../config.js";
import { isObject, type JsonObject, readJsonObject, show } from "../files/json.js";
import { loadTokenizer } from "../text/tokenizer.js";
import { bool, floats, type GgufValue, integers, text, texts, u32 } from "./format.js";
import { preTokenizerName } from "./pre-tokenizers.js";

/** What a token is, by the numbers that GGUF has for it. */
const KIND = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

interface Added {
  readonly id: number;
  readonly content: string;
  readonly special: boolean;
}

/** The space of SentencePiece. */
const SPACE = "▁";

const pairOf = (merge: unknown): readonly [string, string] => {
  const pair = typeof merge === "string" ? merge.split(" ") : merge;
  if (!Array.isArray(pair) || pair.length !== 2) throw new InputError(`tokenizer.json: merges has ${show(merge)}`);
  return pair as [string, string];
};

/** The parts of a tokenizer.json that a vocabulary is made of. */
interface Parts {
  readonly path: string;
  readonly vocab: ReadonlyMap<string, number>;
  readonly merges: readonly (readonly [string, string])[];
  readonly added: readonly Added[];
  readonly unknown: string | undefined;
  /** Bytes without a token of their own are tokens <0x..>: SentencePiece's way. */
  readonly byteFallback: boolean;
}

const partsOf = (raw: JsonObject, path: string): Parts => {
  const { model, added_tokens: added } = raw;
  if (!isObject(model) || !isObject(model.vocab)) throw new InputError(`${path}: model.vocab must be an object`);
  if (model.type !== "BPE" && !(model.type === undefined && Array.isArray(model.merges)))
    throw new InputError(
      `${path}: model.type is ${show(model.type)}; only vocabularies of merged pairs (BPE) can be exported`,
    );
  return {
    path,
    vocab: new Map(Object.entries(model.vocab as Record<string, number>)),
    merges: (Array.isArray(model.merges) ? model.merges : []).map(pairOf),
    added: Array.isArray(added) ? (added as Added[]) : [],
    unknown: typeof model.unk_token === "string" ? model.unk_token : undefined,
    byteFallback: model.byte_fallback === true,
  };
};

/** Texts and kinds of all ids; ids without a token are unused. */
const tokensOf = ({ vocab, added, unknown, byteFallback, path }: Parts, size: number) => {
  const tokens = Array.from({ length: size }, (_, id) => `[PAD${id}]`);
  const kinds = tokens.map((): number => KIND.unused);
  const put = (id: number, content: string, kind: number): void => {
    if (!(id < size)) throw new InputError(`${path}: token ${show(content)} has id ${id}, the model has ${size} rows`);
    tokens[id] = content;
    kinds[id] = kind;
  };
  for (const [token, id] of vocab) {
    const isByte = byteFallback && /^<0x[0-9A-F]{2}>$/.test(token);
    put(id, token, token === unknown ? KIND.unknown : isByte ? KIND.byte : KIND.normal);
  }
  for (const { id, content, special } of added) {
    if (content === unknown) continue;
    // A word, and not a mark, stands in texts as it is written.
    const written = special ? content : content.replaceAll(SPACE, " ");
    put(id, written, special ? KIND.control : KIND.userDefined);
  }
  return { tokens, kinds };
};

/**
 * The score of each token: SentencePiece merges what makes the token of the highest score, tokenizer.json the pair that
 * stands first. Both are one where pairs that make the same token stand together.
 */
const scoresOf = ({ merges, vocab, added, path }: Parts, size: number): number[] => {
  const scores = new Array<number>(size).fill(0);
  let [rank, last] = [0, ""];
  const made = new Set<string>();
  // Found in a text before anything is merged.
  const apart = new Set(added.map(({ content }) => content));
  for (const [left, right] of merges) {
    const token = left + right;
    const id = vocab.get(token);
    if (id === undefined) throw new InputError(`${path}: merges makes ${show(token)}, which is no token`);
    if (token === last || apart.has(token)) continue;
    if (made.has(token))
      throw new InputError(
        `${path}: merges makes ${show(token)} at two places; scores, as llama.cpp has them, cannot say that`,
      );
    made.add(token);
    last = token;
    scores[id] = -rank++;
  }
  return scores;
};

/** Steps of a normalizer, sequences opened. */
const normalizersOf = (given: unknown): readonly JsonObject[] => {
  if (!isObject(given)) return [];
  return given.type === "Sequence" && Array.isArray(given.normalizers)
    ? given.normalizers.flatMap(normalizersOf)
    : [given];
};

/** Errors: InputError for a normalizer that llama.cpp does not apply; composition (NFC) it leaves out for every model. */
const checkNormalizer = ({ normalizer }: JsonObject, allowed: readonly string[], path: string): void => {
  const other = normalizersOf(normalizer).find(({ type }) => !allowed.includes(String(type)));
  if (other !== undefined) throw new InputError(`${path}: normalizer ${show(other)} is none that llama.cpp applies`);
};

/**
 * The tokenizer of a model folder as GGUF has it: tokens, kinds, merges or scores, special tokens, what is added to a text,
 * and the chat template.
 * Errors: InputError for a tokenizer that llama.cpp would not run as it is.
 */
export const vocabularyValues = (folder: string, config: ModelConfig): ReadonlyMap<string, GgufValue> => {
  const path = join(folder, "tokenizer.json");
  const key = (name: string): string => `tokenizer.ggml.${name}`;
  if (!existsSync(path)) return new Map([[key("model"), text("none")]]);
  const raw = readJsonObject(path);
  const parts = partsOf(raw, path);
  const { tokens, kinds } = tokensOf(parts, config.vocabSize);
  const tokenizer = loadTokenizer(folder);
  const sentencePiece = parts.byteFallback;
  checkNormalizer(raw, sentencePiece ? ["Prepend", "Replace"] : ["NFC"], path);
  const values = new Map<string, GgufValue>([
    [key("model"), text(sentencePiece ? "llama" : "gpt2")],
    [key("pre"), text(sentencePiece ? "default" : preTokenizerName(raw, path))],
    [key("tokens"), texts(tokens)],
    [key("token_type"), integers(kinds)],
  ]);
  // Asked, not read: whatever the tokenizer does, it does to this letter.
  const [plain, marked] = [tokenizer.encode("a", { addSpecialTokens: false }), tokenizer.encode("a")];
  const id = (name: string, value: number | undefined) =>
    value !== undefined && values.set(key(`${name}_token_id`), u32(value));
  if (sentencePiece) {
    values.set(key("scores"), floats(scoresOf(parts, config.vocabSize)));
    values.set(key("add_space_prefix"), bool(tokens[plain[0]].startsWith(SPACE)));
  } else values.set(key("merges"), texts(parts.merges.map((pair) => pair.join(" "))));
  id("bos", tokenizer.bosId ?? config.bosId);
  id("eos", tokenizer.eosId ?? config.eosIds[0]);
  id("unknown", parts.unknown === undefined ? undefined : parts.vocab.get(parts.unknown));
  id("padding", tokenizer.padId ?? config.padId);
  const added = marked.length - plain.length;
  values.set(key("add_bos_token"), bool(added > 0 && marked[0] === tokenizer.bosId));
  values.set(key("add_eos_token"), bool(added > 0 && marked.at(-1) === tokenizer.eosId));
  const { chatTemplate } = tokenizer;
  if (chatTemplate !== undefined) values.set("tokenizer.chat_template", text(chatTemplate));
  return values;
};
