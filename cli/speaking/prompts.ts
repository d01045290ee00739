import { InputError } from "../../core/errors.js";
import { isObject, oneLine, readText, show } from "../../models/files/json.js";
import { type ChatMessage, checkTokenIds, type Tokenizer } from "../../models/index.js";

/** Something to continue, where it comes from, and whether its own text is part of what is shown. */
export interface Prompt {
  readonly ids: readonly number[];
  readonly isAnswered: boolean;
}

/** What a line may hold. */
type Given = string | { readonly ids: readonly number[] } | { readonly messages: readonly ChatMessage[] };

/** How prompts become tokens. */
export interface Reading {
  readonly tokenizer: Tokenizer | undefined;
  readonly vocabSize: number;
  /** Is a text what a user says? */
  readonly chat: boolean;
  readonly system: string | undefined;
  readonly variables: Readonly<Record<string, unknown>> | undefined;
  /** The folder, for messages. */
  readonly folder: string;
}

/** Tokens of one prompt; `where` names it. Errors: InputError. */
export const promptOf = (given: Given, where: string, reading: Reading): Prompt => {
  const { tokenizer, vocabSize, chat, system, variables, folder } = reading;
  if (typeof given === "object" && "ids" in given) {
    if (chat) throw new InputError(`${where}: token ids have no chat template applied; leave --chat out`);
    checkTokenIds(given.ids, vocabSize, where);
    if (given.ids.length === 0) throw new InputError(`${where}: holds no token id`);
    return { ids: given.ids, isAnswered: false };
  }
  if (tokenizer === undefined) throw new InputError(`${folder}: holds no tokenizer.json, so it reads token ids alone`);
  const isTalk = typeof given === "object" || chat;
  if (!isTalk && (system !== undefined || variables !== undefined))
    throw new InputError(`${where}: --system and --template-kwargs are for the chat template; add --chat`);
  const said = typeof given === "object" ? given.messages : [{ role: "user", content: given }];
  const hasSystem = said[0]?.role === "system";
  if (isTalk && hasSystem && system !== undefined)
    throw new InputError(`${where}: has a system message of its own; leave --system out`);
  const messages = system === undefined ? said : [{ role: "system", content: system }, ...said];
  const ids = isTalk
    ? tokenizer.encodeChat(messages, { addGenerationPrompt: true, ...(variables && { variables }) })
    : tokenizer.encode(given as string);
  checkTokenIds(ids, vocabSize, where);
  if (ids.length === 0) throw new InputError(`${where} has no token`);
  return { ids, isAnswered: isTalk };
};

const isMessages = (value: unknown): value is ChatMessage[] =>
  Array.isArray(value) && value.length > 0 && value.every((turn) => isObject(turn) && typeof turn.role === "string");

/** What a line of JSON asks for. Errors: InputError. */
const givenBy = (line: string, where: string): Given => {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new InputError(`${where}: is not JSON (${oneLine((error as Error).message)})`);
  }
  if (typeof value === "string" && value !== "") return value;
  if (isObject(value)) {
    const { prompt, messages, ids } = value;
    const there = [prompt, messages, ids].filter((part) => part !== undefined);
    if (there.length === 1) {
      if (typeof prompt === "string" && prompt !== "") return prompt;
      if (isMessages(messages ?? prompt)) return { messages: (messages ?? prompt) as ChatMessage[] };
      if (Array.isArray(ids)) return { ids: ids as number[] };
    }
  }
  throw new InputError(
    `${where} is ${show(value)}; it must be a text, or have one of prompt (text or messages), messages and ids`,
  );
};

/** Standard input to its end. */
const readInput = async (): Promise<string> => {
  const parts: Buffer[] = [];
  for await (const part of process.stdin) parts.push(part as Buffer);
  return Buffer.concat(parts).toString("utf8");
};

/**
 * The prompts of a file (or of standard input, "-"): JSON lines if its name says so, or if its first line is an object; else
 * a text a line. Empty lines are passed over. Errors: InputError naming file and line.
 */
export const readPrompts = async (path: string, reading: Reading): Promise<Prompt[]> => {
  const source = path === "-" ? "standard input" : path;
  const text = path === "-" ? await readInput() : readText(path);
  const lines = text
    .replace(/^\uFEFF/, "")
    .split(/\r?\n/)
    .map((line, i) => ({ line, where: `${source}:${i + 1}` }))
    .filter(({ line }) => line.trim() !== "");
  if (lines.length === 0) throw new InputError(`${source}: holds no prompt`);
  const isJson = /\.(jsonl|ndjson|json)$/i.test(path) || /^\s*\{/.test(lines[0].line);
  return lines.map(({ line, where }) => promptOf(isJson ? givenBy(line, where) : line, where, reading));
};
