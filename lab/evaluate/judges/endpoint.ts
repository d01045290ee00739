import { InputError } from "../../../core/errors.js";
import { isObject, oneLine } from "../../../models/files/json.js";
import type { Chat, ChatOptions, ChatReply, ChatRequest } from "./chat.js";

/** A model behind an address that speaks as OpenAI's does. */
export interface Address {
  /** What /chat/completions is added to. */
  readonly url: string;
  readonly model: string;
  readonly key: string | undefined;
  /** Seconds that a reply may take. */
  readonly timeout: number;
  /** Times that a request is made again. */
  readonly retries: number;
  /** Requests beside each other. */
  readonly parallel: number;
  /** Most requests, those made again too; undefined: as many as it takes. */
  readonly budget: number | undefined;
}

/** Answers that pass: too many requests, and what a server says that has trouble. */
const PASSING = new Set([408, 409, 425, 429, 500, 502, 503, 504, 529]);
/** Milliseconds before a request is made again: doubled each time, to a minute at most. */
const [FIRST, LAST] = [500, 60_000];
/** Bytes of an answer. */
const LARGEST = 2 ** 22;

const waiting = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** What a server asks to wait, in milliseconds; 0: nothing. */
const asked = (answer: Response): number => {
  const given = answer.headers.get("retry-after") ?? "";
  const seconds = /^\d+$/.test(given) ? Number(given) : (Date.parse(given) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, Math.min(LAST, seconds * 1000)) : 0;
};

const bodyOf = ({ model }: Address, { system, user }: ChatRequest, { most, logprobs }: ChatOptions): string =>
  JSON.stringify({
    model,
    messages: [...(system === undefined ? [] : [{ role: "system", content: system }]), { role: "user", content: user }],
    ...{ temperature: 0, max_tokens: most },
    ...(logprobs && { logprobs: true, top_logprobs: 5 }),
  });

/** What a server says; undefined where it goes on and on, and is left. */
const textOf = async ({ body }: Response): Promise<string | undefined> => {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of body ?? []) {
    size += part.length;
    if (size > LARGEST) return undefined;
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
};

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

const first = (value: unknown): unknown => (Array.isArray(value) ? value[0] : undefined);
const inside = (value: unknown, ...keys: readonly string[]): unknown =>
  keys.reduce((so: unknown, key) => (isObject(so) ? so[key] : undefined), value);

const replyOf = (text: string): ChatReply | undefined => {
  const choice = first(inside(parsed(text), "choices"));
  const said = inside(choice, "message", "content");
  if (typeof said !== "string") return undefined;
  const top = inside(first(inside(choice, "logprobs", "content")), "top_logprobs");
  const pairs = (Array.isArray(top) ? top : []).flatMap((entry: unknown) => {
    const [token, logprob] = [inside(entry, "token"), inside(entry, "logprob")];
    return typeof token === "string" && typeof logprob === "number" ? [[token, logprob] as const] : [];
  });
  return { text: said, ...(pairs.length > 0 && { logprobs: Object.fromEntries(pairs) }) };
};

/** An endpoint as a judge. What passes is waited for and asked again; anything else ends in one line. */
export const endpoint = (address: Address): Chat => {
  const { url, model, key, timeout, retries, parallel, budget } = address;
  const name = `judge ${model} at ${url}`;
  let sent = 0;
  const once = async (body: string): Promise<{ reply?: ChatReply; why: string; wait?: number }> => {
    if (budget !== undefined && sent >= budget)
      throw new InputError(
        `${name}: its budget of ${budget} requests is spent; what it has said is kept, where answers are`,
      );
    sent++;
    try {
      const headers = { "content-type": "application/json", ...(key && { authorization: `Bearer ${key}` }) };
      const signal = AbortSignal.timeout(timeout * 1000);
      const answer = await fetch(`${url}/chat/completions`, {
        method: "POST",
        headers,
        body,
        signal,
        redirect: "error",
      });
      const text = await textOf(answer);
      if (text === undefined) return { why: `its answer is longer than ${LARGEST} bytes` };
      const reply = answer.ok ? replyOf(text) : undefined;
      if (reply !== undefined) return { reply, why: "" };
      const why = answer.ok ? "its answer holds no message" : `${answer.status} ${oneLine(text).slice(0, 200)}`;
      return PASSING.has(answer.status) ? { why, wait: asked(answer) } : { why };
    } catch (error) {
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause : (error as Error);
      return { why: oneLine(cause.message), wait: 0 };
    }
  };
  const one = async (request: ChatRequest, options: ChatOptions): Promise<ChatReply> => {
    const body = bodyOf(address, request, options);
    for (let tried = 0; ; tried++) {
      const { reply, why, wait } = await once(body);
      if (reply !== undefined) return reply;
      if (wait === undefined || tried === retries)
        throw new InputError(`${name}: ${why}${tried > 0 ? `, after ${tried + 1} requests` : ""}`);
      await waiting(Math.max(wait, Math.min(LAST, FIRST * 2 ** tried)));
    }
  };
  const ask: Chat["ask"] = async (requests, options) => {
    const [replies, left] = [[] as ChatReply[], requests.entries()];
    const work = async (): Promise<void> => {
      for (const [i, request] of left) replies[i] = await one(request, options);
    };
    await Promise.all(Array.from({ length: parallel }, work));
    return replies;
  };
  return { name, atOnce: parallel, ask };
};
