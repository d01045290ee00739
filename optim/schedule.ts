import { asks } from "../core/expects.js";
import { InputError } from "../core/index.js";
import { integerFrom, within } from "./check.js";
import { type ScheduleName, SHAPES, type ShapeOptions, shapeOptions } from "./schedule-shapes.js";

/** Learning-rate schedules by their Hugging Face names (`lr_scheduler_type`). */
export const SCHEDULES = Object.keys(SHAPES) as readonly ScheduleName[];

/** A learning-rate schedule. */
export interface ScheduleOptions {
  readonly name: ScheduleName;
  /** Steps over which the factor grows from 0 to 1; `constant` has none. Default 0. */
  readonly warmupSteps?: number;
  /** Steps of the whole run: where the decay ends, and stays. */
  readonly totalSteps: number;
  /** The factor at the end of `linear` and `cosine`, in [0, 1]: 0.1 is "cosine to 10 %". Default 0. */
  readonly minRatio?: number;
  /** What else shapes it, by Hugging Face's names (`lr_scheduler_kwargs`): `num_cycles`, `min_lr`, … Default: theirs. */
  readonly kwargs?: ShapeOptions;
  /** The rate that the factor multiplies; asked for only by kwargs that are rates (`min_lr`, `lr_end`). */
  readonly learningRate?: number;
}

/**
 * The factor on the learning rate at a step, counted from 0 as Hugging Face's schedulers do (with warm-up, step 0 has 0).
 * After warm-up, x = (step − warmup) / (total − warmup) in [0, 1] goes through the shape of that name (`SHAPES`); of `linear`
 * and `cosine` r + (1−r)·f with r = minRatio.
 * Errors: InputError for an unknown name, counts that are no integers ≥ 0, minRatio outside [0, 1], and kwargs that the shape
 * has not, needs, or cannot go by.
 * @example schedule({ name: "cosine", totalSteps: 100, warmupSteps: 10 })(5) // 0.5
 */
export const schedule = asks(
  "schedule",
  "record",
  ({
    name,
    warmupSteps = 0,
    totalSteps,
    minRatio = 0,
    kwargs = {},
    learningRate,
  }: ScheduleOptions): ((step: number) => number) => {
    if (!Object.hasOwn(SHAPES, name))
      throw new InputError(`schedule: "${name}" is not a schedule; use one of ${SCHEDULES.join(", ")}`);
    integerFrom("schedule", "warmupSteps", warmupSteps, 0);
    integerFrom("schedule", "totalSteps", totalSteps, 0);
    within("schedule", "minRatio", minRatio, 0, 1);
    const shape = SHAPES[name];
    const factorAt = shape.make({ warmupSteps, totalSteps, learningRate }, shapeOptions(name, kwargs));
    if (name === "constant") return () => 1;
    const lift = name === "linear" || name === "cosine" ? minRatio : 0;
    return (step) => {
      if (step < warmupSteps) return shape.rise?.(step, warmupSteps, kwargs) ?? step / warmupSteps;
      const x = Math.min(1, (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps));
      return lift + (1 - lift) * factorAt(x, step);
    };
  },
);
