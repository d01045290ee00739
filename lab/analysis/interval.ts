/** A mean over seeds with its 95 % interval. */
export interface Interval {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
  /** One number a seed. */
  readonly values: readonly number[];
}

/** Student's t at 97.5 %, by degrees of freedom from 1 on; further ones use the last, which is wider than theirs. */
const T975 = [12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.306, 2.2622, 2.2281, 2.201, 2.1788];

export const mean = (values: readonly number[]): number => values.reduce((sum, x) => sum + x, 0) / values.length;

/** The interval of Student's t over seeds; of differences, one a seed, it is the paired test. Infinite for one seed. */
export const interval = (values: readonly number[]): Interval => {
  const center = mean(values);
  const n = values.length;
  if (n < 2) return { mean: center, low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY, values };
  const variance = values.reduce((sum, x) => sum + (x - center) ** 2, 0) / (n - 1);
  const half = T975[Math.min(n - 2, T975.length - 1)] * Math.sqrt(variance / n);
  return { mean: center, low: center - half, high: center + half, values };
};

/** What an interval says of the claim that a number is positive. */
export type Verdict = "replicates" | "does not replicate" | "undecided" | "not run";

export const verdictOf = ({ low, high }: Interval): Verdict =>
  low > 0 ? "replicates" : high < 0 ? "does not replicate" : "undecided";
