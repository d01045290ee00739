import type { JsonObject } from "../../files/json.js";

/** A stretch of text on its way to tokens; `first` says that it begins where the whole text does. */
export interface Piece {
  readonly text: string;
  readonly first: boolean;
}

/** One step of tokenizer.json (`{type, …}`) made ready. `refuse` makes the error that names the file. */
export type Maker<Step> = (config: JsonObject, refuse: (why: string) => Error) => Step;

/** The kinds of one step, by `type`. */
export type Kinds<Step> = Readonly<Record<string, Maker<Step>>>;

/** Makes the step that a `{type, …}` asks for. Errors: whatever `refuse` makes, for a kind that is not among them. */
export const make = <Step>(
  kinds: Kinds<Step>,
  part: string,
  config: JsonObject,
  refuse: (why: string) => Error,
): Step => {
  const { type } = config;
  if (typeof type !== "string" || !Object.hasOwn(kinds, type))
    throw refuse(`${part} ${JSON.stringify(type)} is not supported; known are ${Object.keys(kinds).join(", ")}`);
  return kinds[type](config, (why) => refuse(`${part} ${type}: ${why}`));
};

/** The list of steps in a Sequence. */
export const listOf = (value: unknown): readonly JsonObject[] =>
  Array.isArray(value) ? value.filter((entry): entry is JsonObject => typeof entry === "object" && entry !== null) : [];
