import type { MatmulStep } from "../../../plan/steps.js";
import type { Kernel } from "../../wgsl/module.js";
import type { Lowering } from "../lowering.js";
import { cutKernels, type Method } from "./cut.js";
import { FEW, fewKernel } from "./few.js";
import { tiledKernel } from "./tiled.js";
import { chosen, innerCut } from "./tiles.js";

const methodOf = (step: MatmulStep, { tiles, rates }: Lowering): Method => {
  const cut = innerCut(step);
  if (step.output.shape[step.output.shape.length - 2] <= FEW)
    return { cut, apart: false, unit: 1, addsInPlace: false, kernel: fewKernel };
  const { tile, apart } = chosen(step, cut, tiles, rates);
  const kernel: Method["kernel"] = (part, sums) => tiledKernel(part, tile, sums);
  return { cut, apart, unit: 1, addsInPlace: false, kernel };
};

/** Products on GPUs, whose sums are in registers. */
export const registerProducts = (step: MatmulStep, lowering: Lowering): Kernel[] =>
  cutKernels(step, methodOf(step, lowering), lowering);
