import type { DeviceName } from "../../kernels/index.js";
import type { Score } from "../../lab/world/score.js";
import type { BranchName, Course, Knobs } from "./settings.js";

/** A training run of the lab. */
export type RunName = "base" | "sft" | BranchName;

/** Where a run stood when it was examined. */
export interface Point {
  readonly step: number;
  /** Mean since the last exam; none before the first step. */
  readonly loss?: number;
  /** Mean reward margin of training pairs. */
  readonly margin?: number;
  readonly score: Score;
}

/** A request of the exam that is shown with what models answer. */
export interface Sample {
  readonly request: string;
  /** The right answer, plain. */
  readonly right: string;
}

/** A run as a page draws it. */
export interface Shown {
  readonly steps: number;
  readonly knobs?: Knobs;
  readonly points: readonly Point[];
  /** Answers to the samples at the last exam. */
  readonly answers: readonly string[];
}

/** What a page tells the lab's worker. */
export type Command =
  | {
      readonly kind: "open";
      readonly device: DeviceName;
      readonly course: Course;
      /** Where trained weights to begin with lie, if the page has some. */
      readonly start?: string;
    }
  | { readonly kind: "pause" }
  | { readonly kind: "go" }
  /** Everything anew: from the weights that the page came with, or from nothing. */
  | { readonly kind: "anew"; readonly from: "start" | "nothing" }
  /** An alignment anew, with these knobs. */
  | { readonly kind: "branch"; readonly name: BranchName; readonly knobs: Knobs }
  | { readonly kind: "ask"; readonly request: string };

/** What the worker tells the page. */
export type Told =
  | { readonly kind: "device"; readonly description: string; readonly why: string; readonly keeps: boolean }
  | { readonly kind: "samples"; readonly samples: readonly Sample[] }
  | { readonly kind: "anew" }
  /** A run begins, or was found where it was left. */
  | { readonly kind: "run"; readonly run: RunName; readonly shown: Shown }
  | { readonly kind: "step"; readonly run: RunName; readonly step: number; readonly milliseconds: number }
  | { readonly kind: "point"; readonly run: RunName; readonly point: Point; readonly answers: readonly string[] }
  | { readonly kind: "rest"; readonly why: "paused" | "done" }
  | {
      readonly kind: "asked";
      readonly request: string;
      readonly answers: Readonly<Partial<Record<RunName, string>>>;
      readonly problem?: string;
    }
  | { readonly kind: "failed"; readonly message: string; readonly lost: boolean };
