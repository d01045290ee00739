import type { Plan } from "../plan/steps.js";
import { workOf } from "../plan/work.js";

/** What any GPU does at the least, a second: that of a laptop's processor. */
const FLOPS = 1e12;
const BYTES = 5e10;

/** Most seconds of planned work that are submitted at once: a desktop's driver ends what takes seconds, and draws nothing meanwhile. */
export const MOST_SECONDS = 0.1;

/** Planned seconds of each kernel: its share of what its step does, the slower of arithmetic and memory. */
export const secondsOf = (plan: Plan, stepOf: readonly number[]): number[] => {
  const kernels = plan.steps.map(() => 0);
  for (const step of stepOf) kernels[step]++;
  const seconds = plan.steps.map((step, at) => {
    const { flops, bytes } = workOf(step, plan);
    return Math.max(flops / FLOPS, bytes / BYTES) / kernels[at];
  });
  return stepOf.map((step) => seconds[step]);
};

/**
 * The submit that each kernel belongs to, by number, in order: as many kernels as take at most `most` seconds together, or one alone
 * that takes longer.
 */
export const slicesOf = (seconds: readonly number[], most: number): number[] => {
  let [slice, sum] = [0, 0];
  return seconds.map((own, at) => {
    if (at > 0 && sum + own > most) [slice, sum] = [slice + 1, 0];
    sum += own;
    return slice;
  });
};
