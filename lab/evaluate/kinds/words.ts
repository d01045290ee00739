/**
 * Words as NLTK's `word_tokenize` tells them (the Penn Treebank's rules), of which IFEval counts those in capitals: quotation
 * marks, brackets, marks and contractions stand alone. A full stop stays with its word, which changes no case.
 */
const SENTENCE: readonly (readonly [RegExp, string])[] = [
  // quotation marks that open
  [/([«“‘„]|`+)/g, " $1 "],
  [/^"/g, "``"],
  [/(``)/g, " $1 "],
  [/([ ([{<])("|'{2})/g, "$1 `` "],
  [/(?<![\p{L}\p{N}_])'(?!(?:re|ve|ll|m|t|s|d|n)(?![\p{L}\p{N}_]))(?=[\p{L}\p{N}_])/giu, "' "],
  // marks
  [/([^.])(\.)([\])}>"'»”’ ]*)\s*$/gu, "$1 $2 $3 "],
  [/([:,])(\D)/g, " $1 $2"],
  [/([:,])$/g, " $1 "],
  [/\.{2,}/g, " $& "],
  [/[;@#$%&]/g, " $& "],
  [/[\u2012-\u2015]/g, " $& "],
  [/([^.])(\.)([\])}>"']*)\s*$/g, "$1 $2$3 "],
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
  [/\s+/g, " "],
  [/([^' ])('[sS]|'[mM]|'[dD]|') /g, "$1 $2 "],
  [/([^' ])('ll|'LL|'re|'RE|'ve|'VE|n't|N'T) /g, "$1 $2 "],
  // contractions
  ...["can)(not", "d)('ye", "gim)(me", "gon)(na", "got)(ta", "lem)(me", "more)('n"].map(
    (pair) => [new RegExp(`(?<![\\p{L}\\p{N}_])(${pair})(?![\\p{L}\\p{N}_])`, "giu"), " $1 $2 "] as const,
  ),
  [/(?<![\p{L}\p{N}_])(wan)(na)(?=\s)/giu, " $1 $2 "],
  [/ ('t)(is)(?![\p{L}\p{N}_])/giu, " $1 $2 "],
  [/ ('t)(was)(?![\p{L}\p{N}_])/giu, " $1 $2 "],
];

const rewritten = (text: string, rules: typeof SENTENCE): string =>
  rules.reduce((so, [pattern, to]) => so.replace(pattern, to), text);

/** The words of a text, taken for one sentence. */
export const treebankWords = (text: string): readonly string[] =>
  rewritten(` ${rewritten(text, SENTENCE)} `, SPACED)
    .split(/\s+/)
    .filter((word) => word !== "");

const LOWER = /[\p{Lowercase}\p{Lt}]/u;
const UPPER = /[\p{Uppercase}\p{Lt}]/u;

/** As Python's `isupper` and `islower`: there are letters with case, and all are of it. */
export const isUpper = (text: string): boolean => /\p{Uppercase}/u.test(text) && !LOWER.test(text);
export const isLower = (text: string): boolean => /\p{Lowercase}/u.test(text) && !UPPER.test(text);
