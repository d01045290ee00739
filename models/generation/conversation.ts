import { InputError } from "../../core/errors.js";
import { expects } from "../../core/expects.js";
import type { ChatMessage } from "../text/chat-message.js";
import type { Generator } from "./generate.js";
import { keptCache } from "./kept-cache.js";
import { type Speaker, type StreamedToken, streamText, type TextEnd, type TextOptions } from "./texts.js";

/** How a conversation answers. */
export interface ConversationOptions extends Omit<TextOptions, "streams" | "isDone"> {
  /** What the template calls the system's message. */
  readonly system?: string | undefined;
  /** What was said before, to go on from: users' and answers' turns. Default: nothing. */
  readonly turns?: readonly ChatMessage[];
  /** Further template variables: `tools`, `enable_thinking` … */
  readonly variables?: Readonly<Record<string, unknown>>;
}

/** A token of an answer; the last one says why it ends: "context" where the model's context is full. */
export interface AnswerToken extends Omit<StreamedToken, "end"> {
  readonly end?: TextEnd | "context";
}

/** Turns with a model. What was said is not computed again, as long as the template renders it as it was. */
export interface Conversation {
  /** What was said so far, the system's message first. */
  readonly messages: () => readonly ChatMessage[];
  /**
   * The answer to what a user says, token by token; text and answer become part of the conversation, the answer as far as it
   * came when the loop over it is left early. Blanks before the answer's first word are no part of it.
   * Errors: InputError if the template refuses the conversation, or if it leaves no room in the model's context: then nothing
   * was said. No turn is ever dropped to make room.
   */
  readonly say: (text: string) => AsyncGenerator<AnswerToken, void, undefined>;
  /** Forgets what was said, but for the system's message. */
  readonly reset: () => void;
  /** Another system message from here on, or none; what was said stays. Errors: InputError if the template refuses it. */
  readonly setSystem: (text: string | undefined) => void;
  /** Frees what is kept on the device. */
  readonly free: () => void;
}

const asSystem = (text: string | undefined): readonly ChatMessage[] =>
  text === undefined ? [] : [{ role: "system", content: text }];

/** A conversation that begins, or goes on from `turns`. The generator stays the caller's. Errors: as `setSystem`'s. */
export const conversation = (go: Generator, speaker: Speaker, options: ConversationOptions): Conversation => {
  expects("conversation", "function record record", go, speaker, options);
  const { tokenizer, config } = speaker;
  const { variables, maxNewTokens } = options;
  const kept = keptCache();
  let system: readonly ChatMessage[] = [];
  let turns: readonly ChatMessage[] = options.turns ?? [];

  const rendered = (messages: readonly ChatMessage[]): number[] =>
    tokenizer.encodeChat(messages, { addGenerationPrompt: true, ...(variables && { variables }) });
  const setSystem = (text: string | undefined): void => {
    rendered([...asSystem(text), ...turns, { role: "user", content: "?" }]);
    system = asSystem(text);
  };
  setSystem(options.system);

  const say = async function* (text: string): AsyncGenerator<AnswerToken, void, undefined> {
    const asked = [...turns, { role: "user", content: text }];
    const ids = rendered([...system, ...asked]);
    const room = config.maxPositions - ids.length;
    if (room < 1)
      throw new InputError(
        `the context is full: the conversation has ${ids.length} tokens with this turn, the model sees ${config.maxPositions}; begin anew, or say less`,
      );
    let answer = "";
    const most = { ...options, maxNewTokens: Math.min(maxNewTokens, room), kept };
    for await (const { end, ...token } of streamText(go, speaker, ids, most)) {
      const piece = answer === "" ? token.text.trimStart() : token.text;
      answer += piece;
      turns = [...asked, { role: "assistant", content: answer }];
      const isFull = end === "length" && room < maxNewTokens;
      yield { ...token, text: piece, ...(end !== undefined && { end: isFull ? "context" : end }) };
    }
  };
  return {
    messages: () => [...system, ...turns],
    say,
    reset: () => {
      turns = [];
    },
    setSystem,
    free: kept.free,
  };
};
