import { isObject, type JsonObject } from "../files/json.js";

const BYTE = /^<0x[0-9A-Fa-f]{2}>$/;

/** Is there a ByteFallback among the decoders? */
const falls = (decoder: unknown): boolean =>
  isObject(decoder) &&
  (decoder.type === "ByteFallback" || (Array.isArray(decoder.decoders) && decoder.decoders.some(falls)));

/**
 * Ids of the tokens `<0x00>` … `<0xFF>` of a tokenizer.json that decodes them as bytes. A run of them is one text, which the
 * next of them may change: what is no UTF-8 becomes replacement characters as a whole.
 */
export const byteTokens = ({ model, decoder }: JsonObject): ReadonlySet<number> => {
  if (!falls(decoder) || !isObject(model)) return new Set();
  const { vocab } = model;
  const entries: [unknown, unknown][] = Array.isArray(vocab)
    ? vocab.map((entry, id) => [Array.isArray(entry) ? entry[0] : entry, id])
    : Object.entries(isObject(vocab) ? vocab : {});
  return new Set(entries.flatMap(([token, id]) => (BYTE.test(String(token)) && typeof id === "number" ? [id] : [])));
};
