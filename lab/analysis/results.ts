import { driftOf } from "../../align/training/drift.js";
import { idOf, type Job } from "../jobs/job.js";
import type { CurvePoint, Measures, Outcome } from "../jobs/outcome.js";
import type { Run, Section } from "../plan.js";

/** A run with what came out. */
export interface Found extends Omit<Run, "job"> {
  /** Id of the job. */
  readonly job: string;
  readonly measures: Measures;
  readonly curve?: readonly CurvePoint[];
  readonly relativeDelta?: number;
  /** A: reference deltas that an online merge drifts by. */
  readonly drift?: number;
}

/** Runs with their outcomes. */
export const gather = (runs: readonly Run[], outcomeOf: (job: Job) => Outcome): Found[] =>
  runs.map(({ job, ...run }) => {
    const { measures, curve, relativeDelta } = outcomeOf(job);
    if (measures === undefined) throw new Error(`the ${job.kind} job ${idOf(job)} measured nothing`);
    const drift = job.kind === "align" ? driftOf(job.training.optimizer, job.of.alignment.steps) : undefined;
    return { ...run, job: idOf(job), measures, curve, relativeDelta, drift };
  });

/** What to look for; what is left out is free. */
export interface Where {
  readonly section: Section;
  readonly world: string;
  readonly line?: string;
  readonly x?: number;
}

export const select = (all: readonly Found[], { section, world, line, x }: Where): Found[] =>
  all.filter(
    (run) =>
      (x === undefined || run.x === x) &&
      run.section === section &&
      run.world === world &&
      (line === undefined || run.line === line),
  );

/** The different lines, in order of appearance. */
export const linesOf = (runs: readonly Found[]): string[] => [...new Set(runs.map(({ line }) => line))];
