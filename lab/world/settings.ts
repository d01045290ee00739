/** Adam with these steps: warm-up, then cosine to 10 % of the peak. */
export interface Schedule {
  readonly steps: number;
  /** Rows, or pairs, a step. */
  readonly batch: number;
  readonly learningRate: number;
  readonly warmup: number;
}

export interface BaseSetting extends Schedule {
  /** Share of documents in the form of SFT rows. */
  readonly instructed: number;
}

/** How base and SFT model of a world are trained. */
export interface World {
  readonly base: BaseSetting;
  readonly sft: Schedule;
}

/** The preference data and the length of an alignment; its learning rate is what the lab varies. */
export interface AlignSetting extends Omit<Schedule, "learningRate"> {
  readonly pairs: number;
}

/**
 * The two worlds. Light: instruction tuning moves little (rms τ is 2.5 % of rms θ) and leaves skill to be gained.
 * Converged: it moves much (16 %), and the skills are learned.
 * A world's warm-up is that of both its stages.
 * Which of reversal and two-digit sums a base model learns in time depends on the seed: skill after SFT varies with that by
 * .06 from seed to seed, and no warm-up from 10 to 150 makes a difference that would show against it.
 */
export const WORLDS = {
  light: {
    base: { steps: 1400, batch: 64, learningRate: 4e-3, warmup: 10, instructed: 0.03 },
    sft: { steps: 120, batch: 64, learningRate: 4e-4, warmup: 10 },
  },
  converged: {
    base: { steps: 1500, batch: 64, learningRate: 4e-3, warmup: 50, instructed: 0 },
    sft: { steps: 700, batch: 64, learningRate: 1.5e-3, warmup: 50 },
  },
} as const satisfies Record<string, World>;

/** 100 steps on 16 of 2048 pairs each. */
export const ALIGNMENT: AlignSetting = { pairs: 2048, steps: 100, batch: 16, warmup: 10 };
