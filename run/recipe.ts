import type { DataFrom, Dataset, DatasetOptions } from "../align/data/dataset.js";
import type { BatchSource, Rows, SourceOptions } from "../align/data/rows.js";
import type { Sequence, TokenizeOptions } from "../align/data/sequence.js";
import type { Objective } from "../align/objectives/objective.js";
import type { Weights } from "../align/training/reference.js";
import type { Device } from "../core/index.js";
import type { Model, ModelConfig, Params, Tokenizer } from "../models/index.js";
import type { TrainingKind } from "./fit/kinds.js";
import type { Automatic } from "./options/kinds.js";
import type { TrainingValues } from "./options/takes.js";

/** What a command trains with, once data and models are there. */
export interface Built {
  readonly objective: Objective;
  readonly source: BatchSource;
  readonly evalSource?: BatchSource;
  /** The reference model, where the loop has to ask it. */
  readonly reference?: Weights;
  /** Frees what was made for it. */
  readonly release?: () => void;
  /** Share of what an adapter reads that is dropped in training. */
  readonly dropout?: number;
  /** What the loss is where policy and reference are the same. */
  readonly startLoss?: number;
}

/** What keys that may say auto stand for. */
export interface Choice {
  /** Layers that are recomputed in the backward pass, from the first. */
  readonly checkpoint: number;
  /** How many of them keep one input together: see `ForwardOptions`. */
  readonly together: number;
  /** Is the reference model asked before training? */
  readonly precompute: boolean;
}

/** Data that a run is to leave a model as it is on: rows of each set. */
export type RetainedRows = readonly (Rows<Sequence> & { readonly fingerprint?: string })[];

/** What a command builds from. */
export interface Parts<V, T> {
  readonly values: V;
  readonly config: ModelConfig;
  readonly device: Device;
  /** Loads a model: on the host, or to the device. In a dry run its weights are zeros. */
  readonly load: (folder: string, device?: Device) => Model;
  readonly rows: Rows<T> & { readonly fingerprint?: string };
  readonly evalRows: Parts<V, T>["rows"] | undefined;
  /** Rows that the model is to be left as it is on. */
  readonly retained?: RetainedRows;
  /** How training rows become batches, and those of evaluations: all of `SourceOptions` that the keys decide. */
  readonly training: SourceOptions;
  readonly evaluation: SourceOptions;
  readonly choice: Choice;
  /** The model's weights on the device, where an adapter leaves them as they are; they stay the caller's. */
  readonly frozen: Params | undefined;
  /** A rehearsal: nothing may be written, and numbers mean nothing. */
  readonly planned: boolean;
}

/** What differs between sft, dpo and kto. */
export interface Recipe<V extends TrainingValues, T> {
  readonly label: TrainingKind;
  /** Is the reference model asked before training? Left out where none is asked. */
  readonly precompute?: Automatic;
  /** How its rows become tokens, beside what all commands ask for. */
  readonly cut?: TokenizeOptions;
  /** What it asks of the tokenizer. Errors: InputError. */
  readonly checkTokenizer?: (tokenizer: Tokenizer) => void;
  readonly read: (from: DataFrom, tokenizer: Tokenizer, options: DatasetOptions) => Promise<Dataset<T>>;
  readonly build: (parts: Parts<V, T>) => Promise<Built>;
}
