import { InputError } from "../core/index.js";
import { integerFrom, within } from "./check.js";

/** Learning-rate schedules by their Hugging Face names (`lr_scheduler_type`). */
export const SCHEDULES = ["constant", "constant_with_warmup", "linear", "cosine"] as const;
export type ScheduleName = (typeof SCHEDULES)[number];

export interface ScheduleOptions {
  readonly name: ScheduleName;
  /** Steps over which the factor grows from 0 to 1; `constant` has none. Default 0. */
  readonly warmupSteps?: number;
  /** Steps of the whole run: where `linear` and `cosine` end, and stay. */
  readonly totalSteps: number;
  /** The factor at the end of `linear` and `cosine`, in [0, 1]: 0.1 is "cosine to 10 %". Default 0. */
  readonly minRatio?: number;
}

/**
 * The factor on the learning rate at a step, counted from 0 as Hugging Face's schedulers do (with warm-up, step 0 has 0).
 * After warm-up, x = (step − warmup) / (total − warmup) in [0, 1]:
 *   linear 1 − x,  cosine ½(1 + cos πx),  then r + (1−r)·f with r = minRatio.
 * Errors: InputError for an unknown name, counts that are no integers ≥ 0, minRatio outside [0, 1].
 */
export const schedule = ({
  name,
  warmupSteps = 0,
  totalSteps,
  minRatio = 0,
}: ScheduleOptions): ((step: number) => number) => {
  if (!SCHEDULES.includes(name))
    throw new InputError(`schedule: "${name}" is not a schedule; use one of ${SCHEDULES.join(", ")}`);
  integerFrom("schedule", "warmupSteps", warmupSteps, 0);
  integerFrom("schedule", "totalSteps", totalSteps, 0);
  within("schedule", "minRatio", minRatio, 0, 1);
  if (name === "constant") return () => 1;

  const decay = (x: number): number => {
    switch (name) {
      case "constant_with_warmup":
        return 1;
      case "linear":
        return minRatio + (1 - minRatio) * (1 - x);
      case "cosine":
        return minRatio + (1 - minRatio) * 0.5 * (1 + Math.cos(Math.PI * x));
    }
  };
  return (step) =>
    step < warmupSteps
      ? step / warmupSteps
      : decay(Math.min(1, (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps)));
};
