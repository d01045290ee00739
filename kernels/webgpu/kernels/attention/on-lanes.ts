import { attentionOver } from "../attention.js";
import { attentionGradientOver } from "../attention-gradient.js";
import type { Kernels } from "../lowering.js";
import { forwardLanesKernel } from "./forward-lanes.js";
import { keyLanesKernel, queryLanesKernel } from "./gradient-lanes.js";
import { LANES } from "./lanes.js";

/** Attention on adapters that run on the CPU. */
export const laneAttention: Kernels = (step, lowering) =>
  attentionOver(step, lowering, (part) => [forwardLanesKernel(part)]);

export const laneGradient: Kernels = (step, lowering) =>
  attentionGradientOver(step, lowering, {
    ...{ block: LANES, units: undefined },
    ...{ queries: queryLanesKernel, keys: keyLanesKernel },
  });
