import { expects } from "../../core/expects.js";
import { type Device, dispose, InputError, read, type Tensor, upload } from "../../core/index.js";
import { slotsOf } from "../cache.js";
import type { ModelConfig } from "../config.js";
import type { Model } from "../files/load.js";
import { checkLength } from "../layer-kinds.js";
import type { Params } from "../parameters.js";
import { checkTokenIds } from "../text/tokenizer.js";
import { turn } from "../turn.js";
import type { KeptCache } from "./kept-cache.js";
import { programs, slotsFor } from "./programs.js";
import { checkSampling, chooseToken, type SamplingOptions } from "./sample.js";

/** How texts are generated. */
export interface GenerateOptions extends SamplingOptions {
  /** At most this many tokens are added to each prompt. */
  readonly maxNewTokens: number;
  /** A row ends with the first of these; the model's own by default. */
  readonly eosIds?: readonly number[];
  /** Random stream of each row, by default its number: a prompt gives the same text alone as in a batch of its stream. */
  readonly streams?: readonly number[];
  /** Asked after each token: does the row end with it? */
  readonly isDone?: (row: number, id: number) => boolean;
  /** Once it is aborted, the call ends with its reason. */
  readonly signal?: AbortSignal;
}

/** How one text is streamed. */
export interface StreamOptions extends GenerateOptions {
  /** What is known of the prompt's beginning, and where what is known afterwards is kept. */
  readonly kept?: KeptCache;
}

/** Why a row ends: an end token, `maxNewTokens`, or `isDone`. */
export type End = "eos" | "length" | "done";

/** A token of an answer, as it comes. */
export interface NewToken {
  readonly id: number;
  /** Of a row's last token. */
  readonly end?: End;
}

type Prompts = readonly (readonly number[])[];

/** Continues prompts (token ids): each row comes back with its prompt in front, ending with its eos token if it met one. */
export interface Generator {
  (params: Params, prompts: Prompts, options: GenerateOptions): Promise<number[][]>;
  /**
   * The new tokens of one prompt, each as soon as it is known. Memory is given back when the loop over it ends, early too.
   * Law: the tokens are those of the call above.
   */
  readonly stream: (
    params: Params,
    prompt: readonly number[],
    options: StreamOptions,
  ) => AsyncGenerator<NewToken, void, undefined>;
  /** Frees the programs it built; the generator is unusable afterwards. */
  readonly free: () => void;
}

/** Milliseconds after which what else waits in the process (signals, timers, output) gets its turn. */
const TURN = 20;

/**
 * Generation for one configuration on one device: programs read the prompts, one for each kind of layer, and fill a key-value cache,
 * another adds a token a call. All are built once for each batch and bucket size and kept for later calls. Memory: the cache takes
 * 2 · layers · rows · slots · kvHeads · headDim numbers while a call runs, or as long as it is kept.
 * Errors (of the generator): InputError for an empty prompt, an id outside the vocabulary, an option out of its range.
 */
