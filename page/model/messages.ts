import type { DeviceName } from "../../kernels/index.js";
import type { BranchName, Knobs } from "../lab/settings.js";
import type { LossName } from "./losses.js";

/** Where a model's files are: chosen one by one, behind a handle, or beside the page. */
export type Place =
  | { readonly kind: "files"; readonly name: string; readonly files: Readonly<Record<string, File>> }
  | { readonly kind: "handle"; readonly handle: FileSystemDirectoryHandle }
  | { readonly kind: "address"; readonly address: string };

/** The model that is talked with and trained, and the one that it was tuned from, which τ is taken to. */
export type Role = "model" | "base";
/** Which weights answer. */
export type Version = "before" | "after";

/** What was said, and what was answered to it. */
export interface Turn {
  readonly version: Version;
  readonly said: string;
  readonly answer: string;
  /** Why the answer ended. */
  readonly end: string;
}

/** How a model is aligned. */
export interface Alignment {
  readonly optim: BranchName;
  readonly loss: LossName;
  readonly knobs: Knobs;
  readonly steps: number;
  /** Rows a step. */
  readonly batch: number;
  /** Tokens; longer sequences are cut. */
  readonly maxLength: number;
  /** Train a low-rank adapter, with AdamW alone: a fraction of the memory. */
  readonly lora: boolean;
}

export type Command =
  /** `again`: what the worker before it was at is gone on with, however that ended. */
  | { readonly kind: "open"; readonly device: DeviceName; readonly again: boolean }
  | { readonly kind: "load"; readonly role: Role; readonly place: Place }
  /** Goes on with what was kept. */
  | { readonly kind: "restore" }
  | { readonly kind: "say"; readonly text: string; readonly version: Version }
  | { readonly kind: "forget" }
  | { readonly kind: "align"; readonly pairs: File; readonly alignment: Alignment }
  /** Ends an answer, or an alignment where it stands. */
  | { readonly kind: "stop" }
  | { readonly kind: "save"; readonly to?: FileSystemDirectoryHandle }
  /** Lets go of the model, and of all that is kept. */
  | { readonly kind: "clear" };

export interface About {
  readonly name: string;
  readonly family: string;
  readonly parameters: number;
  readonly context: number;
  /** Has it a chat template? Without one, what is said is gone on with. */
  readonly chats: boolean;
}

/** A step's reward margin; none where its rows were all wanted, or none of them. */
export type Margin = number | null;

/** A step as it is drawn. */
export interface Step {
  readonly step: number;
  readonly loss: number;
  readonly margin: number | undefined;
  /** Of pairs. */
  readonly accuracy: number | undefined;
  readonly milliseconds: number;
}

export type Told =
  /** `keeps`: will it go on after the tab was closed? */
  | { readonly kind: "device"; readonly description: string; readonly keeps: boolean }
  /** Something begins that nobody asked for in this tab: what was kept, if anything, is gone on with. */
  | { readonly kind: "restoring" }
  /** What was kept is not gone on with by itself: a click has to allow it, or it ended badly before. */
  | { readonly kind: "waits"; readonly places: readonly Place[] }
  | { readonly kind: "loading"; readonly role: Role; readonly share: number }
  | { readonly kind: "loaded"; readonly role: Role; readonly about: About }
  /** The conversation as it stands. */
  | { readonly kind: "turns"; readonly turns: readonly Turn[] }
  | { readonly kind: "piece"; readonly text: string }
  | { readonly kind: "said"; readonly end: string }
  /** An alignment that was begun before this tab was opened; the margins of its steps so far. */
  | {
      readonly kind: "resumes";
      readonly pairs: File;
      readonly alignment: Alignment;
      readonly margins: readonly Margin[];
    }
  /** Rows that are learned, of those that were read; a pair may become two of them. */
  | { readonly kind: "rows"; readonly kept: number; readonly rows: number }
  | ({ readonly kind: "step"; readonly steps: number } & Step)
  | { readonly kind: "aligned"; readonly steps: number }
  /** There are no aligned weights any more. */
  | { readonly kind: "unaligned" }
  | { readonly kind: "saved"; readonly zip?: Blob; readonly name: string }
  /** Something is not kept, and why. */
  | { readonly kind: "unkept"; readonly message: string }
  | { readonly kind: "cleared" }
  /** What was asked for is done, or has failed. */
  | { readonly kind: "free" }
  /** It could not be done; all is as it was. */
  | { readonly kind: "failed"; readonly message: string }
  /** The worker is at its end, and the model with it. `lost`: its device went away, and another one may do. */
  | { readonly kind: "ended"; readonly message: string; readonly lost: boolean };
