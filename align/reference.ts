import {
  compile,
  type Device,
  dispose,
  InputError,
  leaves,
  read,
  scalar,
  type Tensor,
  type Tree,
  tensor,
  upload,
} from "../core/index.js";
import type { Model } from "../models/load.js";
import type { Params } from "../models/parameters.js";
import { completionLogps, scoreTokens } from "./log-probs.js";
import type { BatchTensors, Objective } from "./objective.js";
import { oneEpoch, pairSource, type ReferencePair, type SourceOptions, type TrainingBatch } from "./source.js";
import type { TokenPair } from "./tokenize.js";

/** As much of a model as computing with it takes. */
export type Weights = Pick<Model, "config" | "params">;

/** A tree on a device; `release` frees what had to be uploaded, and leaves alone what was there already. */
export const borrowed = <T extends Tree>(
  tree: T,
  device: Device,
): { readonly tree: T; readonly release: () => void } => {
  const here = upload(tree, device);
  const given = new Set(leaves(tree));
  return { tree: here, release: () => dispose(leaves(here).filter((t) => !given.has(t))) };
};

/** A batch as constants. Those that compare with a reference also get `examples`, and `reference` if it is known. */
export const batchTensors = (
  { ids, mask, rows, length, examples, reference }: TrainingBatch,
  comparing: boolean,
): BatchTensors => {
  const block = { ids: tensor(ids, [rows, length]), mask: tensor(mask, [rows, length]) };
  if (!comparing) return block;
  const compared = { ...block, examples: scalar(examples ?? rows / 2) };
  return reference === undefined ? compared : { ...compared, reference: tensor(reference, [rows], "f32") };
};

/**
 * A vocabulary that is too small would be read as zeros, on every device.
 * Errors: InputError naming the first id that the reference model does not have.
 */
const checkVocabulary = ({ ids }: TrainingBatch, { config: { vocabSize } }: Weights): void => {
  const foreign = ids.find((id) => id < 0 || id >= vocabSize);
  if (foreign !== undefined)
    throw new InputError(
      `token id ${foreign} is outside of the reference model's vocabulary of ${vocabSize}; policy and reference must share a tokenizer`,
    );
};

/** Asks a model for the log-probabilities of completions. */
export interface ReferenceAsker {
  /** Of each row of a batch, [rows]; the caller owns the answer. */
  readonly ask: (batch: BatchTensors) => Tensor;
  readonly close: () => void;
}

export const referenceAsker = ({ config, params }: Weights, device: Device): ReferenceAsker => {
  const weights = borrowed(params, device);
  const program = compile(
    (p: Params, ids: Tensor, mask: Tensor) => completionLogps(scoreTokens(p, config, ids, mask)),
    device,
    { name: "reference log-probabilities" },
  );
  return {
    ask: ({ ids, mask }) => program(weights.tree, ids, mask),
    close: () => {
      weights.release();
      for (const built of program.programs()) built.free();
    },
  };
};

/** Hands batches to programs as tensors. */
export interface Feeder {
  /** Calls `use` with the batch; for an objective that compares, with `reference` in it. Tensors last as long as the call. */
  readonly feed: <T>(batch: TrainingBatch, use: (tensors: BatchTensors) => T) => T;
  readonly close: () => void;
}

/**
 * A feeder for an objective. Where a batch does not bring the reference's log-probabilities, the reference model is asked.
 * Errors: InputError if there is neither.
 */
export const feeder = ({ name, usesReference }: Objective, model: Weights | undefined, device: Device): Feeder => {
  let asker: ReferenceAsker | undefined;
  return {
    feed: (batch, use) => {
      const tensors = batchTensors(batch, usesReference);
      if (!usesReference || tensors.reference !== undefined) return use(tensors);
      if (model === undefined)
        throw new InputError(
          `${name} compares with a reference model, and neither it nor its log-probabilities are given`,
        );
      checkVocabulary(batch, model);
      asker ??= referenceAsker(model, device);
      const reference = asker.ask(tensors);
      try {
        return use({ ...tensors, reference });
      } finally {
        dispose(reference);
      }
    },
    close: () => asker?.close(),
  };
};

/** The batches with the reference's log-probabilities on them, so that a training loop need not ask. */
export const withReference = async (
  model: Weights,
  batches: Iterable<TrainingBatch>,
  device: Device,
): Promise<TrainingBatch[]> => {
  const asker = referenceAsker(model, device);
  try {
    const out: TrainingBatch[] = [];
    for (const batch of batches) {
      checkVocabulary(batch, model);
      const answer = asker.ask(batchTensors(batch, false));
      out.push({ ...batch, reference: await read(answer).finally(() => dispose(answer)) });
    }
    return out;
  } finally {
    asker.close();
  }
};

/** The reference's log-probabilities of every pair, once and for all: `reference` of a `pairSource`. */
export const referenceLogps = async (
  model: Weights,
  pairs: readonly TokenPair[],
  options: Pick<SourceOptions, "batchSize" | "padId" | "bucket">,
  device: Device,
): Promise<ReferencePair[]> => {
  const batches = oneEpoch(pairSource(pairs, { ...options, shuffle: false }));
  return (await withReference(model, batches, device)).flatMap(({ rows, examples = rows / 2, reference: logps = [] }) =>
    Array.from({ length: examples }, (_, i): ReferencePair => [logps[i], logps[rows / 2 + i]]),
  );
};
