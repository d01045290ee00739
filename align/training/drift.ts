import type { OptimizerSettings } from "./rules/settings.js";

/**
 * A, how many reference deltas a merging run of so many steps drifts by: T·α/K, or T·α/(K·p) where what is kept is scaled up
 * by 1/p. Undefined where nothing drifts, and where each step's own length is the measure (`tauScale`).
 */
export const driftOf = (
  { optim, alpha = 0, reserveP = 1, onlineStep = 1, mergePreset, tauScale }: OptimizerSettings,
  steps: number,
): number | undefined => {
  if (alpha === 0 || reserveP === 0 || tauScale === "update") return undefined;
  const rescaled = mergePreset === "official" && (optim === "ondare" || optim === "ondare_ties");
  return (Math.floor(steps / onlineStep) * alpha) / (rescaled ? reserveP : 1);
};
