import { type Cache, openCache } from "../sweep/cache.js";
import type { Graph } from "../sweep/graph.js";
import { costOf } from "./cost.js";
import { idOf, type Job, parentOf, seedOf, settingsOf } from "./job.js";
import type { Outcome } from "./outcome.js";

/** A job in a few words: `align seed 2, adamw, learning rate 0.0001`. */
const nameOf = (job: Job): string => {
  const parts: string[] = [`${job.kind} seed ${seedOf(job)}`];
  if ("training" in job)
    parts.push(String(job.training.optimizer.optim ?? "adamw"), `learning rate ${job.learningRate}`);
  if (job.kind === "merge") parts.push(job.method, `weight ${job.weight}`, `of ${nameOf(job.of)}`);
  if (job.kind === "drift") parts.push(`c ${job.c}`);
  return parts.join(", ");
};

/** The lab's jobs, each of which builds on one other or none. */
export const labGraph: Graph<Job> = {
  idOf,
  parentsOf: (job) => {
    const parent = parentOf(job);
    return parent === undefined ? [] : [parent];
  },
  costOf,
  settingsOf,
  nameOf,
};

/** What the lab's jobs leave. */
export type LabCache = Cache<Job, Outcome>;

export const openLabCache = (folder: string): LabCache => openCache(folder, labGraph);
