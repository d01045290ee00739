import { collate, paddingId } from "../../align/data/batch.js";
import { batchTensors, referenceAsker } from "../../align/training/reference.js";
import { type Device, dispose, read } from "../../core/index.js";
import { generator, type Model, type Tokenizer } from "../../models/index.js";
import type { Sampling } from "./tasks.js";

/** What evaluation asks of a model. */
export interface Subject {
  readonly tokenizer: Tokenizer;
  /** Longest sequence that the model was made for. */
  readonly maxPositions: number;
  readonly padId: number;
  /** Texts that continue prompts, without the prompt and without special tokens; row numbers name the random streams. */
  readonly answers: (
    prompts: readonly (readonly number[])[],
    sampling: Sampling,
    rows: readonly number[],
  ) => Promise<readonly string[]>;
  /** Log-probabilities of the tokens from `start` on, summed. */
  readonly logps: (sequences: readonly { ids: readonly number[]; start: number }[]) => Promise<readonly number[]>;
  readonly free: () => void;
}

/** Sequence lengths are rounded up to a multiple of this, so that few programs are built. */
const BUCKET = 32;

/** A model on a device, ready to be asked. Programs are kept between calls; the weights stay the caller's. */
export const subject = (model: Pick<Model, "config" | "params">, tokenizer: Tokenizer, device: Device): Subject => {
  const { config, params } = model;
  const generate = generator(config, device);
  const asker = referenceAsker(model, device);
  const padId = paddingId(tokenizer, config.vocabSize);
  return {
    tokenizer,
    maxPositions: config.maxPositions,
    padId,
    answers: async (prompts, sampling, rows) => {
      const whole = await generate(params, prompts, { ...sampling, streams: rows });
      return whole.map((ids, i) => tokenizer.decode(ids.slice(prompts[i].length), { skipSpecialTokens: true }));
    },
    logps: async (sequences) => {
      const block = collate(
        sequences.map(({ ids, start }) => ({ ids, completionStart: start })),
        { padId, bucket: BUCKET },
      );
      const answer = asker.ask(batchTensors(block, false));
      return Array.from(await read(answer).finally(() => dispose(answer)));
    },
    free: () => {
      generate.free();
      asker.close();
    },
  };
};
