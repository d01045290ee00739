import type { Keeping } from "../answers.js";
import { fingerprintOf, remembered } from "../store.js";
import type { Chat, ChatOptions, ChatReply, ChatRequest } from "./chat.js";

interface Verdict {
  readonly asked: string;
  readonly reply: ChatReply;
}

/**
 * A judge's replies, kept beside a task's answers (NAME.judge.jsonl) as they come: who is asked the same again is not asked. A
 * request that has changed is asked anew, and no other.
 */
export const verdicts = async (
  chat: Chat,
  requests: readonly ChatRequest[],
  options: ChatOptions,
  { path, tell }: Keeping,
): Promise<readonly ChatReply[]> => {
  const names = requests.map((request) => fingerprintOf(request, options));
  const store = { path: path?.replace(/\.jsonl$/, ".judge.jsonl"), fingerprint: fingerprintOf(chat.name), tell };
  const size = Math.min(requests.length, chat.atOnce);
  const batches = Array.from({ length: Math.ceil(requests.length / (size || 1)) }, (_, i) =>
    requests.slice(i * size, (i + 1) * size).map((_, j) => i * size + j),
  );
  const ask = async (rows: readonly number[]): Promise<Verdict[]> => {
    const replies = await chat.ask(
      rows.map((row) => requests[row]),
      options,
    );
    return rows.map((row, i) => ({ asked: names[row], reply: replies[i] }));
  };
  const said = await remembered(store, batches, ask, (row, value) => value.asked === names[row]);
  return said.map(({ reply }) => reply);
};
