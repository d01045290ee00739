import { asks, expects } from "../../core/expects.js";
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
} from "../../core/index.js";
import type { Model } from "../../models/files/load.js";
import type { Params } from "../../models/parameters.js";
import { targetPositions } from "../data/batch.js";
import type { BatchSource, Rows, SourceOptions, TrainingBatch } from "../data/rows.js";
import type { TokenPair } from "../data/sequence.js";
import { pairSource, type ReferencePair } from "../data/source.js";
import { type BatchTensors, scoreBatch } from "../objectives/log-probs.js";
import type { Objective } from "../objectives/objective.js";

/** As much of a model as computing with it takes. Where a program captures them, weights may be graphs: `withLora(base, …)`. */
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

/**
 * A batch as constants: ids, and the positions of its targets (KTO's by half); with `examples` and `desirable` where it has them, and for those that compare with a reference
 * always with `examples`, and with `reference` if it is known.
 */
export const batchTensors = (batch: TrainingBatch, comparing: boolean): BatchTensors => {
  expects("batchTensors", "record flag", batch, comparing);
  const { ids, rows, length, examples, desirable, reference, starts, owners, sequences = rows } = batch;
  const count = examples ?? (comparing ? sequences / 2 : undefined);
  const targets = targetPositions(batch, desirable === undefined ? 1 : 2);
  return {
    ids: tensor(ids, [rows, length]),
    targets: tensor(targets),
    ...(starts !== undefined && { starts: tensor(starts, [rows, length]) }),
    ...(owners !== undefined && {
      owners: tensor(targets.map((at) => (at < rows * length ? owners[at] : sequences))),
      lengths: tensor(Int32Array.from(batch.lengths ?? [])),
    }),
    ...(count !== undefined && { examples: scalar(count) }),
    ...(desirable !== undefined && { desirable: tensor(desirable, [rows / 2]) }),
    ...(comparing && reference !== undefined && { reference: tensor(reference, [sequences], "f32") }),
  };
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

export const referenceAsker = (
  { config, params }: Weights,
  device: Device,
  /** The weights of the moment, where they move; else they are `params` for good. */
  now?: () => Params,
): ReferenceAsker => {
  // Captured: what an adapter adds to a base is computed with each batch, and the base may be that of the policy.
  const weights = now === undefined ? borrowed(params, device) : undefined;
  const program = compile(
    (batch: BatchTensors, { moving }: { readonly moving?: Params }) =>
      scoreBatch((weights?.tree ?? moving) as Params, config, batch).logps,
    device,
    { name: "reference log-probabilities" },
  );
  return {
    ask: ({ ids, targets, starts, owners, lengths }) =>
      program(
        { ids, targets, ...(starts && { starts }), ...(owners && { owners, lengths }) },
        now === undefined ? {} : { moving: now() },
      ),
    close: () => {
      weights?.release();
      for (const built of program.programs()) built.free();
    },
  };
};

/** Hands batches to programs as tensors. */
export interface Feeder {
  /** Calls `use` with the batch; for an objective that compares, with `reference` in it. Tensors last as long as the call. */
  readonly feed: <T>(batch: TrainingBatch, use: (tensors: BatchTensors) => T) => T;
  /** The same tensors, until they are released. */
  readonly take: (batch: TrainingBatch) => { readonly tensors: BatchTensors; readonly release: () => void };
  readonly close: () => void;
}

/**
 * A feeder for an objective. Where a batch does not bring the reference's log-probabilities, the reference model is asked, as
 * it is at the time if it moves (`now`). Errors: InputError if there is neither; for batches that bring those of a model that moves.
 */
export const feeder = (
  { name, usesReference }: Objective,
  model: Weights | undefined,
  device: Device,
  now?: () => Params,
): Feeder => {
  let asker: ReferenceAsker | undefined;
  const take: Feeder["take"] = (batch) => {
    const tensors = batchTensors(batch, usesReference);
    const known = { tensors, release: () => {} };
    if (!usesReference) return known;
    if (tensors.reference !== undefined) {
      if (now === undefined) return known;
      throw new InputError(`${name}: the reference model moves, and a batch brings what it said before training`);
    }
    if (model === undefined)
      throw new InputError(
        `${name} compares with a reference model, and neither it nor its log-probabilities are given`,
      );
    checkVocabulary(batch, model);
    asker ??= referenceAsker(model, device, now);
    const reference = asker.ask(tensors);
    return { tensors: { ...tensors, reference }, release: () => dispose(reference) };
  };
  return {
    take,
    feed: (batch, use) => {
      const { tensors, release } = take(batch);
      try {
        return use(tensors);
      } finally {
        release();
      }
    },
    close: () => asker?.close(),
  };
};

/**
 * The reference's log-probabilities of every row of a source in file order, once and for all: what pair and KTO sources take
 * as `reference`. `onShare` hears what share of the rows is done.
 */
export const askReference = asks(
  "askReference",
  "record record device function?",
  async (
    model: Weights,
    { at, batchesPerEpoch }: BatchSource,
    device: Device,
    onShare: (share: number) => void = () => {},
  ): Promise<ReferencePair[]> => {
    const asker = referenceAsker(model, device);
    try {
      const out: ReferencePair[] = [];
      for (let index = 0; index < batchesPerEpoch; index++) {
        const batch = at(index);
        checkVocabulary(batch, model);
        const answer = asker.ask(batchTensors(batch, false));
        const logps = await read(answer).finally(() => dispose(answer));
        const B = (batch.sequences ?? batch.rows) / 2;
        for (let i = 0; i < (batch.examples ?? B); i++) out.push([logps[i], logps[B + i]]);
        onShare((index + 1) / batchesPerEpoch);
      }
      return out;
    } finally {
      asker.close();
    }
  },
);

/** The reference's log-probabilities of every pair, once and for all: `reference` of a `pairSource`. */
export const referenceLogps = asks(
  "referenceLogps",
  "record rows record device",
  (
    model: Weights,
    pairs: Rows<TokenPair>,
    options: Pick<SourceOptions, "batchSize" | "padId" | "bucket">,
    device: Device,
  ): Promise<ReferencePair[]> => askReference(model, pairSource(pairs, { ...options, shuffle: false }), device),
);
