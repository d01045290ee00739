import type { Interval } from "../analysis/interval.js";

/** A share as percent. */
export const percent = (share: number, digits = 1): string =>
  Number.isFinite(share) ? (100 * share).toFixed(digits) : "–";

const minus = (text: string): string => text.replace("-", "−");

/** With its sign, but for what rounds to zero. */
export const signed = (x: number, digits = 1): string => {
  if (!Number.isFinite(x)) return "–";
  const size = Math.abs(x).toFixed(digits);
  return Number(size) === 0 ? size : `${x > 0 ? "+" : "−"}${size}`;
};

/** A difference of shares in points, with half its interval. */
export const points = (difference: Interval | undefined): string => {
  if (difference === undefined) return "–";
  const { mean, low, high } = difference;
  const half = Number.isFinite(low) && Number.isFinite(high) ? ` ± ${((100 * (high - low)) / 2).toFixed(1)}` : "";
  return `${signed(100 * mean)}${half}`;
};

/** 3e-5 as people write it. */
export const rate = (x: number): string => minus(x.toExponential(1).replace(".0e", "e"));

/** With so many digits; a dash where a model that diverged has no number. */
export const fixed = (x: number, digits: number): string => (Number.isFinite(x) ? x.toFixed(digits) : "–");
