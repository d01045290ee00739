import { InputError } from "../../core/errors.js";

const special = ["<pad>", "<bos>", "<u>", "<a>", "<e>"];

/** The 67 tokens; a token's id is its place here. Only special tokens contain "<", so text splits in one way. */
export const vocabulary: readonly string[] = [
  ...special,
  ..."abcdefghijklmnopqrstuvwxyz",
  ..."ABCDEFGHIJ",
  ..."0123456789",
  ..." \n()=+:!?>-,.[];",
];

const idOf = new Map(vocabulary.map((token, id) => [token, id]));

/** Ids of special tokens that code asks for: padding, start of a text, end of an answer. */
export const PAD = 0;
export const BOS = 1;
export const END = 4;

/** Text → ids, one a character, special tokens written out (`<bos><u>rev abcd<a>`). InputError names a foreign character. */
export const encode = (text: string): number[] => {
  const ids: number[] = [];
  for (let at = 0; at < text.length; ) {
    const token = special.find((candidate) => text.startsWith(candidate, at)) ?? text[at];
    const id = idOf.get(token);
    if (id === undefined) {
      throw new InputError(
        `the lab's vocabulary has no token for ${JSON.stringify(token)} (character ${at + 1} of the text)`,
      );
    }
    ids.push(id);
    at += token.length;
  }
  return ids;
};

/** Ids → text; the inverse of `encode`. InputError for an id outside 0 … 66. */
export const decode = (ids: ArrayLike<number>): string =>
  Array.from(ids, (id) => {
    const token = vocabulary[id];
    if (token === undefined)
      throw new InputError(`the lab's vocabulary has ${vocabulary.length} tokens, none with id ${id}`);
    return token;
  }).join("");
