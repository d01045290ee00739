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

/** A vocabulary as {token: id}. Errors: whatever `refuse` makes, for another shape. */
export const readVocabulary = (vocab: unknown, refuse: (why: string) => Error): ReadonlyMap<string, number> => {
  if (!isObject(vocab)) throw refuse(`vocab must be an object, is ${show(vocab)}`);
  const entries = Object.entries(vocab);
  const wrong = entries.find(([, id]) => typeof id !== "number" || !Number.isInteger(id) || id < 0);
  if (wrong !== undefined) throw refuse(`token ${show(wrong[0])} has id ${show(wrong[1])}`);
  return new Map(entries as [string, number][]);
};
