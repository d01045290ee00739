/**
 * Text that a terminal shows as it is: what a model says may hold sequences that move the cursor, write the clipboard or
 * rename the window. Line breaks and tabs stay; other control characters, and those that turn the direction of a line, are
 * spelled out. (`--json` has the text unchanged.)
 */
export const harmless = (text: string): string =>
  text.replace(
    /(?![\n\t])[\p{Cc}\u061C\u200E\u200F\u2028\u2029\u202A-\u202E\u2066-\u2069]/gu,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
