import { sizeOf } from "../../../../core/index.js";
import type { MatmulStep } from "../../../plan/steps.js";
import type { Kernel } from "../../wgsl/module.js";
import { epilogueOfZero, itself } from "../epilogue.js";
import type { Lowering } from "../lowering.js";
import { mapKernels } from "../map.js";

/** out[…batch, M, N] = a × b, any strides. Tolerance: K roundings of Σ|a||b|, as for any sum in order. */
export const matmulKernels = (step: MatmulStep, lowering: Lowering): Kernel[] => {
  const size = sizeOf(step.output.shape);
  if (size === 0) return [];
  if (step.a.shape[step.a.shape.length - 1] === 0)
    return mapKernels(epilogueOfZero(step.epilogue ?? itself(step.output), step.output), lowering);
  return lowering.kernelSet.matmul(step, lowering);
};
