import type { Dataset, DatasetOptions } from "../../align/data/dataset.js";
import type { BatchSource, Rows, SourceOptions } from "../../align/data/source.js";
import type { Objective } from "../../align/objectives/objective.js";
import type { Device } from "../../core/index.js";
import type { Model, ModelConfig, Tokenizer } from "../../models/index.js";
import type { TrainingValues } from "./checks/check.js";

/** What a command trains with, once data and models are there. */
export interface Built {
  readonly objective: Objective;
  readonly source: BatchSource;
  readonly evalSource?: BatchSource;
  /** The reference model, where the loop has to ask it. */
  readonly reference?: Model;
  /** What the loss is where policy and reference are the same. */
  readonly startLoss?: number;
}

/** What a command builds from. */
export interface Parts<V, T> {
  readonly values: V;
  readonly config: ModelConfig;
  readonly device: Device;
  /** Loads a model: on the host, or to the device. In a dry run its weights are zeros. */
  readonly load: (folder: string, device?: Device) => Model;
  readonly rows: Rows<T> & { readonly fingerprint?: string };
  readonly evalRows: Parts<V, T>["rows"] | undefined;
  /** How training rows become batches, and those of evaluations: all of `SourceOptions` that the keys decide. */
  readonly training: SourceOptions;
  readonly evaluation: SourceOptions;
  /** A dry run: nothing may be written, and numbers mean nothing. */
  readonly planned: boolean;
}

/** What differs between sft, dpo and kto. */
export interface Recipe<V extends TrainingValues, T> {
  readonly label: string;
  readonly read: (path: string, tokenizer: Tokenizer, options: DatasetOptions) => Promise<Dataset<T>>;
  readonly build: (parts: Parts<V, T>) => Promise<Built>;
}
