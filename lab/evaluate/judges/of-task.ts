import { InputError } from "../../../core/errors.js";
import { isObject, show } from "../../../models/files/json.js";
import { type Fields, fields } from "../rows/fields.js";
import type { Chat, ChatReply } from "./chat.js";
import { type Address, endpoint } from "./endpoint.js";
import { LONGEST_WAIT, shell } from "./shell.js";

/** Characters that a command may print a request. */
const MOST = 2 ** 17;

const replyOn = (line: string, at: number, name: string): ChatReply => {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    // told below
  }
  if (!isObject(value) || typeof value.text !== "string")
    throw new InputError(`${name} printed ${show(line)} for request ${at}; it must be {"text": "…"}`);
  const told = isObject(value.logprobs) ? Object.entries(value.logprobs) : [];
  const logprobs = told.filter((entry): entry is [string, number] => typeof entry[1] === "number");
  return { text: value.text, ...(logprobs.length > 0 && { logprobs: Object.fromEntries(logprobs) }) };
};

/** Any command: it reads a line {"system"?, "user"} a request and prints a line {"text", "logprobs"?} for each. */
const command = (line: string, timeout: number): Chat => {
  const name = `judge "${line}"`;
  return {
    name,
    atOnce: Number.POSITIVE_INFINITY,
    ask: async (requests) => {
      const input = requests.map((request) => `${JSON.stringify(request)}\n`).join("");
      const said = await shell(name, line, input, { timeout, output: MOST * requests.length });
      const lines = said.split("\n").filter((text) => text.trim() !== "");
      if (lines.length !== requests.length)
        throw new InputError(
          `${name} printed ${lines.length} lines for ${requests.length} requests; print one for each`,
        );
      return lines.map((text, i) => replyOn(text, i + 1, name));
    },
  };
};

const addressOf = (given: Readonly<Record<string, unknown>>, where: string, timeout: number): Address => {
  const f = fields(given, `${where}: judge`);
  f.only(["url", "model", "key", "retries", "budget", "parallel"]);
  const url = f.text("url");
  if (!URL.canParse(url) || !/^https?:/.test(url))
    throw new InputError(`${f.where}: "url" is ${show(url)}; it must be an address such as https://api.openai.com/v1`);
  const variable = f.optionalText("key");
  const key = variable === undefined ? undefined : process.env[variable];
  if (variable !== undefined && !key)
    throw new InputError(`${f.where}: "key" names the variable ${variable}, which the environment does not have`);
  return {
    ...{ url: url.replace(/\/+$/, ""), model: f.text("model"), key, timeout },
    ...{ retries: f.count("retries", 0, 5, 100), parallel: f.count("parallel", 1, 4, 64) },
    budget: f.raw("budget") === undefined ? undefined : f.count("budget", 1),
  };
};

/** A task's judge: a command, or an endpoint that speaks as OpenAI's does. Errors: InputError. */
export const chatOf = (task: Fields): Chat => {
  const [given, timeout] = [task.raw("judge"), task.count("timeout", 1, 3600, LONGEST_WAIT)];
  return isObject(given) ? endpoint(addressOf(given, task.where, timeout)) : command(task.text("judge"), timeout);
};

/** Whether a judge answers at all, before much is computed for it. Errors: InputError. */
export const tryChat = async (chat: Chat): Promise<void> => {
  await chat.ask([{ user: "Say yes." }], { most: 1 });
};
