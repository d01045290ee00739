import type { Graph } from "../../lab/sweep/graph.js";
import { canonical, namesBy } from "../../lab/sweep/names.js";
import type { JsonObject } from "../../models/files/json.js";
import type { TrainingKind } from "../fit/kinds.js";
import type { KeySource } from "./keys.js";
import { type Search, triesOf } from "./search.js";
import type { ExamSpec } from "./spec.js";

/** What all jobs have: whose they are, for people, and what decides their result. */
interface Common {
  readonly name: string;
  readonly settings: JsonObject;
}

/** The model where all start, which is there. */
export interface GivenModel extends Common {
  readonly kind: "given";
  readonly folder: string;
}

/** A training run. */
export interface TrainJob extends Common {
  readonly kind: "train";
  readonly train: TrainingKind;
  readonly sources: readonly KeySource[];
}

/** An offline merge of what a training run made. */
export interface MergeJob extends Common {
  readonly kind: "merge";
  readonly of: TrainJob;
  readonly recipe: JsonObject;
  readonly where: string;
  /** What stands for `start` and `base`. */
  readonly folders: Readonly<Record<string, string>>;
  readonly seed: number;
  /** Ratios of blocks are looked for on validation rows; `recipe` is what stands beside them. */
  readonly search?: Search & Asked & { readonly layers: number };
}

/** What a model is asked, and held against. */
interface Asked {
  /** The same of the model where all start, whose log-probabilities pairs are held against; left out for that model. */
  readonly against?: MeasureJob;
  readonly exam: Examination;
}

/** A model is asked. */
export interface MeasureJob extends Common, Asked {
  readonly kind: "measure";
  readonly of: GivenModel | TrainJob | MergeJob;
  /** Is the model removed afterwards? */
  readonly drops: boolean;
}

/** What is asked, and with whose tokenizer and device. */
export interface Examination {
  readonly spec: ExamSpec;
  readonly train: TrainingKind;
  readonly sources: readonly KeySource[];
}

/** A unit of work: a pure function of its settings and of those that it builds on. */
export type Job = TrainJob | MergeJob | MeasureJob;

/** What a job builds on that has to be done first. */
export const parentsOf = (job: Job): readonly Job[] => {
  if (job.kind === "train") return [];
  const against = job.kind === "merge" ? job.search?.against : job.against;
  return [...(job.of.kind === "given" ? [] : [job.of]), ...(against === undefined ? [] : [against])];
};

/** Its settings, in which those that it builds on stand by their ids. */
export const settingsOf = (job: Job): JsonObject => ({
  kind: job.kind,
  ...job.settings,
  ...(job.kind === "measure" && job.of.kind === "given" && { model: job.of.settings }),
  ...(parentsOf(job).length > 0 && { of: parentsOf(job).map(idOf) }),
});

/** A job's name in the cache: a hash of all that decides its result. */
export const idOf = namesBy<Job>((job) => canonical(settingsOf(job)));

const WHAT = { train: "training", merge: "merging", measure: "measuring" } as const;

/** Seconds, as far as anything is known: training takes most. */
const COST = { train: 60, merge: 5, measure: 20 } as const;

/** The jobs of a comparison, as a queue knows them. */
export const compareGraph: Graph<Job> = {
  ...{ idOf, parentsOf, settingsOf },
  costOf: (job) => {
    const tries = job.kind === "merge" && job.search !== undefined ? triesOf(job.search) : 0;
    return COST[job.kind] + tries * (COST.merge + COST.measure / 2);
  },
  nameOf: ({ kind, name }) => `${name}: ${WHAT[kind]}`,
};
