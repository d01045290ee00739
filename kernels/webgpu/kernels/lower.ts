import { DeviceError } from "../../../core/index.js";
import type { CallStep, Step } from "../../plan/steps.js";
import type { Kernel } from "../wgsl/module.js";
import { attentionKernels } from "./attention.js";
import { attentionGradientKernels } from "./attention-gradient.js";
import { gatherKernels } from "./gather.js";
import type { Lowering } from "./lowering.js";
import { mapKernels } from "./map.js";
import { matmulKernels } from "./matmul/matmul.js";
import { reduceKernels } from "./reduce.js";
import { rmsnormGradientKernels, rmsnormKernels, softmaxGradientKernels, softmaxKernels } from "./rows.js";
import { scatterAddKernels } from "./scatter-add.js";
import {
  crossEntropyGradientKernels,
  crossEntropyKernels,
  tokenScoresGradientKernels,
  tokenScoresKernels,
} from "./token-rows.js";
import { topkCutKernels } from "./topk.js";

type Kernels = (step: CallStep, lowering: Lowering) => Kernel[];

const fused: Record<string, Kernels> = {
  softmax: softmaxKernels,
  "softmax.vjp": softmaxGradientKernels,
  rmsnorm: rmsnormKernels,
  "rmsnorm.vjp": rmsnormGradientKernels,
  crossEntropy: crossEntropyKernels,
  "crossEntropy.vjp": crossEntropyGradientKernels,
  tokenScores: tokenScoresKernels,
  "tokenScores.vjp": tokenScoresGradientKernels,
  attention: attentionKernels,
  "attention.vjp": attentionGradientKernels,
};

const calls: Record<string, Kernels> = {
  ...fused,
  gather: gatherKernels,
  scatterAdd: scatterAddKernels,
  topkCut: topkCutKernels,
};

/** Fused ops that have kernels here; the planner expands the others. */
export const FUSED: ReadonlySet<string> = new Set(Object.keys(fused));

/** Every call reads 16-bit inputs as they lie. */
export const reads16 = (): boolean => true;

/** The kernels of one step, in order. */
export const lower = (step: Step, lowering: Lowering): Kernel[] => {
  switch (step.kind) {
    case "map":
      return mapKernels(step, lowering);
    case "reduce":
      return reduceKernels(step, lowering);
    case "matmul":
      return matmulKernels(step, lowering);
    case "batch":
      return step.steps.flatMap((one) => lower(one, lowering));
    case "call": {
      const kernels = calls[step.name];
      if (kernels === undefined) throw new DeviceError(`webgpu: no kernel for ${step.name}`);
      return kernels(step, lowering);
    }
  }
};