export const generator = (config: ModelConfig, device: Device): Generator => {
  expects("generator", "record device", config, device);
  const { vocabSize } = config;
  const { start, extend, grow, free } = programs(config, device);

  /** All prompts fed, of a kept one as much as is not in its cache. */
  const begin = (params: Params, prompts: Prompts, owner: Params, { kept, maxNewTokens }: StreamOptions) => {
    const longest = Math.max(...prompts.map((prompt) => prompt.length));
    const slots = slotsFor(longest, longest + maxNewTokens, kept !== undefined);
    const known = kept?.take(owner, prompts[0]);
    if (known === undefined) return start(params, prompts, slots);
    let { cache, length } = known;
    try {
      if (slotsOf(cache) < slots) cache = grow(cache, slots);
      return extend(params, cache, [prompts[0].slice(length)], [length]);
    } catch (error) {
      dispose(cache);
      throw error;
    }
  };

  /** The new tokens of all rows, step by step; undefined for a row that has ended. `owner` are the caller's own params. */
  const steps = async function* (
    params: Params,
    prompts: Prompts,
    owner: Params,
    options: StreamOptions,
  ): AsyncGenerator<(NewToken | undefined)[], void, undefined> {
    const { streams, maxNewTokens, isDone, signal, kept } = options;
    const rows = prompts.map((prompt, i) => ({ ids: [...prompt], stream: streams?.[i] ?? i, ended: false }));
    if (rows.length === 0 || maxNewTokens === 0) return;
    const ends = new Set(options.eosIds ?? config.eosIds);
    const choose = async (scores: Tensor, n: number): Promise<(NewToken | undefined)[]> => {
      const all = (await read(scores)) as Float32Array;
      dispose(scores);
      return rows.map((row, i): NewToken | undefined => {
        if (row.ended) return undefined;
        const own = all.subarray(i * vocabSize, (i + 1) * vocabSize);
        const id = chooseToken(own, row.ids, options, row.stream, n);
        row.ids.push(id);
        const isLast = isDone?.(i, id) === true;
        const end = ends.has(id) ? "eos" : isLast ? "done" : n + 1 === maxNewTokens ? "length" : undefined;
        row.ended = end !== undefined;
        return end === undefined ? { id } : { id, end };
      });
    };

    signal?.throwIfAborted();
    let turned = performance.now();
    let { scores, cache } = begin(params, prompts, owner, options);
    let isWhole = true;
    try {
      for (let n = 0; ; n++) {
        yield await choose(scores, n);
        if (rows.every(({ ended }) => ended)) return;
        if (performance.now() - turned > TURN) {
          await turn();
          turned = performance.now();
        }
        signal?.throwIfAborted();
        // A row that has ended only writes its last token again, where it stands.
        const [last, position] = [rows.map(({ ids }) => ids.slice(-1)), rows.map(({ ids }) => ids.length - 1)];
        isWhole = false;
        ({ scores, cache } = extend(params, cache, last, position));
        isWhole = true;
      }
    } finally {
      dispose(scores);
      // The last token was chosen, not fed.
      if (isWhole && kept !== undefined) kept.put({ owner, cache, ids: rows[0].ids.slice(0, -1) });
      else dispose(cache);
    }
  };

  /** With the weights on the device, for as long as the steps take. */
  const stepsHere = async function* (params: Params, prompts: Prompts, options: StreamOptions) {
    checkSampling(options);
    checkPrompts(prompts, config, options);
    const here = upload(params, device);
    const own = Object.fromEntries(Object.entries(here).filter(([name, t]) => t !== params[name]));
    try {
      yield* steps(here, prompts, params, options);
    } finally {
      dispose(own);
    }
  };

  const all = async (params: Params, prompts: Prompts, options: GenerateOptions): Promise<number[][]> => {
    const texts = prompts.map((prompt) => [...prompt]);
    for await (const tokens of stepsHere(params, prompts, options))
      for (const [i, token] of tokens.entries()) if (token !== undefined) texts[i].push(token.id);
    return texts;
  };
  const stream = async function* (params: Params, prompt: readonly number[], options: StreamOptions) {
    for await (const [token] of stepsHere(params, [prompt], options)) yield token as NewToken;
  };
  return Object.assign(all, { stream, free });
};

const checkPrompts = (
  prompts: Prompts,
  config: ModelConfig,
  { maxNewTokens, eosIds, streams }: GenerateOptions,
): void => {
  if (!Number.isInteger(maxNewTokens) || maxNewTokens < 0)
    throw new InputError(`maxNewTokens is ${maxNewTokens}; it must be an integer ≥ 0`);
  if (streams !== undefined && streams.length !== prompts.length)
    throw new InputError(`streams has ${streams.length} numbers for ${prompts.length} prompts`);
  checkLength(config, Math.max(0, ...prompts.map((prompt) => prompt.length)) + maxNewTokens);
  prompts.forEach((prompt, i) => {
    if (prompt.length === 0) throw new InputError(`prompt ${i} is empty; give at least one token (such as bos)`);
    checkTokenIds(prompt, config.vocabSize, `prompt ${i}`);
  });
  checkTokenIds(eosIds ?? [], config.vocabSize, "eosIds");
};

/** One call of a generator that is freed afterwards; keep a `generator` where there are several. */
export const generate = async (
  model: Pick<Model, "config" | "params">,
  device: Device,
  prompts: Prompts,
  options: GenerateOptions,
): Promise<number[][]> => {
  expects("generate", "record device array record", model, device, prompts, options);
  const once = generator(model.config, device);
  try {
    return await once(model.params, prompts, options);
  } finally {
    once.free();
  }
};
