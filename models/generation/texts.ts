import { expects } from "../../core/expects.js";
import type { Device } from "../../core/index.js";
import type { Model } from "../files/load.js";
import type { Tokenizer } from "../text/tokenizer.js";
import { type End, type GenerateOptions, type Generator, generator, type StreamOptions } from "./generate.js";
import { splitStops, stopCut } from "./stop-strings.js";
import { textStream } from "./text-stream.js";

/** What text and tokens are made with. */
export type Speaker = Pick<Model, "config" | "params"> & { readonly tokenizer: Tokenizer };

interface Stops {
  /** A text ends before the first of these, which is cut out. A special token may be one. Default: none. */
  readonly stop?: readonly string[];
}
/** How texts are continued. */
export interface TextOptions extends GenerateOptions, Stops {}
/** How a text is streamed. */
export interface TextStreamOptions extends StreamOptions, Stops {}

/** Why a text ends: an end token, `maxNewTokens`, a stop string, or the caller's `isDone`. */
export type TextEnd = End | "stop";

/** A token of an answer, and the text that it completes. */
export interface StreamedToken {
  readonly token: number;
  /** What is certain of the text with it: whole characters, and nothing that may be the beginning of a stop string. */
  readonly text: string;
  /** Of the last token. */
  readonly end?: TextEnd;
}

/** A prompt and what the model made of it. */
export interface Continued {
  /** Prompt and new tokens; the last ones may spell a stop string. */
  readonly ids: readonly number[];
  /** What the new tokens add to the prompt's text, without special tokens, up to a stop string. */
  readonly text: string;
  readonly end: TextEnd;
}

/** The text of one row as its tokens come. */
const follow = (tokenizer: Tokenizer, prompt: readonly number[], stops: readonly string[]) => {
  const [stream, cut] = [textStream(tokenizer, prompt), stopCut(stops)];
  return {
    push: (id: number) => cut.push(stream.push(id)),
    end: (): string => {
      const { text, stopped } = cut.push(stream.held());
      return stopped ? text : text + cut.held();
    },
  };
};

/** A prompt's text as far as it is certain: what `streamText` and `continueTexts` tell goes on from there. */
export const textBefore = (tokenizer: Tokenizer, prompt: readonly number[]): string => {
  expects("textBefore", "record array", tokenizer, prompt);
  const text = tokenizer.decode(prompt, { skipSpecialTokens: true });
  return text.slice(0, text.length - textStream(tokenizer, prompt).held().length);
};

/** Options with the stop strings that are tokens among the end tokens, and the others. */
const withStops = <O extends TextOptions>({ config, tokenizer }: Speaker, options: O) => {
  const { texts, ids } = splitStops(options.stop ?? [], tokenizer);
  return {
    texts,
    marks: new Set(ids),
    options: { ...options, eosIds: [...(options.eosIds ?? config.eosIds), ...ids] },
  };
};

/**
 * One prompt's continuation, token by token. Leaving the loop early frees what it holds on the device.
 * Law: the texts, joined, are `continueTexts`'. Errors: as the generator's; InputError for an empty stop string.
 */
export const streamText = async function* (
  go: Generator,
  speaker: Speaker,
  prompt: readonly number[],
  given: TextStreamOptions,
): AsyncGenerator<StreamedToken, void, undefined> {
  expects("streamText", "function record array record", go, speaker, prompt, given);
  const { texts, marks, options } = withStops(speaker, given);
  const row = follow(speaker.tokenizer, prompt, texts);
  let [piece, isStopped] = ["", false];
  const isDone = (i: number, id: number): boolean => {
    const { text, stopped } = row.push(id);
    [piece, isStopped] = [text, stopped];
    return stopped || given.isDone?.(i, id) === true;
  };
  for await (const { id, end } of go.stream(speaker.params, prompt, { ...options, isDone })) {
    if (end === undefined) yield { token: id, text: piece };
    else if (isStopped) yield { token: id, text: piece, end: "stop" };
    else yield { token: id, text: piece + row.end(), end: marks.has(id) ? "stop" : end };
  }
};

/** Continuations of prompts, all at once. Errors: as `streamText`'s. */
export const continueTexts = async (
  go: Generator,
  speaker: Speaker,
  prompts: readonly (readonly number[])[],
  given: TextOptions,
): Promise<Continued[]> => {
  expects("continueTexts", "function record array record", go, speaker, prompts, given);
  const { texts, marks, options } = withStops(speaker, given);
  const rows = prompts.map((prompt) => ({ ...follow(speaker.tokenizer, prompt, texts), text: "", isStopped: false }));
  const ends = prompts.map((): TextEnd => "length");
  const isDone = (i: number, id: number): boolean => {
    const { text, stopped } = rows[i].push(id);
    rows[i].text += text;
    rows[i].isStopped = stopped;
    const isLast = given.isDone?.(i, id) === true;
    if (stopped || marks.has(id)) ends[i] = "stop";
    else if (options.eosIds.includes(id)) ends[i] = "eos";
    else if (isLast) ends[i] = "done";
    return stopped || isLast;
  };
  const ids = await go(speaker.params, prompts, { ...options, isDone });
  return rows.map((row, i) => ({ ids: ids[i], text: row.isStopped ? row.text : row.text + row.end(), end: ends[i] }));
};

/**
 * A prompt's continuation, token by token, from a generator that is freed at the end: keep a `generator`, and `streamText`,
 * where there are several. A text is tokenized as the model's folder says, special tokens added; else give its ids.
 * @example for await (const { text } of streamTokens({ ...loadModel("runs/dpo", device), tokenizer: loadTokenizer("runs/dpo") }, device, "Once", { maxNewTokens: 4 })) console.log(text)
 */
export const streamTokens = async function* (
  speaker: Speaker,
  device: Device,
  prompt: string | readonly number[],
  options: TextStreamOptions,
): AsyncGenerator<StreamedToken, void, undefined> {
  expects("streamTokens", "record device any record", speaker, device, prompt, options);
  const go = generator(speaker.config, device);
  try {
    yield* streamText(go, speaker, typeof prompt === "string" ? speaker.tokenizer.encode(prompt) : prompt, options);
  } finally {
    go.free();
  }
};
