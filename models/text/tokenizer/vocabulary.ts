import { isObject, show } from "../../files/json.js";

/** What turns a pre-token into ids. */
export interface TokenModel {
  /** Tokens without the added ones. */
  readonly vocabulary: ReadonlyMap<string, number>;
  readonly tokenize: (word: string) => readonly number[];
}

/** A text, or undefined for null and what is missing or empty. */
export const optionalText = (value: unknown): string | undefined =>
  typeof value === "string" && value !== "" ? value : undefined;

/** Ids from here on are a mistake: the largest vocabularies are a sixtieth of it, and tables of all ids are walked. */
const FARTHEST = 2 ** 24;

/** Most tokens: eight times those of the largest vocabularies. */
const MOST_TOKENS = 2 ** 21;

/** A vocabulary as {token: id}. Errors: whatever `refuse` makes, for another shape, or an id that no vocabulary reaches. */
export const readVocabulary = (vocab: unknown, refuse: (why: string) => Error): ReadonlyMap<string, number> => {
  if (!isObject(vocab)) throw refuse(`vocab must be an object, is ${show(vocab)}`);
  const vocabulary = new Map<string, number>();
  const tokens = Object.keys(vocab);
  if (tokens.length > MOST_TOKENS) throw refuse(`vocab has ${tokens.length} tokens, at most ${MOST_TOKENS} are read`);
  for (const token of tokens) {
    const id = vocab[token];
    if (typeof id !== "number" || !Number.isInteger(id) || id < 0)
      throw refuse(`token ${show(token)} has id ${show(id)}`);
    if (id >= FARTHEST) throw refuse(`has a token with id ${id}; ids end before ${FARTHEST}`);
    vocabulary.set(token, id);
  }
  return vocabulary;
};
