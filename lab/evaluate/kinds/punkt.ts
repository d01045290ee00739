/**
 * Sentences as NLTK's Punkt tells them: a full stop ends one unless its word is an abbreviation, an initial or a number, and the
 * word after it does not speak for a beginning. Kiss & Strunk 2006, Computational Linguistics 32, section 4, with the tokens of
 * NLTK 3.10; what is learnt (section 3) comes with the parameters.
 */
import { isLower, isUpper, SPACE, stripEnd } from "./python.js";

/** What Punkt learns of a language. Types of words are in small letters, numbers are "##number##". */
export interface PunktParameters {
  /** Words that end in a full stop, without it. */
  readonly abbreviations: ReadonlySet<string>;
  /** By a word before a full stop: words that go with it, no sentence's end between them. */
  readonly collocations: ReadonlyMap<string, ReadonlySet<string>>;
  readonly starters: ReadonlySet<string>;
  /** By type: how it was seen, as a sum of the flags below. */
  readonly contexts: ReadonlyMap<string, number>;
}

/** The sentences of a text. */
export type Split = (text: string) => readonly string[];

const BEGINS_LOWER = 16;
const INSIDE_UPPER = 4;
const ANY_UPPER = 2 + 4 + 8;
const ANY_LOWER = 16 + 32 + 64;

const CLOSES = "[)\";}\\]*:@'({[\\u2018\\u2019\\u201c\\u201d\\xab\\xbb?!]";
const MARKS = `(?:-{2,}|\\.{2,}|(?:\\.[${SPACE}]){2,}\\.)`;
const WORD_ENDS = `[${SPACE}]|$|${CLOSES}|${MARKS}`;
const TOKEN = new RegExp(
  `${MARKS}|(?=[^("\`{[:;&#*@)}\\]\\-,])[^${SPACE}]+?(?=${WORD_ENDS}|,(?=${WORD_ENDS}))|[^${SPACE}]`,
  "gu",
);
/** A mark that may end a sentence, what follows it, and of that the next word. */
const END = new RegExp(`[.?!](?=(${CLOSES}|[${SPACE}]+([^${SPACE}]+)))`, "gu");
/** What closes a sentence after its mark. */
const CLOSING = new RegExp(`^["')\\]}\\u2018\\u2019\\u201c\\u201d\\xab\\xbb]+?(?:[${SPACE}]+|(?=--)|$)`, "u");
const NUMBER = /^-?[.,]?\p{Nd}[\p{Nd},.-]*\.?$/u;
const INITIAL = /^[\p{L}\p{Nl}\p{No}_]\.$/u;
const PUNCTUATION: readonly string[] = [...";:,.!?"];

interface Token {
  readonly text: string;
  readonly type: string;
  readonly first: string;
  ends: boolean;
  /** An abbreviation, or dots that leave something out. */
  open: boolean;
}

const withoutStop = (type: string): string => (type.length > 1 && type.endsWith(".") ? type.slice(0, -1) : type);
/** A token's type; where it ends a sentence, without the full stop. */
const typeOf = (token: Token): string => (token.ends ? withoutStop(token.type) : token.type);

/** A token, judged by itself. */
const judged = (text: string, { abbreviations }: PunktParameters): Token => {
  const lower = text.toLowerCase();
  const type = lower.replace(NUMBER, "##number##");
  const of = (ends: boolean, open: boolean): Token => ({ text, type, first: [...text][0], ends, open });
  if (text === "." || text === "?" || text === "!") return of(true, false);
  if (/^\.\.+$/.test(text)) return of(false, true);
  if (!text.endsWith(".") || text.endsWith("..")) return of(false, false);
  const word = lower.slice(0, -1);
  const known = abbreviations.has(word) || abbreviations.has(word.slice(word.lastIndexOf("-") + 1));
  return of(!known, known);
};

/** Does a token begin a sentence? undefined where nothing tells. */
const begins = (token: Token, { contexts }: PunktParameters): boolean | undefined => {
  if (PUNCTUATION.includes(token.text)) return false;
  const seen = contexts.get(typeOf(token)) ?? 0;
  if (isUpper(token.first) && seen & ANY_LOWER && !(seen & INSIDE_UPPER)) return true;
  if (isLower(token.first) && (seen & ANY_UPPER || !(seen & BEGINS_LOWER))) return false;
  return undefined;
};

/** Does a sentence end after a token, by the token that follows? */
const endsBefore = (token: Token, next: Token, parameters: PunktParameters): boolean => {
  if (!token.text.endsWith(".")) return token.ends;
  const [type, nextType] = [withoutStop(token.type), typeOf(next)];
  const initial = INITIAL.test(token.text);
  if (parameters.collocations.get(type)?.has(nextType)) return false;
  const starts = begins(next, parameters);
  const upper = isUpper(next.first);
  if (token.open && !initial && (starts || (upper && parameters.starters.has(nextType)))) return true;
  if (initial || type === "##number##") {
    if (starts === false) return false;
    const lower = (parameters.contexts.get(nextType) ?? 0) & ANY_LOWER;
    if (starts === undefined && initial && upper && !lower) return false;
  }
  return token.ends;
};

/** Whether a sentence ends inside of a piece of text. */
const hasEnd = (piece: string, parameters: PunktParameters): boolean => {
  const tokens = piece.split("\n").flatMap((line) => line.match(TOKEN) ?? []);
  const all = tokens.map((text) => judged(text, parameters));
  return all.some((token, i) => i + 1 < all.length && endsBefore(token, all[i + 1], parameters));
};

/** Marks that may end a sentence, each with its word and what follows; of several in one word the last. */
const candidates = (text: string): readonly { match: RegExpExecArray; piece: string }[] => {
  const found: { match: RegExpExecArray; piece: string }[] = [];
  let [start, stop] = [0, 0];
  let last: RegExpExecArray | undefined;
  const close = (): void => {
    if (last) found.push({ match: last, piece: text.slice(start, stop) + last[0] + last[1] });
  };
  for (const match of text.matchAll(END)) {
    let at = match.index - 1;
    while (at > stop && !/[ \t-\r]/.test(text[at])) at--;
    const from = at > stop ? at + 1 : start;
    if (stop <= from) close();
    [last, start, stop] = [match, from, match.index];
  }
  close();
  return found;
};

/** From where to where sentences go, closing marks not yet put to the sentence that they close. */
const slices = (text: string, parameters: PunktParameters): readonly (readonly [from: number, to: number])[] => {
  const found: (readonly [number, number])[] = [];
  let from = 0;
  for (const { match, piece } of candidates(text)) {
    if (!hasEnd(piece, parameters)) continue;
    const after = match.index + 1;
    found.push([from, after]);
    from = match[2] === undefined ? after : after + match[1].length - match[2].length;
  }
  return [...found, [from, stripEnd(text).length]];
};

/** A splitter of texts into sentences, by what was learnt of a language. */
export const punkt =
  (parameters: PunktParameters): Split =>
  (text) => {
    const sentences: string[] = [];
    let moved = 0;
    const all = slices(text, parameters);
    for (const [i, [start, stop]] of all.entries()) {
      const from = start + moved;
      const closing = i + 1 < all.length ? CLOSING.exec(text.slice(...all[i + 1])) : null;
      moved = closing?.[0].length ?? 0;
      const to = closing ? all[i + 1][0] + stripEnd(closing[0]).length : stop;
      if (closing || from < to) sentences.push(text.slice(from, to));
    }
    return sentences;
  };
