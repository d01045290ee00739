import { isObject, show } from "../../files/json.js";
import { bpe } from "./bpe.js";
import { byteTokens } from "./bytes.js";
import { LONGEST_PIECE } from "./limits.js";
import type { Kinds } from "./piece.js";
import { optionalText, readVocabulary, type TokenModel } from "./vocabulary.js";

/** What an unknown character costs beyond the least likely token. */
const UNKNOWN_PENALTY = 10;

/**
 * The models of tokenizer.json. Source: models/ of huggingface/tokenizers. Those of @huggingface/tokenizers 0.2 are not used:
 * WordLevel is missing, Unigram knows no byte fallback and breaks ties otherwise (for upstream).
 */
export const models: Kinds<TokenModel> = {
  BPE: bpe,
  WordLevel: (config, refuse) => {
    const vocabulary = readVocabulary(config.vocab, refuse);
    const unknown = vocabulary.get(String(config.unk_token));
    const tokenize = (word: string): readonly number[] => {
      const id = vocabulary.get(word) ?? unknown;
      if (id === undefined) throw refuse(`has no token, and no unknown token, for ${show(word)}`);
      return [id];
    };
    return { vocabulary, tokenize };
  },
  WordPiece: (config, refuse) => {
    const vocabulary = readVocabulary(config.vocab, refuse);
    const prefix = optionalText(config.continuing_subword_prefix) ?? "";
    const most = typeof config.max_input_chars_per_word === "number" ? config.max_input_chars_per_word : 100;
    const tokenize = (word: string): readonly number[] => {
      const chars = Array.from(word);
      const ids: number[] = [];
      for (let start = 0; start < chars.length && chars.length <= most; ) {
        let end = chars.length;
        const at = () => vocabulary.get((start > 0 ? prefix : "") + chars.slice(start, end).join(""));
        while (end > start && at() === undefined) end--;
        if (end === start) break;
        ids.push(at() as number);
        start = end;
        if (start === chars.length) return ids;
      }
      const unknown = vocabulary.get(String(config.unk_token));
      if (unknown === undefined) throw refuse(`has no token, and no unknown token, for ${show(word)}`);
      return [unknown];
    };
    return { vocabulary, tokenize };
  },
  Unigram: (config, refuse) => {
    const list = Array.isArray(config.vocab) ? (config.vocab as [string, number][]) : undefined;
    if (
      list?.every((entry) => Array.isArray(entry) && typeof entry[0] === "string" && typeof entry[1] === "number") !==
      true
    )
      throw refuse("vocab must be a list of [token, score]");
    const vocabulary = new Map(list.map(([token], id) => [token, id]));
    const scores = list.map(([, score]) => score);
    const unknown = typeof config.unk_id === "number" ? config.unk_id : undefined;
    const least = scores.reduce((most, score) => Math.min(most, score), Number.POSITIVE_INFINITY) - UNKNOWN_PENALTY;
    const longest = list.reduce((most, [token]) => Math.max(most, Array.from(token).length), 1);
    if (longest > LONGEST_PIECE)
      throw refuse(`has a token of ${longest} characters, at most ${LONGEST_PIECE} are looked for`);
    const idsOf = (text: string): readonly number[] => {
      const id = vocabulary.get(text);
      if (id !== undefined) return [id];
      const bytes = config.byte_fallback === true ? byteTokens(text).map((name) => vocabulary.get(name)) : [undefined];
      if (!bytes.includes(undefined)) return bytes as number[];
      if (unknown === undefined) throw refuse(`has no token, and no unknown token, for ${show(text)}`);
      return [unknown];
    };
    const tokenize = (word: string): readonly number[] =>
      likeliest(
        Array.from(word),
        longest,
        (text) => {
          const id = vocabulary.get(text);
          return id === undefined ? undefined : { score: scores[id], unknown: id === unknown };
        },
        least,
      ).flatMap(idsOf);
    return { vocabulary, tokenize };
  },
};

interface Best {
  readonly score: number;
  readonly from: number;
  readonly unknown: boolean;
}

/** The likeliest way to cut characters into tokens; runs of unknown ones are one part. Ties: the one found first. */
const likeliest = (
  chars: readonly string[],
  longest: number,
  find: (text: string) => { readonly score: number; readonly unknown: boolean } | undefined,
  unknownScore: number,
): string[] => {
  const best: (Best | undefined)[] = Array.from({ length: chars.length + 1 });
  best[0] = { score: 0, from: 0, unknown: false };
  const offer = (end: number, candidate: Best): void => {
    const here = best[end];
    if (here === undefined || candidate.score > here.score) best[end] = candidate;
  };
  for (let from = 0; from < chars.length; from++) {
    const { score } = best[from] as Best;
    let single = false;
    let text = "";
    for (let end = from + 1; end <= Math.min(chars.length, from + longest); end++) {
      text += chars[end - 1];
      const token = find(text);
      if (token === undefined) continue;
      offer(end, { score: score + token.score, from, unknown: token.unknown });
      single ||= end === from + 1;
    }
    if (!single) offer(from + 1, { score: score + unknownScore, from, unknown: true });
  }
  const parts: { text: string; unknown: boolean }[] = [];
  for (let end = chars.length; end > 0; ) {
    const { from, unknown } = best[end] as Best;
    const text = chars.slice(from, end).join("");
    const after = parts.at(-1);
    if (unknown && after?.unknown) parts[parts.length - 1] = { text: text + after.text, unknown };
    else parts.push({ text, unknown });
    end = from;
  }
  return parts.reverse().map(({ text }) => text);
};

/** Old files leave out the model's type: tokenizers then takes what the fields fit. */
export const modelConfig = (model: unknown): unknown => {
  if (!isObject(model) || model.type !== undefined) return model;
  const type = Array.isArray(model.vocab)
    ? "Unigram"
    : "merges" in model
      ? "BPE"
      : "continuing_subword_prefix" in model
        ? "WordPiece"
        : "WordLevel";
  return { ...model, type };
};
