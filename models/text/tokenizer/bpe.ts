import { show } from "../../files/json.js";
import { byteTokens } from "./bytes.js";
import { heap } from "./heap.js";
import type { Maker } from "./piece.js";
import { optionalText, readVocabulary, type TokenModel } from "./vocabulary.js";

/** Longest word, in UTF-16 units, that is kept, and how many are. */
const [LONGEST_KEPT, MOST_KEPT] = [256, 20_000];
/** Two ids, or a rank and an id or a position, share a number: ids and positions stay below 2²⁶. */
const IDS = 2 ** 26;

/**
 * Byte-pair encoding: characters to ids, then the merge of lowest rank, leftmost first, until none applies.
 * Source: models/bpe of huggingface/tokenizers. That of @huggingface/tokenizers 0.2 is not used: it knows no
 * continuing_subword_prefix, merges characters that are not in the vocabulary, and fuses unknown tokens of different words
 * (for upstream).
 */
export const bpe: Maker<TokenModel> = (config, refuse) => {
  const vocabulary = readVocabulary(config.vocab, refuse);
  const { dropout, fuse_unk: fuse, byte_fallback: fallback, ignore_merges: whole } = config;
  if (dropout != null && dropout !== 0)
    throw refuse(`dropout is ${show(dropout)}, which draws tokens at random; set it to null`);
  const prefix = optionalText(config.continuing_subword_prefix) ?? "";
  const suffix = optionalText(config.end_of_word_suffix) ?? "";
  const unknown = optionalText(config.unk_token);
  const unknownId = unknown === undefined ? undefined : vocabulary.get(unknown);
  const merges = readMerges(config.merges, vocabulary, prefix.length, refuse);

  /** Ids of a word before any merge; a run of unknown characters waits until it ends, as in the source. */
  const symbols = (word: string): number[] => {
    const ids: number[] = [];
    const chars = Array.from(word);
    let waiting: number | undefined;
    chars.forEach((char, i) => {
      const token = `${i > 0 ? prefix : ""}${char}${i === chars.length - 1 ? suffix : ""}`;
      const id = vocabulary.get(token);
      if (id !== undefined) {
        if (waiting !== undefined) ids.push(waiting);
        waiting = undefined;
        ids.push(id);
        return;
      }
      const bytes = fallback === true ? byteTokens(token).map((name) => vocabulary.get(name)) : [undefined];
      if (!bytes.includes(undefined)) ids.push(...(bytes as number[]));
      else if (unknown !== undefined) {
        if (unknownId === undefined) throw refuse(`unk_token ${show(unknown)} is not in the vocabulary`);
        if (waiting !== undefined && fuse !== true) ids.push(waiting);
        waiting = unknownId;
      }
    });
    if (waiting !== undefined) ids.push(waiting);
    return ids;
  };

  const kept = new Map<string, readonly number[]>();
  const tokenize = (word: string): readonly number[] => {
    const own = whole === true ? vocabulary.get(word) : undefined;
    if (own !== undefined) return [own];
    const known = kept.get(word);
    if (known !== undefined) return known;
    const ids = mergeAll(symbols(word), merges);
    if (word.length <= LONGEST_KEPT) {
      if (kept.size >= MOST_KEPT) kept.clear();
      kept.set(word, ids);
    }
    return ids;
  };
  return { vocabulary, tokenize };
};

/** Of a pair of ids (left · IDS + right): the merge's rank, and the id that it makes (rank · IDS + id). */
type Merges = ReadonlyMap<number, number>;

const readMerges = (
  list: unknown,
  vocabulary: ReadonlyMap<string, number>,
  prefixLength: number,
  refuse: (why: string) => Error,
): Merges => {
  if (!Array.isArray(list)) throw refuse("merges must be a list");
  const merges = new Map<number, number>();
  const idOf = (token: string): number => {
    const id = vocabulary.get(token);
    if (id === undefined) throw refuse(`merges name ${show(token)}, which is not in the vocabulary`);
    return id;
  };
  list.forEach((merge: unknown, rank) => {
    const pair: unknown = typeof merge === "string" ? merge.split(" ") : merge;
    if (!Array.isArray(pair) || pair.length !== 2 || typeof pair[0] !== "string" || typeof pair[1] !== "string")
      throw refuse(`merge ${rank} is ${show(merge)}; it must be two tokens`);
    const [left, right] = pair as [string, string];
    const made = prefixLength === 0 ? left + right : left + right.slice(prefixLength);
    merges.set(idOf(left) * IDS + idOf(right), rank * IDS + idOf(made));
  });
  return merges;
};

const mergeAll = (ids: number[], merges: Merges): readonly number[] => {
  const next = ids.map((_, i) => i + 1);
  const before = ids.map((_, i) => i - 1);
  const gone = new Uint8Array(ids.length);
  const queue = heap();
  const mergeAt = (at: number) => (next[at] < ids.length ? merges.get(ids[at] * IDS + ids[next[at]]) : undefined);
  const rankOf = (merge: number): number => Math.floor(merge / IDS);
  const offer = (at: number): void => {
    const merge = at < 0 ? undefined : mergeAt(at);
    if (merge !== undefined) queue.push(rankOf(merge) * IDS + at);
  };
  for (let i = 0; i < ids.length; i++) offer(i);
  for (let top = queue.pop(); top !== undefined; top = queue.pop()) {
    const at = top % IDS;
    const merge = gone[at] === 1 ? undefined : mergeAt(at);
    // The pair may have changed since it was offered.
    if (merge === undefined || rankOf(merge) !== rankOf(top)) continue;
    const right = next[at];
    ids[at] = merge % IDS;
    gone[right] = 1;
    next[at] = next[right];
    if (next[at] < ids.length) before[next[at]] = at;
    offer(before[at]);
    offer(at);
  }
  return ids.filter((_, i) => gone[i] === 0);
};
