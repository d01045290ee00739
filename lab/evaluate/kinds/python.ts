/** What Python's own functions tell of a text, for scorers that are written in it. */

/** The characters of its `\s`, of a class: JavaScript's has \ufeff, and not \x1c-\x1f and \x85. */
export const SPACE = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
/** The characters of its `\w`, of a class. */
export const WORD = "\\p{L}\\p{N}_";
/** Its `\b`. */
export const BORDER = `(?:(?<=[${WORD}])(?![${WORD}])|(?<![${WORD}])(?=[${WORD}]))`;

const FIRST = new RegExp(`^[${SPACE}]+`, "u");
const LAST = new RegExp(`(?<![${SPACE}])[${SPACE}]+$`, "u");

export const stripEnd = (text: string): string => text.replace(LAST, "");
export const strip = (text: string): string => stripEnd(text.replace(FIRST, ""));

const LOWER = /[\p{Lowercase}\p{Lt}]/u;
const UPPER = /[\p{Uppercase}\p{Lt}]/u;

/** There are letters with case, and all are of it. */
export const isUpper = (text: string): boolean => /\p{Uppercase}/u.test(text) && !LOWER.test(text);
export const isLower = (text: string): boolean => /\p{Lowercase}/u.test(text) && !UPPER.test(text);

/** Its json takes numbers that JSON has not. */
const withNumbers = (text: string): string =>
  text.replace(/"(?:[^"\\]|\\.)*"|-?Infinity|NaN/gs, (found) => (found.startsWith('"') ? found : " 0 "));

/** Whether `json.loads` reads a text. */
export const isJson = (text: string): boolean => {
  try {
    JSON.parse(withNumbers(text));
    return true;
  } catch {
    return false;
  }
};
