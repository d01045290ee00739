import { WORD } from "./pattern.js";
import type { Piece } from "./piece.js";

/** A token beside the model's own, found in the text before the model sees it. */
export interface AddedToken {
  readonly content: string;
  /** Not inside of a word. */
  readonly single_word: boolean;
  /** Takes the white space before it, after it, along. */
  readonly lstrip: boolean;
  readonly rstrip: boolean;
  /** Is looked for after the normalizer, in its normalized form. */
  readonly normalized: boolean;
  /** Is left out when special tokens are skipped. */
  readonly special: boolean;
}

/** A piece of text, or an added token's id. */
export type Section = Piece | { readonly id: number };

const WORD_BEFORE = new RegExp(`${WORD}$`, "u");
const WORD_AFTER = new RegExp(`^${WORD}`, "u");
const SPACE = /\p{White_Space}/u;

interface Pattern {
  readonly token: AddedToken;
  readonly id: number;
}

/** Letters lead to more of them, and to the token that ends there. */
interface Trie {
  readonly next: Map<string, Trie>;
  found?: Pattern;
}

/**
 * Cuts a text at the added tokens that are in it: the leftmost, and of those the longest. One that is refused (not a word of
 * its own) still hides what overlaps it.
 * Source: `AddedVocabulary::find_matches` of huggingface/tokenizers. @huggingface/tokenizers 0.2 knows no `single_word`, strips
 * white space from its neighbours' text instead of taking it along, and looks for tokens of `normalized: true` only if there is
 * a normalizer (for upstream).
 */
export const addedTokenSplitter = (
  patterns: readonly (Pattern & { readonly text: string })[],
): ((piece: Piece) => readonly Section[]) => {
  const root: Trie = { next: new Map() };
  for (const { text, ...pattern } of patterns) {
    let node = root;
    for (const unit of text.split("")) {
      const deeper = node.next.get(unit) ?? { next: new Map() };
      node.next.set(unit, deeper);
      node = deeper;
    }
    if (node !== root) node.found ??= pattern;
  }
  const longestAt = (text: string, start: number): (Pattern & { end: number }) | undefined => {
    let best: (Pattern & { end: number }) | undefined;
    let node: Trie | undefined = root;
    for (let end = start; end < text.length; ) {
      node = node.next.get(text[end++]);
      if (node === undefined) break;
      if (node.found !== undefined) best = { ...node.found, end };
    }
    return best;
  };
  return ({ text, first }) => {
    if (patterns.length === 0) return text === "" ? [] : [{ text, first }];
    const sections: Section[] = [];
    let done = 0;
    const keep = (end: number): void => {
      if (end > done) sections.push({ text: text.slice(done, end), first: first && done === 0 });
    };
    for (let at = 0; at < text.length; ) {
      const match = longestAt(text, at);
      if (match === undefined) {
        at++;
        continue;
      }
      let [start, end] = [at, match.end];
      at = end;
      const { token, id } = match;
      const inWord = WORD_BEFORE.test(text.slice(Math.max(0, start - 2), start)) || WORD_AFTER.test(text.slice(end));
      if (token.single_word && inWord) continue;
      while (token.lstrip && start > done && SPACE.test(text[start - 1])) start--;
      while (token.rstrip && end < text.length && SPACE.test(text[end])) end++;
      keep(start);
      sections.push({ id });
      done = end;
    }
    keep(text.length);
    return sections;
  };
};
