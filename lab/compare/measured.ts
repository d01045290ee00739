import { mean } from "../analysis/interval.js";

/** What a model turned out to be in one of the two splits. Shares in [0, 1]. */
export interface Measured {
  /** Each task's score. */
  readonly tasks: Readonly<Record<string, number>>;
  /**
   * On held-out pairs, against the model where all start: the share whose chosen answer has gained more than the rejected one,
   * of which ties are half, and the mean of what it has gained more, times `MARGIN_BETA`. Left out without pairs.
   */
  readonly pairs?: { readonly "rewards/accuracies": number; readonly "rewards/margins": number };
}

/** In both splits: selection looks at the first, and what is told is of the second. */
export interface InSplits {
  readonly validation: Measured;
  readonly test: Measured;
}

/** What style may be of pairs. */
export const PAIR_STYLES = ["rewards/accuracies", "rewards/margins"] as const;
export type PairStyle = (typeof PAIR_STYLES)[number];

export const isPairStyle = (style: string): style is PairStyle => (PAIR_STYLES as readonly string[]).includes(style);

/** Does style lie in [0, 1]? */
export const isShare = (style: string): boolean => style !== "rewards/margins";

/** What counts as skill, the mean of some tasks, and what as style: a task, or a measure of pairs. */
export interface Counting {
  readonly skill: readonly string[];
  readonly style: string;
}

/** A split's numbers as frontiers know them. */
export const counted = ({ tasks, pairs }: Measured, { skill, style }: Counting) => ({
  average: mean(skill.map((name) => tasks[name])),
  style: isPairStyle(style) ? (pairs?.[style] ?? Number.NaN) : tasks[style],
});
