/** What a text is cut by before pairs are merged, as published tokenizers write it. None of them ever tries many ways. */
export const words = (contractions: string, digits: string): string =>
  `${contractions}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;
export const CASELESS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
export const CASED = "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])";

const [UPPER, LOWER] = ["[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]", "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"];

/** The same, cut before capitals too. */
export const cased = (ends: string, digits: string, breaks: string): string =>
  [
    `[^\\r\\n\\p{L}\\p{N}]?${UPPER}*${LOWER}+${ends}`,
    `[^\\r\\n\\p{L}\\p{N}]?${UPPER}+${LOWER}*${ends}`,
    `${digits}| ?[^\\s\\p{L}\\p{N}]+${breaks}|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`,
  ].join("|");

/** How digits are cut: each, or up to three. */
const DIGITS = ["\\p{N}", "\\p{N}{1,3}"];

const PUBLISHED: ReadonlySet<string> = new Set([
  ...DIGITS,
  ...DIGITS.flatMap((digits) => [CASELESS, CASED].map((contractions) => words(contractions, digits))),
  ...DIGITS.flatMap((digits) => ["", `${CASELESS}?`].map((ends) => cased(ends, digits, "[\\r\\n/]*"))),
  // DeepSeek's, beside digits.
  "[一-龥぀-ゟ゠-ヿ]+",
  "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+",
]);

/** Whether a regular expression is one of those that are known to take a time in proportion to the text. */
export const isPublished = (regex: string): boolean => PUBLISHED.has(regex);
