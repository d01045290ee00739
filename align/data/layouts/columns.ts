import { InputError } from "../../../core/errors.js";
import { isObject, type JsonObject, show } from "../../../models/files/json.js";

/**
 * What columns hold, and the names that TRL, LLaMA-Factory and well-known data sets have for them. Of several in one row
 * the first counts.
 */
export const COLUMNS = {
  chosen: ["chosen", "chosen_response"],
  rejected: ["rejected", "rejected_response"],
  prompt: ["prompt"],
  completion: ["completion"],
  /** A conversation, whole or as a prompt. */
  conversation: ["messages", "conversations"],
  /** What an instruction, its input, and its answer are called where all three are plain text. */
  question: ["instruction", "question", "query", "input"],
  context: ["input", "context"],
  answer: ["output", "response", "answer"],
  /** Earlier [question, answer] pairs. */
  history: ["history"],
  system: ["system", "system_prompt"],
  text: ["text"],
  /** Whether an answer is wanted. */
  label: ["label", "kto_tag"],
  tools: ["tools"],
  documents: ["documents"],
  kwargs: ["chat_template_kwargs"],
} as const satisfies Record<string, readonly string[]>;

export type Column = keyof typeof COLUMNS;

/** Columns that change what a row teaches, and that nothing here understands. */
const REFUSED: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    ["image", "images", "video", "videos", "audio", "audios"].map((name) => [
      name,
      "only text is trained on; leave such rows out",
    ]),
  ),
  functions: 'a chat template reads them as "tools": [{"type": "function", "function": {…}}, …]',
};

const isEmpty = (value: unknown): boolean =>
  value == null || value === "" || (Array.isArray(value) && value.length === 0);

/** A row that remembers which of its columns were used. */
export interface Columns {
  /** The name of a column that the row has, else undefined. */
  readonly find: (column: Column) => string | undefined;
  /** A column's value, which stays to be taken. */
  readonly peek: (column: Column) => unknown;
  /** Takes a column's value. Errors: InputError if the row has none. */
  readonly take: (column: Column) => { readonly name: string; readonly value: unknown };
  /** Columns that were not taken. */
  readonly unused: () => readonly string[];
}

/** A parsed row by its columns; those that are null count as absent. Errors: InputError for what cannot be trained on. */
export const columnsOf = (value: unknown, at: string): Columns => {
  if (!isObject(value)) throw new InputError(`${at}: must be a JSON object, is ${show(value)}`);
  const there = Object.entries(value).filter(
    ([name, field]) => field !== null && !(Object.hasOwn(REFUSED, name) && isEmpty(field)),
  );
  const refused = there.find(([name]) => Object.hasOwn(REFUSED, name));
  if (refused !== undefined)
    throw new InputError(`${at}: has "${refused[0]}", which cannot be learned here: ${REFUSED[refused[0]]}`);
  const row: JsonObject = Object.fromEntries(there);
  const taken = new Set<string>();
  const find = (column: Column): string | undefined =>
    COLUMNS[column].find((name) => Object.hasOwn(row, name) && !taken.has(name));
  return {
    find,
    peek: (column) => row[find(column) ?? ""],
    take: (column) => {
      const name = find(column);
      if (name === undefined) throw new InputError(`${at}: "${COLUMNS[column][0]}" is missing`);
      taken.add(name);
      return { name, value: row[name] };
    },
    unused: () => Object.keys(row).filter((name) => !taken.has(name)),
  };
};
