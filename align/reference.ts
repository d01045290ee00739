import {
  type Compiled,
  compile,
  type Device,
  dispose,
  type HostData,
  leaves,
  read,
  scalar,
  type Tensor,
  tensor,
  type Tree,
  upload,
} from "../core/index.js";
import type { Model } from "../models/load.js";
import type { Params } from "../models/parameters.js";
import { completionLogps, scoreTokens } from "./log-probs.js";
import type { BatchTensors } from "./objective.js";
import { oneEpoch, pairSource, type ReferencePair, type SourceOptions, type TrainingBatch } from "./source.js";
import type { TokenPair } from "./tokenize.js";

/** As much of a model as computing with it takes. */
export type Weights = Pick<Model, "config" | "params">;

/** A tree on a device; `release` frees what had to be uploaded, and leaves alone what was there already. */
export const borrowed = <T extends Tree>(tree: T, device: Device): { readonly tree: T; readonly release: () => void } => {
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

/** Asks a reference model for the log-probabilities of a batch's completions, [rows]; the caller owns the answer. */
export interface ReferenceAsker {
  readonly ask: (batch: BatchTensors) => Tensor;
  readonly close: () => void;
}

export const referenceAsker = ({ config, params }: Weights, device: Device): ReferenceAsker => {
  const weights = borrowed(params, device);
  const program: Compiled<[Params, Tensor, Tensor], Tensor> = compile(
    (weights: Params, ids: Tensor, mask: Tensor) => completionLogps(scoreTokens(weights, config, ids, mask)),
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

/** The reference's log-probabilities of every pair, once and for all: `reference` of a `pairSource`. */
export const referenceLogps = async (
  model: Weights,
  pairs: readonly TokenPair[],
  options: Pick<SourceOptions, "batchSize" | "padId" | "bucket">,
  device: Device,
): Promise<ReferencePair[]> => {
  const asker = referenceAsker(model, device);
  try {
    const out: ReferencePair[] = [];
    for (const batch of oneEpoch(pairSource(pairs, { ...options, shuffle: false }))) {
      const answer = asker.ask(batchTensors(batch, false));
      const logps: HostData = await read(answer).finally(() => dispose(answer));
      const half = batch.rows / 2;
      for (let i = 0; i < (batch.examples ?? half); i++) out.push([logps[i], logps[half + i]]);
    }
    return out;
  } finally {
    asker.close();
  }
};
