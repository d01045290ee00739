import { renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Model, saveModel } from "../../models/index.js";

/** Model folders of a run's intermediate steps. */
export interface Checkpoints {
  /** Writes `checkpoint-N`, and drops the oldest of this run above the limit. */
  readonly save: (step: number, model: Model) => Promise<void>;
}

/** Each folder appears whole: it is written under another name first. */
export const checkpoints = (outputDir: string, from: string, limit = Number.POSITIVE_INFINITY): Checkpoints => {
  const written: string[] = [];
  return {
    save: async (step, model) => {
      const folder = join(outputDir, `checkpoint-${step}`);
      const unfinished = `${folder}.${process.pid}.tmp`;
      try {
        await saveModel(unfinished, model, { from });
        rmSync(folder, { recursive: true, force: true });
        renameSync(unfinished, folder);
      } finally {
        rmSync(unfinished, { recursive: true, force: true });
      }
      written.push(folder);
      while (written.length > limit) rmSync(written.shift() as string, { recursive: true, force: true });
    },
  };
};
