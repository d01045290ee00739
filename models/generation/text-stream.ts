import type { Tokenizer } from "../text/tokenizer.js";

/** Text of tokens that come one by one. */
export interface TextStream {
  /** What is certain of the text with one more token, and was not before; "" while a character is incomplete. */
  readonly push: (id: number) => string;
  /** What is not certain yet: the text's end, if no token comes any more. */
  readonly held: () => string;
}

const BROKEN = "\uFFFD";
/** Tokens before the first that are looked at; no character is spelled by more. */
const CONTEXT = 16;

/**
 * Decodes tokens that follow `before`, without special tokens. Only the last few tokens are decoded again with a new one:
 * from the last one on that has a text of its own, because decoders treat the beginning of a text apart.
 * Law: the text of `before` but for what is held at the beginning, all that `push` gives, and what is held at the end are
 * the text of all ids at once.
 */
export const textStream = (
  { decode, byteIds }: Pick<Tokenizer, "decode" | "byteIds">,
  before: readonly number[] = [],
): TextStream => {
  const textOf = (ids: readonly number[]): string => decode(ids, { skipSpecialTokens: true });
  /** Can decoding begin with these? Their text goes on from there as it does in the whole. */
  const isStart = (ids: readonly number[], text: string): boolean =>
    text !== "" && !text.startsWith(BROKEN) && !byteIds.has(ids[0]);
  /** Tokens that are decoded together, and what has been told of their text. */
  let window: readonly number[] = [];
  let told = "";
  /** Is the last token with a text a byte? Tokens without one leave its run open. */
  let isOpen = false;

  const shorten = (): void => {
    for (let from = window.length - 1; from > 0; from--) {
      const end = window.slice(from);
      const text = textOf(end);
      if (!isStart(end, text)) continue;
      [window, told] = [end, text];
      return;
    }
  };
  const push = (id: number): string => {
    window = [...window, id];
    isOpen = byteIds.has(id) || (isOpen && textOf([id]) === "");
    if (isOpen) return "";
    const text = textOf(window);
    if (text.endsWith(BROKEN) || !text.startsWith(told)) return "";
    const fresh = text.slice(told.length);
    told = text;
    shorten();
    return fresh;
  };
  let first = Math.max(0, before.length - CONTEXT);
  while (first > 0 && !isStart(before.slice(first), textOf(before.slice(first, first + 1)))) first--;
  for (const id of before.slice(first)) push(id);
  return { push, held: () => textOf(window).slice(told.length) };
};
