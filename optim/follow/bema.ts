import { pow } from "../../core/elementary.js";
import { add, equal, InputError, mul, sub, where } from "../../core/index.js";
import { integerFrom, notNegative, within } from "../check.js";
import type { Follower } from "./follow.js";

/** How the bias-corrected average moves: when, how fast, and how far it counts. */
export interface BemaOptions {
  /** Steps between moves (φ). Default 400. */
  readonly every?: number;
  /** κ: the average takes (ρ + γt)^−κ of the weights. Default 0.5. */
  readonly emaPower?: number;
  /** η: the correction counts (ρ + γt)^−η. Default 0.2. */
  readonly biasPower?: number;
  /** ρ. Default 10. */
  readonly lag?: number;
  /** Burn-in: the step at which θ_0 is taken. Default 0. */
  readonly after?: number;
  /** γ. Default 1. */
  readonly multiplier?: number;
  /** The least that the average takes of the weights. Default 0. */
  readonly minEma?: number;
}

/**
 * The bias-corrected moving average, in every so many steps t, all [*S]:
 * ```text
 * EMA ← (1−β_t)·EMA + β_t·θ_t,   handed out: α_t·(θ_t − θ_0) + EMA,   β_t = (ρ + γt)^−κ, α_t = (ρ + γt)^−η
 * ```
 * Until the first move what is handed out is where the run began.
 * Laws: κ = η = 0 hands out 2θ − θ_0; weights that rest are handed out as they are.
 * Errors: InputError unless every ≥ 1, after, powers, lag and multiplier ≥ 0, ρ + γt ≥ 1 at the first move, minEma ∈ [0, 1].
 * Source: Block & Zhang 2025 (arXiv 2508.00180); TRL's BEMACallback.
 */
export const bema = (options: BemaOptions = {}): Follower => {
  const { every = 400, emaPower = 0.5, biasPower = 0.2, lag = 10, after = 0, multiplier = 1, minEma = 0 } = options;
  integerFrom("bema", "every", every, 1);
  integerFrom("bema", "after", after, 0);
  for (const [name, value] of Object.entries({ emaPower, biasPower, lag, multiplier }))
    notNegative("bema", name, value);
  within("bema", "minEma", minEma, 0, 1);
  const youngest = lag + multiplier * (after + every);
  if (youngest < 1)
    throw new InputError(`bema: lag + multiplier · t is ${youngest} at the first move; it must be 1 at least`);
  return {
    name: "bema",
    keeps: ["origin", "ema"],
    moveAt: (step) => {
      if (step < after || (step - after) % every !== 0) return undefined;
      if (step === after) return { starts: 1, alpha: 0, beta: 1 };
      const age = lag + multiplier * step;
      return { starts: 0, alpha: pow(age, -biasPower), beta: Math.max(pow(age, -emaPower), minEma) };
    },
    move: ({ weights, origin, ema }, w, { starts, alpha, beta }) => {
      const begins = equal(starts, 1);
      const average = where(begins, w, add(mul(sub(1, beta), ema), mul(beta, w)));
      return {
        weights: where(begins, weights, add(average, mul(alpha, sub(w, origin)))),
        origin: where(begins, w, origin),
        ema: average,
      };
    },
  };
};
