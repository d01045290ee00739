import type { Device } from "../../core/index.js";
import {
  type Conversation,
  conversation,
  type Generator,
  generator,
  type Model,
  type Params,
  streamText,
  type Tokenizer,
} from "../../models/index.js";
import type { Turn, Version } from "./messages.js";

/** Tokens of an answer, at most. */
const ANSWER = 256;
const OPTIONS = { maxNewTokens: ANSWER, temperature: 0.7, topP: 0.95 };

/** Conversations with a model, as it came and aligned. */
export interface Talks {
  readonly turns: () => readonly Turn[];
  /** Goes on from turns of before. */
  readonly set: (turns: readonly Turn[]) => void;
  /** Says something to weights, and tells the answer as it comes, until it ends or `isStopped`. Errors: InputError, as a conversation's. */
  readonly say: (
    to: { readonly version: Version; readonly params: Params; readonly text: string },
    onPiece: (text: string) => void,
    isStopped: () => Promise<boolean>,
  ) => Promise<Turn>;
  /** Forgets what was said to weights that are no more. */
  readonly drop: (version: Version) => void;
  readonly free: () => void;
}

export const openTalks = ({ config }: Model, tokenizer: Tokenizer, device: Device): Talks => {
  const go: Generator = generator(config, device);
  const talks = new Map<Version, Conversation>();
  let turns: readonly Turn[] = [];
  const drop = (version: Version): void => {
    talks.get(version)?.free();
    talks.delete(version);
    turns = turns.filter((turn) => turn.version !== version);
  };
  const talkWith = (version: Version, params: Params): Conversation => {
    const known = talks.get(version);
    if (known !== undefined) return known;
    const before = turns
      .filter((turn) => turn.version === version)
      .flatMap(({ said, answer }) => [
        { role: "user", content: said },
        { role: "assistant", content: answer },
      ]);
    const talk = conversation(go, { config, params, tokenizer }, { ...OPTIONS, turns: before });
    talks.set(version, talk);
    return talk;
  };
  const forget = (): void => {
    for (const version of ["before", "after"] as const) drop(version);
  };
  return {
    turns: () => turns,
    set: (next) => {
      forget();
      turns = next;
    },
    say: async ({ version, params, text }, onPiece, isStopped) => {
      const pieces: AsyncIterable<{ readonly text: string; readonly end?: string }> = tokenizer.hasChatTemplate
        ? talkWith(version, params).say(text)
        : streamText(go, { config, params, tokenizer }, tokenizer.encode(text), OPTIONS);
      let [answer, end] = ["", "stopped"];
      for await (const piece of pieces) {
        answer += piece.text;
        onPiece(piece.text);
        end = piece.end ?? end;
        if (await isStopped()) break;
      }
      const turn = { version, said: text, answer, end };
      turns = [...turns, turn];
      return turn;
    },
    drop,
    free: () => {
      forget();
      go.free();
    },
  };
};
