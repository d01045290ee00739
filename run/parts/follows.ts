import type { TrainOptions } from "../../align/training/options.js";
import { InputError } from "../../core/errors.js";
import { bema, type Follower, firstMove, mixing } from "../../optim/index.js";
import type { Values } from "../options/takes.js";
import { tellIdle, type Voice } from "../voice.js";

/** Keys of runs that compare; others have none of them. */
type MovingKeys =
  | "sync_ref_model"
  | "ref_model_mixup_alpha"
  | "ref_model_sync_steps"
  | "bema_update_ref_model"
  | "bema_ref_model_update_freq"
  | "bema_ref_model_update_after"
  | "precompute_ref_log_probs";
type AveragingKeys =
  | "bema"
  | "bema_update_freq"
  | "bema_ema_power"
  | "bema_bias_power"
  | "bema_lag"
  | "bema_update_after"
  | "bema_multiplier"
  | "bema_min_ema_multiplier";
type FollowValues = Pick<Values<"sft">, AveragingKeys | "optim" | "base_optim" | "ema_variant" | "use_peft"> &
  Partial<Pick<Values<"dpo">, MovingKeys>>;

/** Keys that are read with another one alone. */
const READ_WITH = {
  sync_ref_model: ["ref_model_mixup_alpha", "ref_model_sync_steps"],
  bema: [
    ...(["bema_update_freq", "bema_ema_power", "bema_bias_power", "bema_lag", "bema_update_after"] as const),
    ...(["bema_multiplier", "bema_min_ema_multiplier", "bema_update_ref_model"] as const),
  ],
  bema_update_ref_model: ["bema_ref_model_update_freq", "bema_ref_model_update_after"],
} as const satisfies Partial<Record<keyof FollowValues, readonly (keyof FollowValues)[]>>;

/** The key by which the reference model moves; undefined where it stays. */
export const movedBy = ({ sync_ref_model, bema: averages, bema_update_ref_model }: FollowValues) =>
  sync_ref_model
    ? ("sync_ref_model" as const)
    : averages && bema_update_ref_model
      ? ("bema_update_ref_model" as const)
      : undefined;

/** The average and the moving reference that the keys ask for. Errors: InputError for values out of range together. */
export const followsOf = (values: FollowValues): Pick<TrainOptions, "average" | "referenceFollows"> => {
  const moving = movedBy(values);
  return {
    ...(values.bema && {
      average: bema({
        ...{ every: values.bema_update_freq, emaPower: values.bema_ema_power, biasPower: values.bema_bias_power },
        ...{ lag: values.bema_lag, after: values.bema_update_after, multiplier: values.bema_multiplier },
        minEma: values.bema_min_ema_multiplier,
      }),
    }),
    ...(moving === "sync_ref_model" && {
      referenceFollows: { by: mixing({ mixup: values.ref_model_mixup_alpha, every: values.ref_model_sync_steps }) },
    }),
    ...(moving === "bema_update_ref_model" && {
      referenceFollows: {
        by: mixing({
          ...{ mixup: 1, every: values.bema_ref_model_update_freq ?? 400 },
          after: values.bema_ref_model_update_after,
        }),
        of: "average",
      },
    }),
  };
};

/** Checks the keys of averages and of references that move. Errors: InputError for those that do not go together. */
export const checkFollows = (values: FollowValues, out: Voice): void => {
  for (const [key, readers] of Object.entries(READ_WITH) as [keyof typeof READ_WITH, readonly MovingKeys[]][]) {
    const given = values[key] ? [] : readers.filter((name) => values[name] !== undefined && values[name] !== false);
    tellIdle(out, given, `without ${key}`);
  }
  const { optim, base_optim: base, ema_variant: variant = "shadow" } = values;
  const other = optim === "ema" && variant === "shadow" ? "ema" : [optim, base].find((name) => name === AVERAGES);
  if (values.bema && other !== undefined)
    throw new InputError(`bema: ${other} hands out an average of its own; leave bema out, or choose another optimizer`);
  const moving = movedBy(values);
  if (moving !== undefined) {
    if (values.sync_ref_model && values.bema_update_ref_model)
      throw new InputError("sync_ref_model and bema_update_ref_model both move the reference model; leave one out");
    if (values.precompute_ref_log_probs === true)
      throw new InputError(
        `${moving}: the reference model moves, and precompute_ref_log_probs would keep what it said before training; leave one out`,
      );
    if (values.use_peft)
      throw new InputError(
        `${moving}: with use_peft the reference is the model below the adapter, which stays; leave one out`,
      );
  }
  followsOf(values);
};

/** Hands out x, of its three sequences. */
const AVERAGES = "schedule_free_adamw";

/** Tells of a reference that does not move in a run so short. Errors: InputError for such an average. */
export const checkMoves = (values: FollowValues, steps: number, out: Voice): void => {
  const { average, referenceFollows } = followsOf(values);
  const rests = (follower: Follower | undefined) => follower !== undefined && firstMove(follower, steps) === undefined;
  if (rests(average))
    throw new InputError(
      `bema: the run has ${steps} steps, in which no average is made: the model would be the one that training begins with; lower bema_update_freq (${values.bema_update_freq ?? 400}) or bema_update_after`,
    );
  if (rests(referenceFollows?.by))
    out.note(`warning: ${movedBy(values)}: the run has ${steps} steps, in which the reference model does not move`);
};
