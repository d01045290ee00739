import type { DeviceName } from "../../kernels/index.js";
import type { BranchName, Knobs } from "../lab/settings.js";

/** Where a model's files are: chosen one by one, behind a handle, or beside the page. */
export type Place =
  | { readonly kind: "files"; readonly files: readonly File[] }
  | { readonly kind: "handle"; readonly handle: FileSystemDirectoryHandle }
  | { readonly kind: "address"; readonly address: string };

/** The model that is talked with and trained, and the one that it was tuned from, which τ is taken to. */
export type Role = "model" | "base";
/** Which weights answer. */
export type Version = "before" | "after";

/** How a model is aligned. */
export interface Alignment {
  readonly optim: BranchName;
  readonly knobs: Knobs;
  readonly steps: number;
  /** Pairs a step. */
  readonly batch: number;
  /** Tokens; longer sequences are cut. */
  readonly maxLength: number;
  /** Train a low-rank adapter, with AdamW alone: a fraction of the memory. */
  readonly lora: boolean;
}

export type Command =
  | { readonly kind: "open"; readonly device: DeviceName }
  | { readonly kind: "load"; readonly role: Role; readonly place: Place }
  | { readonly kind: "say"; readonly text: string; readonly version: Version }
  | { readonly kind: "forget" }
  | { readonly kind: "align"; readonly pairs: File; readonly alignment: Alignment }
  /** Ends an answer, or an alignment where it stands. */
  | { readonly kind: "stop" }
  | { readonly kind: "save"; readonly to?: FileSystemDirectoryHandle };

export interface About {
  readonly name: string;
  readonly family: string;
  readonly parameters: number;
  readonly context: number;
  /** Has it a chat template? Without one, what is said is gone on with. */
  readonly chats: boolean;
}

export type Told =
  | { readonly kind: "device"; readonly description: string }
  | { readonly kind: "loading"; readonly role: Role; readonly share: number }
  | { readonly kind: "loaded"; readonly role: Role; readonly about: About }
  | { readonly kind: "piece"; readonly text: string }
  | { readonly kind: "said"; readonly end: string }
  /** Pairs that were read, and rows that were left out. */
  | { readonly kind: "pairs"; readonly kept: number; readonly rows: number }
  | {
      readonly kind: "step";
      readonly step: number;
      readonly steps: number;
      readonly loss: number;
      readonly margin: number;
      readonly accuracy: number;
      readonly milliseconds: number;
    }
  | { readonly kind: "aligned"; readonly steps: number }
  | { readonly kind: "saved"; readonly zip?: Blob; readonly name: string }
  /** It could not be done; all is as it was. */
  | { readonly kind: "failed"; readonly message: string }
  /** The worker is at its end, and the model with it. */
  | { readonly kind: "ended"; readonly message: string };
