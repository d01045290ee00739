/** Deepest nesting of any JSON that is read; what is deeper overflows the stack of whoever walks over it, or writes it. */
const DEEPEST = 200;
/** Most lists, objects and commas of a text: those of a large tokenizer, four times over. */
const MOST = 2 ** 23;

const [QUOTE, BACKSLASH, COMMA] = [34, 92, 44];
const isOpen = (code: number): boolean => code === 91 || code === 123;
const isClose = (code: number): boolean => code === 93 || code === 125;

/** So many times, up to a number, is a character in a text? Most texts have few of them. */
const times = (text: string, char: string, most: number): number => {
  let count = 0;
  for (let at = text.indexOf(char); at >= 0 && count < most; at = text.indexOf(char, at + 1)) count++;
  return count;
};

/** Errors: SyntaxError for a text that is nested too deeply, or holds more values than any memory. */
const checkSize = (text: string): void => {
  let [depth, values] = [0, 0];
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      for (at++; at < text.length && text.charCodeAt(at) !== QUOTE; at++) if (text.charCodeAt(at) === BACKSLASH) at++;
    } else if (isOpen(code)) {
      values++;
      if (++depth > DEEPEST) throw new SyntaxError(`it is nested more than ${DEEPEST} levels deep`);
    } else if (isClose(code)) depth--;
    else if (code === COMMA) values++;
    if (values > MOST) throw new SyntaxError(`it holds more than ${MOST} values`);
  }
};

/** JSON.parse of somebody else's text. Errors: SyntaxError, for what is no JSON, nested too deeply, or too much of it. */
export const parseBounded = (text: string): unknown => {
  if (times(text, "[", DEEPEST) + times(text, "{", DEEPEST) >= DEEPEST) checkSize(text);
  return JSON.parse(text) as unknown;
};
