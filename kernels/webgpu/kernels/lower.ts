import { DeviceError } from "../../../core/index.js";
import type { BatchStep, Step } from "../../plan/steps.js";
import { link } from "../wgsl/link.js";
import type { Kernel } from "../wgsl/module.js";
import { addRowsKernels } from "./add-rows.js";
import { gatherKernels } from "./gather.js";
import type { KernelSet, Kernels, Lowering } from "./lowering.js";
import { mapKernels } from "./map.js";
import { matmulKernels } from "./matmul/matmul.js";
import { reduceKernels } from "./reduce.js";
import { rmsnormGradientKernels, rmsnormKernels, softmaxGradientKernels, softmaxKernels } from "./rows.js";
import { scatterAddKernels } from "./scatter-add.js";
import { crossEntropyGradientKernels, crossEntropyKernels, tokenScoresKernels } from "./token-rows.js";
import { topkCutKernels } from "./topk.js";

const fused: Record<string, Kernels> = {
  softmax: softmaxKernels,
  "softmax.vjp": softmaxGradientKernels,
  rmsnorm: rmsnormKernels,
  "rmsnorm.vjp": rmsnormGradientKernels,
  crossEntropy: crossEntropyKernels,
  "crossEntropy.vjp": crossEntropyGradientKernels,
  tokenScores: tokenScoresKernels,
  addRows: addRowsKernels,
};

const calls: Record<string, Kernels> = {
  ...fused,
  gather: gatherKernels,
  scatterAdd: scatterAddKernels,
  topkCut: topkCutKernels,
};

/** Fused ops that have kernels on an adapter; the planner expands the others. */
export const fusedOps = (own: KernelSet): ReadonlySet<string> => new Set(Object.keys({ ...fused, ...own.fused }));

/** Every call reads 16-bit inputs as they lie. */
export const reads16 = (): boolean => true;

/** Where a member's words begin in a scratch buffer: multiples of so many, as quads and bindings may. */
const ALIGN = 64;

/** Steps that do not wait for one another: the first kernels of all of them, then the second ones, each in as few launches as can be. */
const batchKernels = (steps: BatchStep["steps"], lowering: Lowering): Kernel[] => {
  const ends: number[] = []; // of the scratch buffers
  const phases: Kernel[][] = [];
  for (const step of steps) {
    const words: number[] = []; // of the member's own
    const scratch = (index: number, count: number): number => {
      words[index] = Math.max(words[index] ?? 0, count);
      const from = ends[index] ?? 0;
      lowering.scratch(index, from + count);
      return from;
    };
    lower(step, { ...lowering, scratch }).forEach((kernel, phase) => {
      phases[phase] = [...(phases[phase] ?? []), kernel];
    });
    words.forEach((count, index) => {
      ends[index] = (ends[index] ?? 0) + Math.ceil(count / ALIGN) * ALIGN;
    });
  }
  const memoryOf = (binding: number) => lowering.windows.at(binding)?.buffer ?? binding;
  return phases.flatMap((kernels) => link(kernels, lowering.mostBindings, memoryOf));
};

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
      return batchKernels(step.steps, lowering);
    case "call": {
      const kernels = lowering.kernelSet.fused[step.name] ?? calls[step.name];
      if (kernels === undefined) throw new DeviceError(`webgpu: no kernel for ${step.name}`);
      return kernels(step, lowering);
    }
  }
};
