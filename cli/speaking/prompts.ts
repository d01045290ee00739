import { columnsOf } from "../../align/data/layouts/columns.js";
import { messagesOf } from "../../align/data/layouts/messages.js";
import { templateVariables, type Variables } from "../../align/data/layouts/template-variables.js";
import { fitting } from "../../align/data/render.js";
import { located } from "../../align/data/tokenize.js";
import { InputError } from "../../core/errors.js";
import { checkParts, isObject, LARGEST_TEXT, oneLine, readText, show } from "../../models/files/json.js";
import { asWritten, parseJson } from "../../models/files/written-json.js";
import { type ChatMessage, checkTokenIds, type Tokenizer } from "../../models/index.js";

/** Something to continue, where it comes from, and whether its own text is part of what is shown. */
export interface Prompt {
  readonly ids: readonly number[];
  readonly isAnswered: boolean;
}

/** What a line may hold: a text or messages, with what the line tells the chat template beside them, or token ids. */
type Given =
  | string
  | { readonly ids: readonly number[] }
  | { readonly said: string | readonly ChatMessage[]; readonly variables?: Variables };

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
  const { said, variables: own } = typeof given === "string" ? { said: given } : given;
  const isTalk = typeof said !== "string" || chat;
  if (!isTalk && own !== undefined)
    throw new InputError(`${where}: ${Object.keys(own).join(", ")} is for the chat template; add --chat`);
  if (!isTalk && (system !== undefined || variables !== undefined))
    throw new InputError(`${where}: --system and --template-kwargs are for the chat template; add --chat`);
  const turns: readonly ChatMessage[] = typeof said === "string" ? [{ role: "user", content: said }] : said;
  if (isTalk && turns[0].role === "system" && system !== undefined)
    throw new InputError(`${where}: has a system message of its own; leave --system out`);
  const messages = system === undefined ? turns : [{ role: "system", content: system }, ...turns];
  const ids =
    typeof said === "string" && !chat
      ? tokenizer.encode(said)
      : located(where, () =>
          tokenizer.encodeChat(fitting(messages, tokenizer), {
            addGenerationPrompt: true,
            variables: asWritten({ ...variables, ...own }, own ?? {}),
          }),
        );
  checkTokenIds(ids, vocabSize, where);
  if (ids.length === 0) throw new InputError(`${where} has no token`);
  return { ids, isAnswered: isTalk };
};

/** What a line of JSON asks for. Errors: InputError. */
const givenBy = (line: string, where: string): Given => {
  let value: unknown;
  try {
    value = parseJson(line);
  } catch (error) {
    throw new InputError(`${where}: is not JSON (${oneLine((error as Error).message)})`);
  }
  if (typeof value === "string" && value !== "") return value;
  if (isObject(value)) {
    const { prompt, messages, ids } = value;
    const there = [prompt, messages, ids].filter((part) => part !== undefined);
    if (there.length === 1) {
      const variables = templateVariables(columnsOf(value, where), false, where);
      if (typeof prompt === "string" && prompt !== "") return { said: prompt, variables };
      const turns = messages ?? prompt;
      if (Array.isArray(turns) && turns.length > 0)
        return { said: messagesOf(turns, messages === undefined ? "prompt" : "messages", where), variables };
      if (Array.isArray(ids) && variables === undefined) return { ids: ids as number[] };
    }
  }
  throw new InputError(
    `${where} is ${show(value)}; it must be a text, or have one of prompt (text or messages), messages and ids`,
  );
};

/** Standard input to its end. Errors: InputError for one that has none. */
const readInput = async (): Promise<string> => {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of process.stdin) {
    size += (part as Buffer).length;
    if (size > LARGEST_TEXT)
      throw new InputError(`standard input: has more than ${LARGEST_TEXT >> 20} MiB; cut it into shorter ones`);
    parts.push(part as Buffer);
  }
  return Buffer.concat(parts).toString("utf8");
};

/**
 * The prompts of a file (or of standard input, "-"): JSON lines if its name says so, or if its first line is an object; else
 * a text a line. Empty lines are passed over. Errors: InputError naming file and line.
 */
export const readPrompts = async (path: string, reading: Reading): Promise<Prompt[]> => {
  const source = path === "-" ? "standard input" : path;
  const text = path === "-" ? await readInput() : readText(path);
  checkParts(text, source);
  const lines = text
    .replace(/^\uFEFF/, "")
    .split(/\r?\n/)
    .map((line, i) => ({ line, where: `${source}:${i + 1}` }))
    .filter(({ line }) => line.trim() !== "");
  if (lines.length === 0) throw new InputError(`${source}: holds no prompt`);
  const isJson = /\.(jsonl|ndjson|json)$/i.test(path) || /^\s*\{/.test(lines[0].line);
  return lines.map(({ line, where }) => promptOf(isJson ? givenBy(line, where) : line, where, reading));
};
