import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { loadTree, saveTree } from "../../align/training/state-file.js";
import { InputError, type Tree } from "../../core/index.js";
import { writeTextAtomically } from "../../models/files/atomic.js";
import { idOf, type Job, settingsOf } from "./job.js";
import type { Outcome } from "./outcome.js";

/**
 * Results by content: ID.json holds a job's settings and outcome, ID.safetensors what later jobs need. The JSON comes last,
 * so a job with one is done, and both are written whole or not at all.
 */
export interface Cache {
  readonly has: (job: Job) => boolean;
  readonly outcome: (job: Job) => Outcome;
  readonly tensors: <T extends Tree>(job: Job, like: T) => T;
  readonly put: (job: Job, outcome: Outcome, tensors: Tree | undefined) => Promise<void>;
}

/** JSON knows no NaN; a diverged run's numbers become null, and null becomes NaN again. */
const revive = (_: string, value: unknown): unknown => (value === null ? Number.NaN : value);

export const openCache = (folder: string): Cache => {
  const file = (job: Job, ending: string) => join(folder, `${idOf(job)}.${ending}`);
  const read = new Map<string, Outcome>();
  return {
    has: (job) => existsSync(file(job, "json")),
    outcome: (job) => {
      const path = file(job, "json");
      const before = read.get(path);
      if (before !== undefined) return before;
      try {
        const { outcome } = JSON.parse(readFileSync(path, "utf8"), revive) as { outcome: Outcome };
        read.set(path, outcome);
        return outcome;
      } catch {
        throw new InputError(`${path}: is not what the lab wrote; delete it, and the lab makes it again`);
      }
    },
    tensors: (job, like) => loadTree(file(job, "safetensors"), like),
    put: async (job, outcome, tensors) => {
      if (tensors !== undefined) await saveTree(file(job, "safetensors"), tensors);
      writeTextAtomically(file(job, "json"), `${JSON.stringify({ job: settingsOf(job), outcome })}\n`);
    },
  };
};

/** Makes the folder, and clears away what a killed lab left half-written. */
export const tidyCache = (folder: string): void => {
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(folder)) if (name.endsWith(".tmp")) rmSync(join(folder, name), { force: true });
};
