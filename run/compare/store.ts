import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { modelFingerprint } from "../../align/training/fingerprint.js";
import { type Cache, openCache } from "../../lab/sweep/cache.js";
import { compareGraph, idOf, type Job, type MeasureJob } from "./jobs.js";
import type { MeasureOutcome } from "./measure.js";

/** What a training run, or a merge, leaves beside its folder: a digest of the model in it. */
export interface ModelOutcome {
  readonly fingerprint: string;
}

/** Results of a comparison's jobs. Models lie in folders of their ids, which a training run that was cut off goes on in. */
export interface CompareStore extends Cache<Job, ModelOutcome | MeasureOutcome> {
  /** The folder of a job: its model, or the answers that it was given. */
  readonly folderOf: (job: Job) => string;
  readonly measures: (job: MeasureJob) => MeasureOutcome;
  /** Removes a model that is measured. */
  readonly drop: (job: Job) => void;
}

export const openStore = (cache: string): CompareStore => {
  const results = openCache<Job, ModelOutcome | MeasureOutcome>(cache, compareGraph);
  const folderOf = (job: Job): string => join(cache, idOf(job));
  const whole = new Set<string>();
  /** What is wrong with the model of a job whose result is there. */
  const broken = (job: Job): string | undefined => {
    if (job.kind === "measure" || whole.has(idOf(job)) || !results.has(job)) return undefined;
    const folder = folderOf(job);
    const { fingerprint } = results.outcome(job) as ModelOutcome;
    if (!existsSync(join(folder, "config.json"))) return `${folder}: its model is gone`;
    if (modelFingerprint(folder) !== fingerprint) return `${folder}: its model is not as it was written`;
    whole.add(idOf(job));
    return undefined;
  };
  return {
    ...results,
    folderOf,
    measures: (job) => results.outcome(job) as MeasureOutcome,
    has: (job) => results.has(job) && broken(job) === undefined,
    damage: (job) => results.damage(job) ?? broken(job),
    tidy: (job) => {
      results.tidy(job);
      // What a training run has left half-way it goes on from; what is damaged, or half a merge, begins anew.
      if (job.kind === "merge" || broken(job) !== undefined) rmSync(folderOf(job), { recursive: true, force: true });
    },
    drop: (job) => {
      whole.delete(idOf(job));
      rmSync(folderOf(job), { recursive: true, force: true });
    },
  };
};
