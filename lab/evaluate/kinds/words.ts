/** Words as NLTK 3.10 tells them. */
import { SPACE } from "./python.js";

const SPACES = new RegExp(`[${SPACE}]+`, "gu");

const SENTENCE: readonly (readonly [RegExp, string])[] = [
  // quotation marks that open
  [/([«“‘„]|`+)/g, " $1 "],
  [/^"/g, "``"],
  [/(``)/g, " $1 "],
  [/([ ([{<])("|'{2})/g, "$1 `` "],
  [/(?<![\p{L}\p{N}_])'(?!(?:re|ve|ll|m|t|s|d|n)(?![\p{L}\p{N}_]))(?=[\p{L}\p{N}_])/giu, "' "],
  // marks
  [new RegExp(`([^.])(\\.)([\\])}>"'»”’ ]*)[${SPACE}]*$`, "gu"), "$1 $2 $3 "],
  [/([:,])(\P{Nd})/gu, " $1 $2"],
  [/([:,])$/g, " $1 "],
  [/\.{2,}/g, " $& "],
  [/[;@#$%&]/g, " $& "],
  [/[\u2012-\u2015]/g, " $& "],
  [new RegExp(`([^.])(\\.)([\\])}>"']*)[${SPACE}]*$`, "gu"), "$1 $2$3 "],
  [/[?!]/g, " $& "],
  [/([^'])' /g, "$1 ' "],
  [/[*]/g, " $& "],
  // brackets, dashes
  [/[\][(){}<>]/g, " $& "],
  [/--/g, " -- "],
];

const SPACED: readonly (readonly [RegExp, string])[] = [
  // quotation marks that close
  [/([»”’])/g, " $1 "],
  [/''/g, " '' "],
  [/"/g, " '' "],
  [SPACES, " "],
  [/([^' ])('[sS]|'[mM]|'[dD]|') /g, "$1 $2 "],
  [/([^' ])('ll|'LL|'re|'RE|'ve|'VE|n't|N'T) /g, "$1 $2 "],
  // contractions
  ...["can)(not", "d)('ye", "gim)(me", "gon)(na", "got)(ta", "lem)(me", "more)('n"].map(
    (pair) => [new RegExp(`(?<![\\p{L}\\p{N}_])(${pair})(?![\\p{L}\\p{N}_])`, "giu"), " $1 $2 "] as const,
  ),
  [/(?<![\p{L}\p{N}_])(wan)(na)(?= )/giu, " $1 $2 "],
  [/ ('t)(is)(?![\p{L}\p{N}_])/giu, " $1 $2 "],
  [/ ('t)(was)(?![\p{L}\p{N}_])/giu, " $1 $2 "],
];

const rewritten = (text: string, rules: typeof SENTENCE): string =>
  rules.reduce((so, [pattern, to]) => so.replace(pattern, to), text);

/**
 * The words of a sentence, as `word_tokenize` has them (the Penn Treebank's rules), of which IFEval counts those in capitals:
 * quotation marks, brackets, marks and contractions stand alone.
 */
export const treebankWords = (text: string): readonly string[] =>
  rewritten(` ${rewritten(text, SENTENCE)} `, SPACED)
    .split(SPACES)
    .filter((word) => word !== "");

/** Runs of what the engine `regex` calls `\w`, by which NLTK's RegexpTokenizer goes in 3.10: marks belong to their letters. */
const RUNS = /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]+/gu;

export const countWords = (text: string): number => text.match(RUNS)?.length ?? 0;
