import {
  compile,
  type Device,
  dispose,
  gather,
  InputError,
  read,
  reshape,
  type Tensor,
  tensor,
  upload,
} from "../core/index.js";
import type { Cache } from "./cache.js";
import type { ModelConfig } from "./config.js";
import type { Model } from "./files/load.js";
import { logits } from "./head.js";
import type { Params } from "./parameters.js";
import { checkSampling, chooseToken, type SamplingOptions } from "./sample.js";
import { checkTokenIds } from "./text/tokenizer.js";
import { decode, prefill } from "./transformer.js";

export interface GenerateOptions extends SamplingOptions {
  /** At most this many tokens are added to each prompt. */
  readonly maxNewTokens: number;
  /** A row ends with the first of these; the model's own by default. */
  readonly eosIds?: readonly number[];
  /** Random stream of each row, by default its number: a prompt gives the same text alone as in a batch of its stream. */
  readonly streams?: readonly number[];
}

/** Continues prompts (token ids): each row comes back with its prompt in front, ending with its eos token if it met one. */
export interface Generator {
  (params: Params, prompts: readonly (readonly number[])[], options: GenerateOptions): Promise<number[][]>;
  /** Frees the programs it built; the generator is unusable afterwards. */
  readonly free: () => void;
}

/** Prompt lengths and cache sizes are rounded up to these, so that one program serves many calls. */
const PROMPT_STEP = 16;
const SLOT_STEP = 64;
const roundUp = (n: number, step: number): number => Math.ceil(n / step) * step;

/**
 * Generation for one configuration on one device: a program reads the prompts and fills a key-value cache, another adds a
 * token a call. Both are built once for each batch and bucket size and kept for later calls. Memory: the cache takes
 * 2 · layers · rows · slots · kvHeads · headDim numbers while a call runs.
 * Errors (of the generator): InputError for an empty prompt, an id outside the vocabulary, an option out of its range.
 */
export const generator = (config: ModelConfig, device: Device): Generator => {
  // A cache's size is part of a program's structure, so there is one prefill for each size.
  const prefills = new Map<number, ReturnType<typeof compilePrefill>>();
  const compilePrefill = (slots: number) =>
    compile(
      (params: Params, ids: Tensor, last: Tensor): { scores: Tensor; cache: Cache } => {
        const { hidden, cache } = prefill(params, config, ids, slots);
        const rows = gather(reshape(hidden, [-1, config.hiddenSize]), last);
        return { scores: logits(params, config, rows), cache };
      },
      device,
      { name: "prefill" },
    );
  const step = compile(
    (params: Params, cache: Cache, ids: Tensor, position: Tensor): { scores: Tensor; cache: Cache } => {
      const { hidden, cache: next } = decode(params, config, ids, position, cache);
      return { scores: logits(params, config, reshape(hidden, [-1, config.hiddenSize])), cache: next };
    },
    device,
    { name: "decode", donate: [1] },
  );

  const run = async (params: Params, prompts: readonly (readonly number[])[], options: GenerateOptions) => {
    checkSampling(options);
    checkPrompts(prompts, config, options);
    const rows = prompts.map((prompt, i) => ({ ids: [...prompt], stream: options.streams?.[i] ?? i, done: false }));
    if (rows.length === 0 || options.maxNewTokens === 0) return rows.map(({ ids }) => ids);

    const B = rows.length;
    const ends = new Set(options.eosIds ?? config.eosIds);
    const longest = Math.max(...prompts.map((prompt) => prompt.length));
    const T = roundUp(longest, PROMPT_STEP);
    const slots = roundUp(Math.max(T, longest + options.maxNewTokens), SLOT_STEP);
    const choose = async (scores: Tensor, n: number) => {
      const all = await read(scores);
      dispose(scores);
      rows.forEach((row, i) => {
        if (row.done) return;
        const own = Float64Array.from(all.subarray(i * config.vocabSize, (i + 1) * config.vocabSize));
        const id = chooseToken(own, row.ids, options, row.stream, n);
        row.ids.push(id);
        row.done = ends.has(id);
      });
    };

    const padded = new Int32Array(B * T);
    for (const [i, prompt] of prompts.entries()) padded.set(prompt, i * T);
    const last = Int32Array.from(prompts, (prompt, i) => i * T + prompt.length - 1);
    const fill = prefills.get(slots) ?? compilePrefill(slots);
    prefills.set(slots, fill);
    let { scores, cache } = fill(params, tensor(padded, [B, T]), tensor(last));
    try {
      await choose(scores, 0);
      for (let n = 1; n < options.maxNewTokens && rows.some((row) => !row.done); n++) {
        // A finished row only writes its last token again, where it stands.
        const ids = Int32Array.from(rows, (row) => row.ids[row.ids.length - 1]);
        const position = Int32Array.from(rows, (row) => row.ids.length - 1);
        ({ scores, cache } = step(params, cache, tensor(ids, [B, 1]), tensor(position, [B, 1])));
        await choose(scores, n);
      }
    } finally {
      dispose(scores, cache);
    }
    return rows.map(({ ids }) => ids);
  };

  const generateHere = async (params: Params, prompts: readonly (readonly number[])[], options: GenerateOptions) => {
    const here = upload(params, device);
    const own = Object.fromEntries(Object.entries(here).filter(([name, t]) => t !== params[name]));
    try {
      return await run(here, prompts, options);
    } finally {
      dispose(own);
    }
  };
  const free = () => {
    for (const compiled of [...prefills.values(), step]) for (const program of compiled.programs()) program.free();
  };
  return Object.assign(generateHere, { free });
};

const checkPrompts = (
  prompts: readonly (readonly number[])[],
  config: ModelConfig,
  { maxNewTokens, eosIds, streams }: GenerateOptions,
): void => {
  if (!Number.isInteger(maxNewTokens) || maxNewTokens < 0)
    throw new InputError(`maxNewTokens is ${maxNewTokens}; it must be an integer ≥ 0`);
  if (streams !== undefined && streams.length !== prompts.length)
    throw new InputError(`streams has ${streams.length} numbers for ${prompts.length} prompts`);
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
  prompts: readonly (readonly number[])[],
  options: GenerateOptions,
): Promise<number[][]> => {
  const once = generator(model.config, device);
  try {
    return await once(model.params, prompts, options);
  } finally {
    once.free();
  }
};
