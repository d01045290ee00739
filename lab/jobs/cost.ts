import type { AlignJob, BaseJob, Job } from "./job.js";
import { sftOf } from "./job.js";

/**
 * Seconds of one core: per row trained on, row read, prompt answered, program. Between two cloud servers, of which one took
 * 1.8 times as long as the other.
 */
const SECONDS = { trained: 1.35e-3, read: 0.38e-3, answered: 0.38e-3, program: 0.3 };

const examCost = (job: Exclude<Job, BaseJob>): number => {
  const { perKind, heldOut } = sftOf(job).exam;
  return 2 * 9 * perKind * SECONDS.answered + 2 * 2 * heldOut * SECONDS.read;
};

/** Of what an alignment looks at beside its pairs. */
const aside = ({ of, training: { sync, retain, nullSpace } }: AlignJob): number => {
  const { steps, batch } = of.alignment;
  // A reference that moves is asked anew; gradients are of tuning data and of base text, or of the one.
  const asked = (sync === undefined ? 0 : 2 * steps * batch) + (nullSpace?.rows ?? 0);
  const gradients = retain === undefined ? 0 : (2 * retain.rows * steps) / retain.every;
  return asked * SECONDS.read + gradients * SECONDS.trained;
};

/** Seconds of one core that a job takes, roughly: for the order of jobs, the budget and the time left. */
export const costOf = (job: Job): number => {
  switch (job.kind) {
    case "base":
      return SECONDS.program + job.setting.steps * job.setting.batch * SECONDS.trained;
    case "sft": {
      const { setting, alignment } = job;
      const reference = 2 * alignment.steps * alignment.batch * SECONDS.read;
      return SECONDS.program + setting.steps * setting.batch * SECONDS.trained + reference + examCost(job);
    }
    case "align": {
      const { steps, batch } = sftOf(job).alignment;
      // KTO also reads mismatched answers, and asks the tuned model about all.
      const read = job.training.loss === "kto" ? 6 * steps * batch * SECONDS.read : 0;
      return SECONDS.program + 2 * steps * batch * SECONDS.trained + read + aside(job) + examCost(job);
    }
    case "warp": {
      const { steps, batch } = sftOf(job).alignment;
      const runs = job.rounds * job.runs * 2 * Math.floor(steps / job.runs) * batch * (SECONDS.trained + SECONDS.read);
      return SECONDS.program + runs + examCost(job);
    }
    case "meet": {
      const { steps, batch } = sftOf(job).alignment;
      return 2 * SECONDS.program + 2 * steps * batch * SECONDS.trained + examCost(job);
    }
    case "merge": {
      // Half an exam for each of the ratios that are tried.
      const { blocks } = job.hma ?? { blocks: 1 };
      return SECONDS.program + (1 + (blocks * (blocks - 1)) / 2) * examCost(job);
    }
    default:
      return SECONDS.program + examCost(job);
  }
};
