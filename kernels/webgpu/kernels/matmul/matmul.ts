import { DeviceError, sizeOf } from "../../../../core/index.js";
import type { MatmulStep } from "../../../plan/steps.js";
import type { Kernel } from "../../wgsl/module.js";
import { matmulParts } from "../../windows/matmul.js";
import { epilogueOfZero, itself } from "../epilogue.js";
import type { Lowering } from "../lowering.js";
import { mapKernels } from "../map.js";
import { cutKernels, type Method } from "./cut.js";
import { FEW, fewKernel } from "./few.js";
import { matrixKernel } from "./matrices.js";
import { matrixTiles } from "./matrix-tiles.js";
import { registerKernel } from "./register.js";
import { tiledKernel } from "./tiled.js";
import { chosen, chosenOf, innerCut, ON_UNITS, unitCut } from "./tiles.js";
import { unitsOf } from "./units.js";

const onUnits = (step: MatmulStep, lowering: Lowering): Method => {
  const { limits, layouts, rates } = lowering;
  const units = unitsOf(lowering);
  const tiles = units && matrixTiles(units, limits, layouts);
  if (units === undefined || tiles === undefined || tiles.length === 0)
    throw new DeviceError("webgpu: a product of f16 operands was planned where there are no matrix units");
  const cut = unitCut(step, tiles[0].depth);
  const { tile, apart } = chosenOf(step, cut, tiles, ON_UNITS, rates);
  const kernel: Method["kernel"] = (part, sums) => matrixKernel(part, units, tile, sums);
  return { cut, apart, unit: units.shape.k, addsInPlace: true, kernel };
};

const inRegisters = (step: MatmulStep, { tiles, rates }: Lowering): Method => {
  const cut = innerCut(step);
  if (step.output.shape[step.output.shape.length - 2] <= FEW)
    return { cut, apart: false, unit: 1, addsInPlace: false, kernel: fewKernel };
  const { tile, apart } = chosen(step, cut, tiles, rates);
  const kernel: Method["kernel"] = (part, sums) => tiledKernel(part, tile, sums);
  return { cut, apart, unit: 1, addsInPlace: false, kernel };
};

/** out[…batch, M, N] = a × b, any strides. Tolerance: K roundings of Σ|a||b|, as for any sum in order. */
export const matmulKernels = (step: MatmulStep, lowering: Lowering): Kernel[] => {
  const size = sizeOf(step.output.shape);
  if (size === 0) return [];
  if (step.a.shape[step.a.shape.length - 1] === 0)
    return mapKernels(epilogueOfZero(step.epilogue ?? itself(step.output), step.output), lowering);
  if (step.operands === "f16") return cutKernels(step, onUnits(step, lowering), lowering);
  if (lowering.wide) return cutKernels(step, inRegisters(step, lowering), lowering);
  return matmulParts(step, lowering.windows).map((part) => registerKernel(part, lowering));
};
