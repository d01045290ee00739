import { isObject, type JsonObject } from "../../files/json.js";
import { toBytes } from "./bytes.js";
import { listOf } from "./piece.js";

const encoder = new TextEncoder();
const SPACE = 0x20;
const isSpace = (byte: number): boolean => byte === SPACE || (byte >= 9 && byte <= 13);

const writesLetters = (decoder: unknown): boolean =>
  isObject(decoder) && (decoder.type === "ByteLevel" || listOf(decoder.decoders).some(writesLetters));

/** What a token may stand for in a text: its bytes, one way or the other. */
type Bytes = readonly (readonly number[])[];

/**
 * The bytes of a token's text: as the decoder of a tokenizer.json would write it; of an added token, its own, or those (the model
 * may have made it of parts).
 */
export const tokenBytes = ({ decoder }: JsonObject): ((token: string, isAdded: boolean) => Bytes) => {
  const letters = writesLetters(decoder);
  const decoded = (token: string): readonly number[] => {
    if (letters) return toBytes(token);
    const byte = /^<0x([0-9A-Fa-f]{2})>$/.exec(token);
    return byte !== null ? [Number.parseInt(byte[1], 16)] : [...encoder.encode(token.replaceAll("▁", " "))];
  };
  return (token, isAdded) => [...(isAdded ? [[...encoder.encode(token)]] : []), decoded(token)];
};

/** For every byte of a text, the character that it is of: where that begins and ends, in UTF-16 units. */
const charactersOf = (text: string): readonly (readonly [start: number, end: number])[] => {
  let unit = 0;
  return Array.from(text).flatMap((char) => {
    const place = [unit, unit + char.length] as const;
    unit += char.length;
    return new Array<typeof place>(encoder.encode(char).length).fill(place);
  });
};

/**
 * Where each token begins and ends in its text (UTF-16 units), found by the tokens' bytes one after the other; a token of a part
 * of a character has all of it, as in tokenizers. White space that an added token took along is passed over; so is a space that
 * the tokenizer put in front.
 * Errors: Error where the text does not go on with the token: a normalizer changed it, or a part is unknown.
 */
export const tokenPlaces = (
  text: string,
  tokens: readonly Bytes[],
): readonly (readonly [start: number, end: number])[] => {
  const bytes = encoder.encode(text);
  const places = charactersOf(text);
  const goesOn = (from: number, part: readonly number[]): boolean => part.every((byte, k) => bytes[from + k] === byte);
  let at = 0;
  return tokens.map((token, i) => {
    const unspaced = token.filter(([first]) => first === SPACE).map(([, ...rest]) => rest);
    let from = at;
    let part = [...token, ...unspaced].find((bytes) => goesOn(from, bytes));
    while (part === undefined && isSpace(bytes[from])) {
      from++;
      part = token.find((bytes) => goesOn(from, bytes));
    }
    if (part === undefined)
      throw new Error(
        `token ${i} is not found in the text at ${JSON.stringify(text.slice(places[at]?.[0] ?? text.length))}`,
      );
    at = from + part.length;
    return part.length === 0 ? [text.length, text.length] : [places[from][0], places[at - 1][1]];
  });
};

/**
 * Which tokens are of the spans, as transformers' `return_assistant_tokens_mask` tells: from the first token that has the span's
 * first character, to the first that has its last.
 */
export const tokensInSpans = (
  places: readonly (readonly [start: number, end: number])[],
  spans: readonly (readonly [start: number, end: number])[],
): readonly boolean[] => {
  const length = places.reduce((most, [, end]) => Math.max(most, end), 0);
  // The first token that has a place; tokens of one character share its place.
  const first = new Int32Array(length).fill(-1);
  for (let i = places.length - 1; i >= 0; i--) first.fill(i, places[i][0], places[i][1]);
  const tokenAt = (unit: number): number => first[unit] ?? -1;
  const inside = new Array<boolean>(places.length).fill(false);
  for (const [start, end] of spans) {
    const [from, last] = [tokenAt(start), tokenAt(end - 1)];
    if (from < 0) break;
    inside.fill(true, from, last > 0 ? Math.max(from, last + 1) : places.length);
  }
  return inside;
};
